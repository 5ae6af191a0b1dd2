// What follows from each failed attempt of one call, and what became of the call in the end.
//
// Deterministic: what happened and the time left come in, so that the simulator's callers decide by
// the code that ships. Not responsible for connections, deadlines of attempts, routes (the caller
// says whether it has a better one) and waiting. An object belongs to one call; not thread-safe.

#ifndef RASPUTIN_CLIENT_ATTEMPT_JUDGE_H_
#define RASPUTIN_CLIENT_ATTEMPT_JUDGE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/route/retry_policy.h"
#include "client/status.h"

namespace rasputin::client {

struct JudgeOptions {
  // It changes something: a lost attempt leaves the outcome unknown.
  bool mutation = false;
  // A repetition changes nothing: a read, or a mutation with a request id.
  bool repeatable = true;
  // Nodes that can be asked.
  size_t nodes = 1;
  // No attempt begins with less time left.
  RetryDuration time_min{};
  // Of the random part of waits.
  uint64_t seed = 0;
};

class AttemptJudge {
 public:
  struct Next {
    RetryDecision decision;
    bool elsewhere = false;  // Another node is to be asked unless a route names one.
    absl::Status status;     // What this attempt says; Conclude says what the call does.
  };

  explicit AttemptJudge(const JudgeOptions& options);

  // The node that says this executes nothing for anyone: the detail tells nothing of routes.
  static bool ExecutesNothing(const CallError& error);

  // No connection, so nothing was sent. `better_route`: there is a route not tried yet.
  Next OnNotReached(const std::string& message, bool better_route, RetryDuration time_left);
  // `address`: of the node asked, for a sentence.
  Next OnError(const CallError& error, const std::string& address, bool better_route,
               RetryDuration time_left);

  // Whether some attempt was sent.
  bool reached() const { return reached_; }
  // What the call failed with; `last` as the last attempt said it.
  absl::Status Conclude(const absl::Status& last) const;

 private:
  RetryDecision Decide(const AttemptResult& result);
  Next PassOver(const CallError& error, const std::string& address, RetryDuration time_left);

  const JudgeOptions options_;
  Backoff backoff_;
  bool reached_ = false;
  bool lost_ = false;       // Some attempt may have been executed.
  absl::Status no_leader_;  // Not OK: what was last said of the range.
  size_t passed_over_ = 0;  // Attempts at nodes that execute nothing.
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ATTEMPT_JUDGE_H_
