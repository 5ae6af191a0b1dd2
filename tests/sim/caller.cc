// Routing, timeouts and retries of one caller; see caller.h.

#include "tests/sim/caller.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/route/full_key.h"
#include "client/status.h"

namespace rasputin::sim {
namespace {

using client::Failure;
using range::Outcome;
using range::RangeDescriptor;

constexpr RealTime kAttemptTimeoutMin = 200 * kMillisecond;
constexpr RealTime kAttemptTimeoutMax = 1500 * kMillisecond;
// As the client library has it (client/attempts.cc).
constexpr client::RetryDuration kAttemptTimeMin = std::chrono::milliseconds(50);

Failure FailureOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNotLeader:
      return Failure::kNotLeader;
    case Outcome::kRangeMismatch:
      return Failure::kRangeMismatch;
    case Outcome::kOverloaded:
      return Failure::kOverloaded;
    case Outcome::kOutcomeUnknown:
      return Failure::kOutcomeUnknown;
    default:
      return Failure::kFinal;
  }
}

// Final answers that leave open whether the request was executed by this attempt.
bool LeavesUnknown(Outcome outcome) {
  return outcome == Outcome::kOutcomeUnknown || outcome == Outcome::kSessionExpired ||
         outcome == Outcome::kDataLoss;
}

}  // namespace

Caller::Caller(Cluster* cluster, int endpoint, const Random& random)
    : cluster_(cluster),
      endpoint_(endpoint),
      random_(random),
      front_store_(endpoint % cluster->stores()) {
  for (const RangeDescriptor& descriptor : cluster->first_ranges()) router_.Learn(descriptor);
}

void Caller::Start(Call call, Done done) {
  CHECK(!busy());
  call_ = std::move(call);
  done_ = std::move(done);
  ++call_number_;
  tries_ = 0;
  maybe_executed_ = false;
  pages_.clear();
  if (random_.Chance(0.1) || cluster_->node(front_store_).retired()) front_store_ = AnyStore();
  deadline_ = cluster_->scheduler().now() + call_.patience;
  const uint64_t seed = random_.Next();
  backoff_ = std::make_unique<client::Backoff>(client::RetryOptions(), seed);
  client::JudgeOptions judge;
  judge.mutation = !call_.is_read;
  judge.repeatable = Repeatable();
  judge.nodes = static_cast<size_t>(cluster_->stores());
  judge.time_min = kAttemptTimeMin;
  judge.seed = seed;
  judge_ = std::make_unique<client::AttemptJudge>(judge);
  Attempt();
}

// A cached range of that key, or else a first range: whoever held its keys at first knows better.
const RangeDescriptor* Caller::Route() const {
  if (call_.pinned.has_value()) return &*call_.pinned;
  const RangeDescriptor* cached = router_.Locate(call_.first_key);
  if (cached != nullptr) return cached;
  const RangeDescriptor* last = nullptr;
  for (const RangeDescriptor& descriptor : cluster_->first_ranges()) {
    if (descriptor.start_key() <= call_.first_key) last = &descriptor;
  }
  return last;
}

int Caller::AnyStore() {
  int store = 0;
  do {
    store = static_cast<int>(random_.Below(static_cast<uint64_t>(cluster_->stores())));
  } while (cluster_->node(store).retired());
  return store;
}

int Caller::ChooseTarget(const RangeDescriptor& descriptor) {
  uint64_t store = router_.Leader(descriptor.range_id());
  if (store == 0 || !client::HasMember(descriptor, store)) {
    store = client::MemberToTry(descriptor, 1 + random_.Below(9), tries_);
  }
  return static_cast<int>(store) - 1;
}

void Caller::Attempt() {
  ++counters_.attempts;
  const uint64_t attempt = ++attempt_;
  const RealTime time_left = TimeLeft();
  if (call_.method.has_value()) {
    AttemptByFrontEnd(attempt, time_left);
  } else {
    AttemptDirectly(attempt, time_left);
  }
  // A front end tries by itself for as long as it may, a store answers soon or never.
  const RealTime patience = random_.Between(kAttemptTimeoutMin, kAttemptTimeoutMax);
  const RealTime timeout = std::min(time_left, call_.method.has_value() ? 3 * patience : patience);
  cluster_->scheduler().After(timeout, "timeout", static_cast<uint64_t>(endpoint_),
                              [this, attempt] { OnTimeout(attempt); });
}

void Caller::AttemptDirectly(uint64_t attempt, RealTime time_left) {
  const uint64_t call = call_number_;
  routed_by_ = *Route();
  const int target = ChooseTarget(routed_by_);
  ++tries_;
  range::Request request;
  request.range = range::RangeId(routed_by_.range_id());
  request.generation = range::Generation(routed_by_.generation());
  request.operation = call_.operation;
  request.body = call_.body;
  request.id = call_.id;
  request.first_key = call_.first_key;
  request.last_key = call_.last_key;
  request.read_index = call_.read_index;
  const auto answer = [this, target, attempt, call](range::Response response) {
    cluster_->network().Send(target, endpoint_, "reply", false,
                             [this, attempt, call, response = std::move(response)] {
                               OnReply(attempt, call, response);
                             });
  };
  cluster_->network().Send(endpoint_, target, "request", false,
                           [this, request, target, time_left, answer] {
                             cluster_->node(target).Submit(request, time_left, answer);
                           });
}

void Caller::AttemptByFrontEnd(uint64_t attempt, RealTime time_left) {
  const uint64_t call = call_number_;
  const int target = front_store_;
  const auto answer = [this, target, attempt, call](FrontAnswer answered) {
    cluster_->network().Send(target, endpoint_, "answer", false,
                             [this, attempt, call, answered = std::move(answered)] {
                               OnFrontAnswer(attempt, call, answered);
                             });
  };
  cluster_->network().Send(
      endpoint_, target, "call", false,
      [this, target, time_left, answer, method = *call_.method, body = call_.body] {
        cluster_->node(target).Call(method, body, time_left, answer);
      });
}

void Caller::OnFrontAnswer(uint64_t attempt, uint64_t call, const FrontAnswer& answer) {
  if (!busy() || call != call_number_) return;
  range::Response response;
  if (answer.result.code == absl::StatusCode::kOk) {
    response.body = answer.result.body;
    pages_ = answer.pages;
    Finish(CallOutcome::kAnswered, response);
    return;
  }
  if (attempt != attempt_) return;
  ++attempt_;
  OnFrontError(
      client::MakeCallError(answer.result.code, answer.result.message, answer.result.details));
}

void Caller::OnFrontError(const client::CallError& error) {
  const client::AttemptJudge::Next next =
      judge_->OnError(error, "", false, client::RetryDuration(TimeLeft()));
  if (next.elsewhere) front_store_ = AnyStore();
  if (next.decision.retry) return RetryAfter(next.decision.wait.count());
  const absl::Status status = judge_->Conclude(next.status);
  range::Response response;
  response.message = std::string(status.message());
  Finish(client::OutcomeIsUnknown(status) ? CallOutcome::kUnknown : CallOutcome::kNotExecuted,
         response);
}

void Caller::OnTimeout(uint64_t attempt) {
  if (!busy() || attempt != attempt_) return;
  ++counters_.timeouts;
  ++attempt_;
  if (call_.method.has_value()) {
    // As gRPC says it.
    return OnFrontError({absl::StatusCode::kDeadlineExceeded, "no answer in time", std::nullopt});
  }
  router_.LearnLeader(routed_by_.range_id(), 0);
  // All members that it knows may have been replaced: as the directory would say.
  if (cluster_->options().replacements > 0 || cluster_->options().placement) {
    for (const auto& [id, known] : cluster_->KnownRanges()) router_.Learn(known);
  }
  range::Response nothing;
  nothing.outcome = Outcome::kOutcomeUnknown;
  maybe_executed_ = true;
  OnFailure(Failure::kBroken, false, nothing);
}

void Caller::OnReply(uint64_t attempt, uint64_t call, const range::Response& response) {
  for (const RangeDescriptor& descriptor : response.descriptors) router_.Learn(descriptor);
  // An answer to an attempt that was given up is as good; a refusal says nothing of later ones.
  if (!busy() || call != call_number_) return;
  if (response.outcome == Outcome::kOk) {
    Finish(CallOutcome::kAnswered, response);
    return;
  }
  if (attempt != attempt_) return;
  ++attempt_;
  bool better_route = false;
  const uint64_t range = routed_by_.range_id();
  switch (response.outcome) {
    case Outcome::kNotLeader:
      ++counters_.not_leader;
      better_route = response.leader_store.IsSet();
      router_.LearnLeader(range, response.leader_store.value());
      break;
    case Outcome::kRangeMismatch:
      ++counters_.mismatches;
      // Without anything better the directory is asked, as by the front end.
      if (Route()->generation() <= routed_by_.generation()) {
        for (const auto& [id, known] : cluster_->KnownRanges()) router_.Learn(known);
      }
      better_route = Route()->generation() > routed_by_.generation();
      if (!better_route) router_.LearnLeader(range, 0);
      if (better_route && !response.descriptors.empty()) {
        cluster_->coverage().Hit(Situation::kStaleRouteRepaired);
      }
      break;
    case Outcome::kOverloaded:
      ++counters_.overloaded;
      break;
    case Outcome::kSessionExpired:
      ++counters_.sessions_expired;
      break;
    default:
      break;
  }
  if (LeavesUnknown(response.outcome)) maybe_executed_ = true;
  OnFailure(FailureOf(response.outcome), better_route, response);
}

void Caller::OnFailure(Failure failure, bool better_route, const range::Response& response) {
  client::AttemptResult result;
  result.failure = failure;
  result.repeatable = Repeatable();
  result.better_route = better_route;
  result.time_left = client::RetryDuration(TimeLeft());
  result.retry_after = response.retry_after;
  const client::RetryDecision decision = backoff_->Next(result);
  if (call_.pinned.has_value() && failure == Failure::kRangeMismatch) {
    return Finish(maybe_executed_ ? CallOutcome::kUnknown : CallOutcome::kNotExecuted, response);
  }
  // A batch that a split cut in two is divided by front ends only: it ends.
  const RangeDescriptor* route = Route();
  const bool routable = client::KeyInBounds(call_.last_key, route->start_key(), route->end_key());
  if (!decision.retry || !routable) {
    Finish(maybe_executed_ ? CallOutcome::kUnknown : CallOutcome::kNotExecuted, response);
    return;
  }
  RetryAfter(decision.wait.count());
}

void Caller::RetryAfter(RealTime wait) {
  const uint64_t attempt = attempt_;
  cluster_->scheduler().After(wait, "retry", static_cast<uint64_t>(endpoint_), [this, attempt] {
    if (busy() && attempt == attempt_) Attempt();
  });
}

void Caller::Finish(CallOutcome outcome, const range::Response& response) {
  if (outcome == CallOutcome::kUnknown) ++counters_.unknown;
  ++attempt_;
  cluster_->scheduler().Hash(static_cast<uint64_t>(outcome) << 8 ^ response.body.size());
  Done done = std::move(done_);
  done_ = nullptr;
  done({outcome, response, routed_by_, std::move(pages_)});
}

}  // namespace rasputin::sim
