// ChangeReplicas at the front end; see range_calls.h.
//
// A loop until the range is as asked for: see who leads and which members there are, ask the leader
// for the next step, look again. Each round is idempotent, so a leader that changes or crashes, or
// another node that does the same at the same time, costs rounds, not the call. The directory is
// written before the answer, so that whoever asks it next sees the change.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"
#include "server/front/member_change.h"
#include "server/front/range_calls.h"
#include "server/front/range_calls_internal.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;

namespace {

// Configurations are committed in a round trip or two; a copy takes as long as it takes.
constexpr Duration kRoundMin = std::chrono::milliseconds(10);
constexpr Duration kRoundMax = std::chrono::milliseconds(200);

constexpr int kMutantUnlistedVotes = 84;

CallResult RefusePrecondition(std::string text) {
  return RefuseCall(absl::StatusCode::kFailedPrecondition,
                    rasputin::v1::ERROR_REASON_FAILED_PRECONDITION, std::move(text));
}

}  // namespace

// What becomes of the copy that a store has got before it was taken off the list.
std::string RangeCalls::LeftCopyText(const Change& change) {
  return absl::StrCat(" any more; its copy of range ", change.range,
                      " goes by itself where placement is on, or by `rasputin range replicas ",
                      change.range, " remove ", change.add, "`");
}

void RangeCalls::ChangeReplicas(const ClockReading& now, CallId id, const absl::Cord& request,
                                Instant deadline, size_t voters_min) {
  const auto wanted = DecodeRequest<admin::v1::ChangeReplicasRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  if (wanted->add_store_id() == wanted->remove_store_id()) {
    return calls_->Finish(id, RefuseInvalid(absl::InvalidArgumentError(
                                  "name a store to add, one to remove, or two that differ")));
  }
  auto change = std::make_shared<Change>();
  change->id = id;
  change->range = wanted->range_id();
  change->add = wanted->add_store_id();
  change->remove = wanted->remove_store_id();
  change->voters_min = voters_min;
  change->deadline = deadline;
  if (change->add == 0) return StepChange(now, std::move(change));
  CheckListing(now, std::move(change));
}

void RangeCalls::CheckListing(const ClockReading& now, std::shared_ptr<Change> change) {
  storage::v1::MetaQuery query;
  query.set_stores(true);
  query.set_from_id(change->add);
  query.set_limit(1);
  directory_->Query(
      now, query, change->deadline,
      [this, change](const ClockReading& when, RangeAnswer answer,
                     storage::v1::MetaQueryResult result) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(change->id, ToCallResult(answer, *router_));
        }
        if (result.stores_size() == 0 || result.stores(0).store_id() != change->add) {
          return calls_->Finish(
              change->id,
              RefuseCall(absl::StatusCode::kNotFound, rasputin::v1::ERROR_REASON_NOT_FOUND,
                         absl::StrCat("there is no store ", change->add, " on the list of stores",
                                      change->listed_for == 0 ? "" : LeftCopyText(*change))));
        }
        StepChange(when, change);
      });
}

// A store is taken off the list when no range in the directory names it [ranges.md]. So the range
// goes there with its learner first: from then on the store stays listed while this generation
// holds, and the step is refused under another one. Counter-example: a change was begun, its node
// cut off; the next controller found nothing on the store and retired it; the change went on and
// gave a range a voter that no other store speaks to.
void RangeCalls::CheckPromotion(const ClockReading& now, std::shared_ptr<Change> change,
                                const RangeDescriptor& range) {
  storage::v1::MetaCommand command;
  *command.mutable_put_ranges()->add_ranges() = range;
  directory_->Command(now, command, /*repeatable=*/true, change->deadline,
                      [this, change, generation = range.generation()](
                          const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
                        if (answer.response.outcome != Outcome::kOk) {
                          return calls_->Finish(change->id, ToCallResult(answer, *router_));
                        }
                        change->listed_for = generation;
                        CheckListing(when, change);
                      });
}

void RangeCalls::StepChange(const ClockReading& now, std::shared_ptr<Change> change) {
  if (!calls_->Contains(change->id)) return;
  directory_->FindRangeById(
      now, change->range, change->deadline,
      [this, change](const ClockReading& when, RangeAnswer answer, RangeDescriptor range) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(change->id, ToCallResult(answer, *router_));
        }
        AskMembers(when, range, change->deadline, /*briefly=*/true,
                   [this, change](const ClockReading& later, RangeAnswer,
                                  admin::v1::DescribeRangeResponse report) {
                     if (report.serving()) return TakeStep(later, change, report);
                     // What this node knows of the members may be old.
                     router_->Forget(change->range);
                     change->waits_for = "the range has no leader";
                     RetryChange(later, change);
                   });
      });
}

void RangeCalls::TakeStep(const ClockReading& now, std::shared_ptr<Change> change,
                          const admin::v1::DescribeRangeResponse& report) {
  const MemberStep step =
      NextMemberStep(report.range(), change->add, change->remove, change->voters_min);
  change->waits_for = step.text;
  switch (step.kind) {
    case MemberStep::Kind::kDone:
      return PublishChange(now, std::move(change), report.range());
    case MemberStep::Kind::kWait:
      return RetryChange(now, std::move(change));
    case MemberStep::Kind::kRefuse:
      return calls_->Finish(change->id, RefusePrecondition(step.text));
    case MemberStep::Kind::kAsk:
      break;
  }
  const bool adds = step.change.kind == range::ReplicaChange::Kind::kAddLearner;
  if (adds && !change->answered) return AskAddedStore(now, std::move(change));
  const auto& voters = step.change.voters;
  const bool promotes =
      change->add != 0 && std::count(voters.begin(), voters.end(), StoreId(change->add)) > 0;
  const bool checked = change->listed_for == report.range().generation() ||
                       options_.mutants.Has(kMutantUnlistedVotes);
  if (promotes && !checked) {
    return CheckPromotion(now, std::move(change), report.range());
  }
  RangeCall call;
  call.kind = ForwardKind::kChangeReplicas;
  call.range = RangeId(change->range);
  call.generation = consensus::Generation(report.range().generation());
  call.body = EncodeReplicaChange(step.change);
  call.store = StoreId(report.store_id());
  call.mutates = true;
  call.repeatable = true;
  call.deadline = std::min(change->deadline, now.boot + options_.attempt_wait);
  dispatcher_->Send(now, std::move(call),
                    [this, change](const ClockReading& when, RangeAnswer answer) {
                      OnStepTaken(when, change, std::move(answer));
                    });
}

void RangeCalls::AskAddedStore(const ClockReading& now, std::shared_ptr<Change> change) {
  if (!change->asked_since.has_value()) change->asked_since = now.boot;
  RangeCall call;
  // Unlike its status it comes through another store if need be: others may reach it.
  call.kind = ForwardKind::kStoreLoad;
  call.store = StoreId(change->add);
  call.repeatable = true;
  call.deadline = std::min(change->deadline, now.boot + options_.attempt_wait);
  dispatcher_->Send(
      now, std::move(call), [this, change](const ClockReading& when, RangeAnswer answer) {
        change->answered = answer.response.outcome == Outcome::kOk;
        if (change->answered) return StepChange(when, change);
        if (when.boot < *change->asked_since + kAnswerWaitMax) {
          change->waits_for = absl::StrCat("store ", change->add, " does not answer");
          return RetryChange(when, change);
        }
        calls_->Finish(change->id, RefusePrecondition(absl::StrCat(
                                       "store ", change->add,
                                       " does not answer: start its node first, or take another")));
      });
}

void RangeCalls::OnStepTaken(const ClockReading& now, std::shared_ptr<Change> change,
                             RangeAnswer answer) {
  switch (answer.response.outcome) {
    case Outcome::kOk:
      change->rounds = 0;
      return StepChange(now, std::move(change));
    case Outcome::kInvalidArgument:
      return calls_->Finish(change->id, RefusePrecondition(answer.response.message));
    case Outcome::kFailedPrecondition:
      if (!answer.response.message.empty()) {
        absl::StrAppend(&change->waits_for, " (", answer.response.message, ")");
      }
      return RetryChange(now, std::move(change));
    default:
      return RetryChange(now, std::move(change));
  }
}

void RangeCalls::RetryChange(const ClockReading& now, std::shared_ptr<Change> change) {
  Duration wait = kRoundMin;
  for (uint32_t i = 0; i < change->rounds && wait < kRoundMax; ++i) wait *= 2;
  ++change->rounds;
  wait = std::min(wait, kRoundMax);
  if (now.boot + wait >= change->deadline) {
    return calls_->Finish(
        change->id,
        RefuseCall(
            absl::StatusCode::kDeadlineExceeded, rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED,
            absl::StrCat("range ", change->range, " is not as asked for yet: ", change->waits_for,
                         "; repeat the call, which goes on from here")));
  }
  dispatcher_->After(now, wait,
                     [this, change](const ClockReading& when) { StepChange(when, change); });
}

void RangeCalls::PublishChange(const ClockReading& now, std::shared_ptr<Change> change,
                               const RangeDescriptor& range) {
  storage::v1::MetaCommand command;
  *command.mutable_put_ranges()->add_ranges() = range;
  directory_->Command(
      now, command, /*repeatable=*/true, change->deadline,
      [this, change, range](const ClockReading&, RangeAnswer answer, storage::v1::MetaResult) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(change->id, ToCallResult(answer, *router_));
        }
        admin::v1::ChangeReplicasResponse response;
        *response.mutable_range() = range;
        calls_->Finish(change->id, OkResult(response));
      });
}

}  // namespace rasputin::server
