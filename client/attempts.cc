// See attempts.h.

#include "client/attempts.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/route/retry_policy.h"
#include "client/status.h"

namespace rasputin::client {
namespace {

using Clock = std::chrono::steady_clock;

// The longest wait for one node to accept a connection before another is tried.
constexpr auto kConnectPatience = std::chrono::seconds(1);

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
        backoff_(RetryOptions(), options.seed),
        started_(Clock::now()),
        time_min_(std::min<std::chrono::nanoseconds>(kAttemptTimeMin,
                                                     (options.deadline - started_) / 8)) {}

  absl::Status Run() {
    while (true) {
      const std::string address = hooks_.address();
      const std::shared_ptr<grpc::Channel> channel = endpoints_->Pick(address);
      RetryDecision decision;
      absl::Status status;
      if (!Connected(channel.get(), std::min(options_.deadline, Clock::now() + kConnectPatience))) {
        status = NotReached(address, &decision);
      } else {
        const Clock::time_point sent = Clock::now();
        grpc::ClientContext context;
        context.set_deadline(ToSystem(AttemptDeadline(sent)));
        const grpc::Status answer = hooks_.call(channel, &context);
        if (answer.ok()) return absl::OkStatus();
        status = Failed(answer, channel.get(), address, &decision);
      }
      if (!decision.retry || Clock::now() + decision.wait + time_min_ > options_.deadline) {
        return Conclude(status);
      }
      std::this_thread::sleep_for(decision.wait);
    }
  }

 private:
  Clock::time_point AttemptDeadline(Clock::time_point now) const {
    if (options_.attempt_time_max.count() == 0) return options_.deadline;
    return std::min(options_.deadline, now + options_.attempt_time_max);
  }

  absl::Status NotReached(const std::string& address, RetryDecision* decision) {
    AttemptResult result;
    result.failure = Failure::kNotSent;
    result.repeatable = true;
    result.better_route = hooks_.learn && hooks_.learn(std::nullopt, address);
    result.time_left = options_.deadline - Clock::now();
    endpoints_->Advance();
    *decision = backoff_.Next(result);
    if (!reached_ && options_.connect_time_max.count() != 0 &&
        Clock::now() - started_ >= options_.connect_time_max) {
      decision->retry = false;
    }
    return NotReachedError(absl::StrCat("no node could be reached at ", endpoints_->ToString(),
                                        reached_ ? "" : absl::StrCat(" within ", Patience())));
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

  absl::Status Failed(const grpc::Status& answer, const grpc::Channel* channel,
                      const std::string& address, RetryDecision* decision) {
    reached_ = true;
    const std::optional<v1::ErrorDetail> detail = DetailOf(answer);
    if (!detail.has_value() && answer.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      *decision = PassOver(address);
      return NotAClientPortError(endpoints_->AddressOf(channel));
    }
    if (detail.has_value() && detail->reason() == v1::ERROR_REASON_NOT_INITIALIZED) {
      *decision = PassOver(address);
      return ToAbslStatus(answer, detail);
    }
    AttemptResult result;
    result.failure = FailureOf(answer, detail);
    result.repeatable = true;
    result.time_left = options_.deadline - Clock::now();
    result.better_route = hooks_.learn && hooks_.learn(detail, address);
    if (detail.has_value()) {
      result.retry_after = std::chrono::seconds(detail->retry_after().seconds()) +
                           std::chrono::nanoseconds(detail->retry_after().nanos());
    } else {
      endpoints_->Advance();
    }
    // The time of this attempt is over, not that of the call.
    if (answer.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      result.failure = detail.has_value() ? Failure::kNoRoute : Failure::kBroken;
    }
    *decision = backoff_.Next(result);
    if (OutcomeIsUnknown(result.failure)) lost_ = true;
    if (detail.has_value() && SaysNoLeader(*detail)) {
      no_leader_ = NoLeaderError(*detail);
    } else if (result.failure == Failure::kFinal ||
               (detail.has_value() && result.failure != Failure::kNoRoute)) {
      no_leader_ = absl::OkStatus();
    }
    return ToAbslStatus(answer, detail);
  }

  // The node executes nothing for anyone. Another one may; if none does, each has been asked by the
  // time that so many have said so, because nodes that are down are passed over.
  RetryDecision PassOver(const std::string& address) {
    AttemptResult result;
    result.failure = ++passed_over_ < endpoints_->size() ? Failure::kNoRoute : Failure::kFinal;
    result.repeatable = true;
    result.time_left = options_.deadline - Clock::now();
    result.better_route = true;
    if (hooks_.learn) hooks_.learn(std::nullopt, address);
    endpoints_->Advance();
    no_leader_ = absl::OkStatus();
    return backoff_.Next(result);
  }

  // What is known of the range says more than that the last attempt got no answer.
  absl::Status Conclude(const absl::Status& last) const {
    const absl::Status& status = no_leader_.ok() ? last : no_leader_;
    if (!lost_ || !options_.mutation || OutcomeIsUnknown(status)) return status;
    // What breaks a rule breaks it in every attempt.
    if (ReasonOf(status) == v1::ERROR_REASON_INVALID_ARGUMENT) return status;
    return OutcomeUnknownError(absl::StrCat(
        "an attempt got no answer and may have been executed; the last one: ", status.message()));
  }

  const AttemptOptions& options_;
  Endpoints* const endpoints_;
  const AttemptHooks& hooks_;
  Backoff backoff_;
  const Clock::time_point started_;
  const std::chrono::nanoseconds time_min_;  // What is left when the last attempt begins.
  bool reached_ = false;                     // Some attempt was sent.
  bool lost_ = false;                        // Some attempt may have been executed.
  absl::Status no_leader_;                   // Not OK: what was last said of the range.
  size_t passed_over_ = 0;                   // Attempts at nodes that execute nothing.
};

}  // namespace

absl::Status RunAttempts(const AttemptOptions& options, Endpoints* endpoints,
                         const AttemptHooks& hooks) {
  return Attempts(options, endpoints, hooks).Run();
}

}  // namespace rasputin::client
