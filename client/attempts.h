// One call with all its attempts: connects, calls, learns from errors, waits, tries again, and says
// what became of it.
//
// Not responsible for knowing routes (the hooks do) nor for request ids. A repetition must be safe:
// the caller passes reads, idempotent calls, and mutations with a request id, or says that the call
// is not `repeatable`. Blocking; the
// functions are thread-safe as far as the hooks are.

#ifndef RASPUTIN_CLIENT_ATTEMPTS_H_
#define RASPUTIN_CLIENT_ATTEMPTS_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/endpoints.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::client {

struct AttemptOptions {
  // Of the call with all its attempts.
  std::chrono::steady_clock::time_point deadline;
  // Of one attempt, so that a node that hangs does not take the whole deadline; 0: no limit.
  std::chrono::nanoseconds attempt_time_max{0};
  // After so long without a connection to any node the call ends; 0: only at the deadline.
  std::chrono::nanoseconds connect_time_max{0};
  // It changes something: a lost attempt leaves the outcome unknown.
  bool mutation = false;
  // A repetition changes nothing. Otherwise a lost attempt is the last one.
  bool repeatable = true;
  // Of the random part of waits.
  uint64_t seed = 0;
};

struct AttemptHooks {
  // The address to try next; "": any.
  std::function<std::string()> address;
  // Takes over what an error from `address` says (no detail: the node could not be reached or the
  // connection broke). True: `address` has now another answer. Optional.
  std::function<bool(const std::optional<v1::ErrorDetail>&, const std::string& address)> learn;
  // The call itself; the context has its deadline.
  std::function<grpc::Status(const std::shared_ptr<grpc::Channel>&, grpc::ClientContext*)> call;
};

// OK, or the last error as ToAbslStatus gives it, except: NotReachedError if no attempt was ever
// sent, and OutcomeUnknownError if an earlier attempt of a mutation may have been executed and the
// last one does not tell.
absl::Status RunAttempts(const AttemptOptions& options, Endpoints* endpoints,
                         const AttemptHooks& hooks);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ATTEMPTS_H_
