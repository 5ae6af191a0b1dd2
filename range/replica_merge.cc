// See replica.h: the steps of merges (README.md "Merge"), proposed and applied, and ranges that
// serve nothing.

#include <glog/logging.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kv/session_table.h"
#include "range/descriptor.h"
#include "range/merge.h"
#include "range/replica.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {
namespace {

using consensus::Instant;
using kv::Operation;
using storage::v1::MergeRanges;

// A merge takes a few round trips.
constexpr consensus::Duration kFrozenRetryAfter = std::chrono::milliseconds(10);
constexpr int kMutantFrozenServesReads = 43;
constexpr int kMutantSessionsLostAtMerge = 73;
constexpr int kMutantFreezeWithoutAll = 74;
constexpr int kMutantMergeIgnoresAbandonment = 75;
constexpr int kMutantVersionFloorNotCarried = 77;

Response Refuse(Outcome outcome, std::string message) {
  Response response;
  response.outcome = outcome;
  response.message = std::move(message);
  return response;
}

template <typename Body>
Body Parse(const absl::Cord& encoded) {
  Body body;
  CHECK(body.ParseFromString(std::string(encoded))) << "was parsed before";
  return body;
}

}  // namespace

std::optional<Response> Replica::RefuseClosed(const Request& request) const {
  const Operation operation = request.operation;
  if (IsFrozen(descriptor_) && operation != Operation::kThaw && operation != Operation::kFreeze) {
    const bool mutated = context_->mutants.Has(kMutantFrozenServesReads) && !kv::IsWrite(operation);
    if (mutated) return std::nullopt;
    Response response = NotLeader();
    response.message =
        absl::StrCat("the range is being merged into range ",
                     descriptor_.frozen_by().left_range_id(), ": retry in a moment; not executed");
    response.retry_after = kFrozenRetryAfter;
    return response;
  }
  // Keys of a dropped collection lie in a range of another one once that has absorbed them: a node
  // that still knows the collection by its name must not write there.
  const bool of_another =
      !absl::StartsWith(request.first_key, CollectionPrefix(descriptor_.collection_id()));
  if (kv::IsOfClients(operation) && (descriptor_.dropped() || of_another)) {
    return Refuse(Outcome::kNotFound, "the collection was dropped");
  }
  return std::nullopt;
}

absl::Status Replica::CheckMergeStep(const ClockReading& now, const Request& request) {
  const absl::StatusOr<RangeDescriptor> after = AfterStep(request.operation, request.body);
  if (!after.ok()) return after.status();
  if (request.operation == Operation::kMerge) {
    // The version of the merge lies above all that the right range gave, and so do later ones.
    const uint64_t floor = Parse<MergeRanges>(request.body).frozen().version_floor();
    if (!context_->mutants.Has(kMutantVersionFloorNotCarried)) {
      highest_version_ = std::max(highest_version_, floor);
    }
  }
  if (request.operation != Operation::kFreeze) return absl::OkStatus();
  // No configuration stands behind the freeze: none is under way, and Change() begins none.
  const consensus::Core& core = group_->core();
  if (change_.has_value() || !(core.configuration() == ToConfiguration(descriptor_))) {
    return absl::FailedPreconditionError(
        "the members of the range are being changed: retry the merge when that is done");
  }
  // Every member has to have the freeze, so none may be away.
  for (const consensus::MemberProgress& member : core.ListProgress(now)) {
    if (member.supported && !member.needs_snapshot) continue;
    const consensus::Member* named = core.configuration().Find(member.id);
    return absl::FailedPreconditionError(
        absl::StrCat("store ", named == nullptr ? 0 : named->store.value(),
                     " is away or lags behind: a range is merged when all its replicas take part"));
  }
  return absl::OkStatus();
}

bool Replica::ProposedMergeStep() const {
  return std::any_of(waiters_.begin() + static_cast<ptrdiff_t>(waiters_head_), waiters_.end(),
                     [](const Waiter& waiter) { return IsMergeStep(waiter.operation); });
}

// ---- The freeze is answered when it can be vouched for.

void Replica::SubmitFreezeAgain(const ClockReading& now, const Request& request,
                                std::vector<Answer>* answers) {
  const absl::StatusOr<RangeDescriptor> after =
      AfterMergeStep(descriptor_, request.operation, std::string(request.body));
  if (!after.ok()) {
    answers->push_back({request.completion, Refuse(Outcome::kFailedPrecondition,
                                                   std::string(after.status().message()))});
  } else if (!group_->core().IsServingLeader(now)) {
    answers->push_back({request.completion, NotLeader()});
  } else {
    freezes_.push_back({applied_position(), FreezePatience(now, request), request.completion});
  }
}

Instant Replica::FreezePatience(const ClockReading& now, const Request& request) const {
  return std::min(request.deadline, now.boot + 2 * context_->lease_duration);
}

// Whether all members hold the log durably up to `position`, which contains the freeze. No
// configuration stands behind the freeze, so these are the members for as long as it is frozen.
bool Replica::IsHeldByAll(const consensus::LogPosition& position) const {
  const consensus::Core& core = group_->core();
  if (context_->mutants.Has(kMutantFreezeWithoutAll)) return true;
  return core.held_by_all() >= position.index &&
         core.configuration() == ToConfiguration(descriptor_);
}

void Replica::CheckFreezes(const ClockReading& now, std::vector<Answer>* answers) {
  if (freezes_.empty()) return;
  const consensus::Core& core = group_->core();
  std::vector<PendingFreeze> waiting;
  for (const PendingFreeze& freeze : freezes_) {
    if (core.role() != consensus::Role::kLeader) {
      answers->push_back({freeze.completion, NotLeader()});
    } else if (!IsFrozen(descriptor_)) {
      answers->push_back({freeze.completion,
                          Refuse(Outcome::kFailedPrecondition, "the range was thawed meanwhile")});
    } else if (core.applied_index() >= freeze.position.index && IsHeldByAll(freeze.position)) {
      storage::v1::FreezeResult result;
      *result.mutable_right() = descriptor_;
      result.set_index(freeze.position.index.value());
      result.set_term(freeze.position.term.value());
      result.set_version_floor(applied_.version_floor);
      Response response;
      response.body = absl::Cord(result.SerializeAsString());
      answers->push_back({freeze.completion, std::move(response)});
    } else if (now.boot >= freeze.until) {
      answers->push_back(
          {freeze.completion, Refuse(Outcome::kFailedPrecondition,
                                     "not all replicas have the freeze yet: abandon the merge, or "
                                     "ask for the freeze again")});
    } else {
      waiting.push_back(freeze);
    }
  }
  freezes_ = std::move(waiting);
}

// ---- Applying.

std::optional<AwaitedRange> Replica::Awaits(const kv::Command& command) const {
  if (command.operation != Operation::kMerge) return std::nullopt;
  if (!AfterStep(command.operation, command.body).ok()) return std::nullopt;
  const auto frozen = Parse<MergeRanges>(command.body).frozen();
  const RangeId right(frozen.right().range_id());
  const consensus::LogPosition position{consensus::Term(frozen.term()),
                                        consensus::Index(frozen.index())};
  const Replica* replica = context_->find(right);
  if (replica != nullptr && replica->started() && replica->applied() >= position.index) {
    return std::nullopt;
  }
  return AwaitedRange{right, position};
}

absl::StatusOr<RangeDescriptor> Replica::AfterStep(Operation operation,
                                                   const absl::Cord& body) const {
  const bool mutated = context_->mutants.Has(kMutantMergeIgnoresAbandonment) &&
                       operation == Operation::kMerge && descriptor_.has_merge();
  if (!mutated) return AfterMergeStep(descriptor_, operation, std::string(body));
  RangeDescriptor before = descriptor_;
  before.mutable_merge()->set_abandoned(false);
  return AfterMergeStep(before, operation, std::string(body));
}

absl::StatusOr<kv::Outcome> Replica::ApplyMergeStep(const kv::Command& command, kv::Turn* turn,
                                                    ApplyResults* results) {
  kv::Outcome outcome;
  absl::StatusOr<RangeDescriptor> after = AfterStep(command.operation, command.body);
  if (!after.ok()) {
    outcome.code = absl::IsInvalidArgument(after.status()) ? kv::OutcomeCode::kInvalidArgument
                                                           : kv::OutcomeCode::kFailedPrecondition;
    outcome.message = std::string(after.status().message());
    return outcome;
  }
  outcome.response = absl::Cord(after->SerializeAsString());
  if (after->generation() == descriptor_.generation()) return outcome;
  if (command.operation == Operation::kMerge) {
    absl::Status status = Absorb(command, *after, turn, results);
    if (!status.ok()) return status;
  } else {
    results->effects.emplace_back(DescriptorEffect{*after});
  }
  if (command.operation == Operation::kDropRange) {
    kv::DeleteRangeData(range().value(), descriptor_.start_key(), descriptor_.end_key(), turn);
  }
  descriptor_ = *std::move(after);
  kv::WriteDescriptor(range().value(), descriptor_.SerializeAsString(), turn);
  return outcome;
}

// The right range's replica here holds all that was ever executed in the range, and nothing is
// executed there any more. Its keys need not be touched, since they carry no range id.
absl::Status Replica::Absorb(const kv::Command& command, const RangeDescriptor& after,
                             kv::Turn* turn, ApplyResults* results) {
  const auto merge = Parse<MergeRanges>(command.body);
  const uint64_t right_id = merge.frozen().right().range_id();
  Replica* right = context_->find(RangeId(right_id));
  CHECK(right != nullptr && IsFrozenBy(right->descriptor_, range().value()))
      << "range " << right_id << " serves, and range " << range() << " absorbs it";
  if (!context_->mutants.Has(kMutantSessionsLostAtMerge)) {
    absl::Status status = kv::SessionTable::Merge(right_id, range().value(), command.version, turn);
    if (!status.ok()) return status;
  }
  if (!context_->mutants.Has(kMutantVersionFloorNotCarried)) {
    applied_.version_floor = std::max(applied_.version_floor, merge.frozen().version_floor());
    highest_version_ = std::max(highest_version_, applied_.version_floor);
  }
  uint64_t highest = right_id;
  for (const uint64_t id : {right_id, range().value()}) {
    const absl::StatusOr<uint64_t> absorbed = kv::ReadHighestAbsorbed(id, *turn);
    if (!absorbed.ok()) return absorbed.status();
    highest = std::max(highest, *absorbed);
  }
  kv::WriteHighestAbsorbed(range().value(), highest, turn);
  MergeEffect effect{after, AbsorbedBy(merge, after)};
  kv::DeleteRangeRows(right_id, turn);
  kv::WriteAbsorbed(right_id, effect.absorbed.SerializeAsString(), turn);
  right->absorbed_ = true;
  results->effects.emplace_back(std::move(effect));
  return absl::OkStatus();
}

void Replica::StopAbsorbed(const RangeDescriptor& left, std::vector<Answer>* answers) {
  Response mismatch = Refuse(Outcome::kRangeMismatch, "the range was merged into another one");
  mismatch.descriptors.push_back(left);
  // What stands behind the freeze is executed nowhere.
  for (; waiters_head_ < waiters_.size(); ++waiters_head_) {
    answers->push_back({waiters_[waiters_head_].completion, mismatch});
  }
  for (PendingRead& read : reads_) answers->push_back({read.request.completion, mismatch});
  for (const PendingFreeze& freeze : freezes_) answers->push_back({freeze.completion, mismatch});
  reads_.clear();
  freezes_.clear();
}

}  // namespace rasputin::range
