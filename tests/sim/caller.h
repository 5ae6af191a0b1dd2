// One simulated caller: sends one request at a time to the store that seems to lead its range, and
// tries again as the product's retry policy says.
//
// Uses the real client/route (cache and policy) where it asks stores, and the client library's
// attempt_judge where it asks front ends. Knows only what answers tell. Not responsible for
// histories (workload.h). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_CALLER_H_
#define RASPUTIN_TESTS_SIM_CALLER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/attempt_judge.h"
#include "client/route/retry_policy.h"
#include "client/route/router.h"
#include "client/status.h"
#include "range/request.h"
#include "server/front/ports.h"
#include "tests/sim/cluster.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

struct Call {
  // Set: goes to the front end of any store, as `body`; only `id` (which the body carries as well)
  // and `is_read` matter beside it.
  std::optional<server::Method> method;
  kv::Operation operation = kv::Operation::kNone;
  absl::Cord body;
  std::string first_key;  // Full keys.
  std::string last_key;
  std::optional<kv::RequestId> id;
  bool is_read = false;
  bool read_index = false;
  bool repeatable = false;  // Though it writes and has no id.
  // Goes to this range at this generation, or is not executed.
  std::optional<range::RangeDescriptor> pinned;
  RealTime patience = 5 * kSecond;
};

enum class CallOutcome : uint8_t {
  kAnswered = 1,     // `response` holds the answer.
  kNotExecuted = 2,  // Certainly; `response` holds the last refusal.
  kUnknown = 3,
};

struct CallResult {
  CallOutcome outcome = CallOutcome::kUnknown;
  range::Response response;
  // By which the request was routed when it was answered; not by a front end.
  range::RangeDescriptor descriptor;
  std::vector<absl::Cord> pages;  // Of a scan by a front end.
};

class Caller {
 public:
  using Done = std::function<void(CallResult)>;

  struct Counters {
    uint64_t attempts = 0;
    uint64_t timeouts = 0;
    uint64_t mismatches = 0;
    uint64_t not_leader = 0;
    uint64_t overloaded = 0;
    uint64_t unknown = 0;
    uint64_t sessions_expired = 0;
  };

  Caller(Cluster* cluster, int endpoint, const Random& random);

  // One call at a time (CHECK). `done` is called later, never from here.
  void Start(Call call, Done done);
  bool busy() const { return done_ != nullptr; }
  const client::Router& router() const { return router_; }
  const Counters& counters() const { return counters_; }

 private:
  void Attempt();
  void AttemptDirectly(uint64_t attempt, RealTime time_left);
  void AttemptByFrontEnd(uint64_t attempt, RealTime time_left);
  void OnFrontAnswer(uint64_t attempt, uint64_t call, const FrontAnswer& answer);
  void OnFrontError(const client::CallError& error);
  const range::RangeDescriptor* Route() const;
  int ChooseTarget(const range::RangeDescriptor& descriptor);
  // Not one that is known to be gone for good.
  int AnyStore();
  void OnReply(uint64_t attempt, uint64_t call, const range::Response& response);
  void OnTimeout(uint64_t attempt);
  void OnFailure(client::Failure failure, bool better_route, const range::Response& response);
  void RetryAfter(RealTime wait);
  RealTime TimeLeft() const { return deadline_ - cluster_->scheduler().now(); }
  bool Repeatable() const { return call_.is_read || call_.id.has_value() || call_.repeatable; }
  void Finish(CallOutcome outcome, const range::Response& response);

  Cluster* cluster_;
  int endpoint_;
  Random random_;
  client::Router router_;
  Call call_;
  Done done_;
  uint64_t call_number_ = 0;
  uint64_t attempt_ = 0;  // Never used twice.
  uint32_t tries_ = 0;    // Of this call.
  RealTime deadline_ = 0;
  bool maybe_executed_ = false;
  std::unique_ptr<client::Backoff> backoff_;     // Of calls to stores.
  std::unique_ptr<client::AttemptJudge> judge_;  // Of calls to front ends.
  range::RangeDescriptor routed_by_;
  int front_store_ = 0;  // Whose front end is asked; another one after a timeout.
  std::vector<absl::Cord> pages_;
  Counters counters_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_CALLER_H_
