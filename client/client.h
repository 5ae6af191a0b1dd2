// The C++ client: finds the leader of a key's range, repeats what may be repeated, gives up at the
// deadline.
//
// Mutations carry request ids, so a repetition after a broken connection is executed once. A client
// caches routes and goes straight to leaders; with a wrong cache any node still answers. Blocking
// calls; thread-safe: one client serves all threads of a process. For other languages any generated
// stub will do: no routing is needed.

#ifndef RASPUTIN_CLIENT_CLIENT_H_
#define RASPUTIN_CLIENT_CLIENT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/limits.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::client {

struct ClientOptions {
  // host:port of client ports; any subset of the nodes, at least one.
  std::vector<std::string> endpoints;
  // For a call with all its repetitions.
  std::chrono::milliseconds deadline = std::chrono::seconds(10);
  // For one attempt of a call on single keys: a node that hangs is given up after it. 0: no limit.
  std::chrono::milliseconds attempt_time_max = std::chrono::seconds(3);
  // A call ends after so long without a connection to any node. 0: only at its deadline.
  std::chrono::milliseconds connect_time_max{0};
  // A request beyond them is refused before it is sent.
  ClientLimits limits{};
};

// Errors of all calls: the code and sentence of the server (api/README.md lists them), UNAVAILABLE
// when no node could be reached, or UNKNOWN / DEADLINE_EXCEEDED when one was asked and did not
// answer; OutcomeIsUnknown (status.h) tells whether a mutation may have been executed.
class Client {
 public:
  explicit Client(const ClientOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  absl::StatusOr<kv::v1::GetResponse> Get(const kv::v1::GetRequest& request);
  // The request id is set by the client; what the caller set is replaced.
  absl::StatusOr<kv::v1::SetResponse> Set(kv::v1::SetRequest request);
  absl::StatusOr<kv::v1::CasResponse> Cas(kv::v1::CasRequest request);
  absl::StatusOr<kv::v1::DeleteResponse> Delete(kv::v1::DeleteRequest request);
  absl::StatusOr<kv::v1::BatchResponse> Batch(kv::v1::BatchRequest request);
  // Calls `row` for each key in order until it returns false. Resumes at the last key after a
  // broken connection.
  absl::Status Scan(kv::v1::ScanRequest request,
                    const std::function<bool(const kv::v1::KeyValue&)>& row);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLIENT_H_
