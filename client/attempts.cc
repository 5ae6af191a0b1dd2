// See attempts.h.

#include "client/attempts.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/attempt_judge.h"
#include "client/grpc_error.h"
#include "client/route/retry_policy.h"
#include "client/status.h"

namespace rasputin::client {
namespace {

using Clock = std::chrono::steady_clock;

// The longest wait for one node to accept a connection before another is tried.
constexpr auto kConnectPatience = std::chrono::seconds(1);

// The longest look at what else listens at an endpoint.
constexpr auto kLookPatience = std::chrono::milliseconds(200);

constexpr auto kHalfMillisecond = std::chrono::microseconds(500);

std::chrono::system_clock::time_point ToSystem(Clock::time_point time) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time - Clock::now());
}

// An attempt that has not so much time left is not begun: gRPC would most likely cut it off, and a
// definite refusal would become an unknown outcome.
constexpr std::chrono::nanoseconds kAttemptTimeMin = std::chrono::milliseconds(50);

// Waits while the channel is connecting. What is not ready then has failed or hangs: a call there
// would not be sent, and it is certain that nothing was.
bool Connected(grpc::Channel* channel, Clock::time_point until) {
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state == GRPC_CHANNEL_IDLE || state == GRPC_CHANNEL_CONNECTING) {
    if (!channel->WaitForStateChange(state, ToSystem(until))) return false;
    state = channel->GetState(/*try_to_connect=*/true);
  }
  return state == GRPC_CHANNEL_READY;
}

class Attempts {
 public:
  Attempts(const AttemptOptions& options, Endpoints* endpoints, const AttemptHooks& hooks)
      : options_(options),
        endpoints_(endpoints),
        hooks_(hooks),
        started_(Clock::now()),
        judge_(JudgeOptionsOf(options, endpoints->size(), options.deadline - started_)) {}

  absl::Status Run() {
    while (true) {
      const std::string address = hooks_.address();
      const std::shared_ptr<grpc::Channel> channel = endpoints_->Pick(address);
      AttemptJudge::Next next;
      if (!Connected(channel.get(), std::min(options_.deadline, Clock::now() + kConnectPatience))) {
        next = NotReached(address);
      } else {
        const Clock::time_point sent = Clock::now();
        grpc::ClientContext context;
        context.set_deadline(ToSystem(AttemptDeadline(sent)));
        const grpc::Status answer = hooks_.call(channel, &context);
        if (answer.ok()) return absl::OkStatus();
        next = Failed(ErrorOf(answer), channel.get(), address);
      }
      if (next.elsewhere) endpoints_->Advance();
      if (!next.decision.retry) return judge_.Conclude(next.status);
      std::this_thread::sleep_for(next.decision.wait);
    }
  }

 private:
  static JudgeOptions JudgeOptionsOf(const AttemptOptions& options, size_t nodes,
                                     std::chrono::nanoseconds time) {
    JudgeOptions judge;
    judge.mutation = options.mutation;
    judge.repeatable = options.repeatable;
    judge.nodes = nodes;
    judge.time_min = std::min(kAttemptTimeMin, time / 8);
    judge.seed = options.seed;
    return judge;
  }

  Clock::time_point AttemptDeadline(Clock::time_point now) const {
    if (options_.attempt_time_max.count() == 0) return options_.deadline;
    return std::min(options_.deadline, now + options_.attempt_time_max);
  }

  AttemptJudge::Next NotReached(const std::string& address) {
    const bool better_route = hooks_.learn && hooks_.learn(std::nullopt, address);
    AttemptJudge::Next next = judge_.OnNotReached(
        absl::StrCat("no node could be reached at ", endpoints_->ToString(),
                     judge_.reached() ? "" : absl::StrCat(" within ", Patience())),
        better_route, options_.deadline - Clock::now());
    if (!judge_.reached() && options_.connect_time_max.count() != 0 &&
        Clock::now() - started_ >= options_.connect_time_max) {
      next.decision.retry = false;
    }
    if (!next.decision.retry && !judge_.reached()) {
      next.status = NotReachedError(absl::StrCat(next.status.message(), WhatAnswersElse()));
    }
    return next;
  }

  // How long a connection was waited for at most.
  std::string Patience() const {
    auto patience = options_.deadline - started_;
    const auto limit = options_.connect_time_max;
    if (limit.count() != 0 && limit < patience) patience = limit;
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(patience + kHalfMillisecond);
    return ms.count() % 1000 == 0 ? absl::StrCat(ms.count() / 1000, " s")
                                  : absl::StrCat(ms.count(), " ms");
  }

  // Where something accepts connections and does not speak gRPC, the port is most likely wrong.
  std::string WhatAnswersElse() const {
    for (const std::string& address : endpoints_->addresses()) {
      if (!AcceptsConnections(address, kLookPatience)) continue;
      return absl::StrCat(", though something listens at ", address,
                          " that does not answer as a client port does (9090 is for HTTP)");
    }
    return "";
  }

  AttemptJudge::Next Failed(const CallError& error, const grpc::Channel* channel,
                            const std::string& address) {
    const bool says_routes = !AttemptJudge::ExecutesNothing(error);
    const bool better_route =
        hooks_.learn && hooks_.learn(says_routes ? error.detail : std::nullopt, address);
    return judge_.OnError(error, endpoints_->AddressOf(channel), better_route,
                          options_.deadline - Clock::now());
  }

  const AttemptOptions& options_;
  Endpoints* const endpoints_;
  const AttemptHooks& hooks_;
  const Clock::time_point started_;
  AttemptJudge judge_;
};

}  // namespace

absl::Status RunAttempts(const AttemptOptions& options, Endpoints* endpoints,
                         const AttemptHooks& hooks) {
  return Attempts(options, endpoints, hooks).Run();
}

}  // namespace rasputin::client
