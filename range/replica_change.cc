// See replica.h: changes of members [H-14], proposed and applied.

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "consensus/core/configuration_codec.h"
#include "range/descriptor.h"
#include "range/merge.h"
#include "range/meta_state.h"
#include "range/replica.h"

namespace rasputin::range {
namespace {

using consensus::Configuration;
using consensus::Member;
using consensus::ProposeStatus;

std::vector<Member>::const_iterator OnStore(const std::vector<Member>& members, StoreId store) {
  return std::find_if(members.begin(), members.end(),
                      [store](const Member& member) { return member.store == store; });
}

std::string NameOf(StoreId store) { return absl::StrCat("store ", store.value()); }

absl::Status AddLearner(StoreId store, ReplicaId replica, Configuration* target) {
  if (!store.IsSet()) return absl::InvalidArgumentError("no store was named");
  for (const auto* members : {&target->voters, &target->learners}) {
    if (OnStore(*members, store) != members->end()) return absl::OkStatus();
  }
  target->learners.push_back({replica, store});
  return absl::OkStatus();
}

absl::Status SetVoters(const std::vector<StoreId>& stores, Configuration* target) {
  if (stores.empty()) return absl::InvalidArgumentError("a range needs voters; none was named");
  std::vector<Member> voters;
  for (const StoreId store : stores) {
    if (OnStore(voters, store) != voters.end()) {
      return absl::InvalidArgumentError(absl::StrCat(NameOf(store), " was named twice"));
    }
    if (auto voter = OnStore(target->voters, store); voter != target->voters.end()) {
      voters.push_back(*voter);
      continue;
    }
    const auto learner = OnStore(target->learners, store);
    if (learner == target->learners.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat(NameOf(store), " has no replica of the range: add a learner there first"));
    }
    voters.push_back(*learner);
    target->learners.erase(learner);
  }
  std::sort(voters.begin(), voters.end(),
            [](const Member& a, const Member& b) { return a.replica < b.replica; });
  target->voters = std::move(voters);
  return absl::OkStatus();
}

absl::Status RemoveLearner(StoreId store, Configuration* target) {
  if (OnStore(target->voters, store) != target->voters.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat(NameOf(store), " holds a voter: name the other voters to remove it"));
  }
  if (auto learner = OnStore(target->learners, store); learner != target->learners.end()) {
    target->learners.erase(learner);
  }
  return absl::OkStatus();
}

absl::Status ToStatus(ProposeStatus status) {
  switch (status) {
    case ProposeStatus::kAccepted:
      return absl::OkStatus();
    case ProposeStatus::kNotLeader:
      return absl::FailedPreconditionError("this store does not lead the range");
    case ProposeStatus::kOverloaded:
      return absl::UnavailableError("the range has too many uncommitted writes; retry later");
    case ProposeStatus::kChangeUnderWay:
      return absl::UnavailableError(
          "another change of the range's members is under way; retry later");
    case ProposeStatus::kNotReady:
      return absl::UnavailableError(
          "a replica that is to vote is not caught up yet, or the leader's lease would not hold "
          "under the new members; retry later");
    case ProposeStatus::kInvalid:
      break;
  }
  return absl::InvalidArgumentError(
      "these cannot be the members of the range: a store would hold two replicas, or a voter would "
      "become a learner");
}

}  // namespace

absl::Status Replica::Change(const ClockReading& now, const ReplicaChange& change,
                             Completion* completion, std::vector<Answer>* answers) {
  consensus::Core& core = group_->core();
  const Configuration& current = core.configuration();
  if (core.role() != consensus::Role::kLeader) return ToStatus(ProposeStatus::kNotLeader);
  if (IsMerging(descriptor_) || IsFrozen(descriptor_) || ProposedMergeStep()) {
    return absl::UnavailableError(
        "the range is being merged with a neighbour: retry when that is done");
  }
  if (change_.has_value() || current.IsJoint()) return ToStatus(ProposeStatus::kChangeUnderWay);
  Configuration target = current;
  absl::Status status;
  switch (change.kind) {
    case ReplicaChange::Kind::kAddLearner: {
      uint64_t next = std::max<uint64_t>(descriptor_.next_replica_id(), 1);
      for (const Member& member : current.AllMembers()) {
        next = std::max(next, member.replica.value() + 1);
      }
      status = AddLearner(change.store, ReplicaId(next), &target);
      break;
    }
    case ReplicaChange::Kind::kSetVoters:
      status = SetVoters(change.voters, &target);
      break;
    case ReplicaChange::Kind::kRemoveLearner:
      status = RemoveLearner(change.store, &target);
      break;
  }
  if (!status.ok()) return status;
  // Made already, and applied: the configuration in force may be uncommitted.
  if (target == current && current == ToConfiguration(descriptor_) && core.IsServingLeader(now)) {
    Response response;
    response.descriptors.push_back(descriptor_);
    answers->push_back({completion, std::move(response)});
    return absl::OkStatus();
  }
  const consensus::ProposeResult result = core.ProposeConfiguration(now, target);
  if (result.status != ProposeStatus::kAccepted) return ToStatus(result.status);
  leadership_ended_.reset();
  change_ = PendingChange{result.term, result.index, completion};
  return absl::OkStatus();
}

absl::Status Replica::ApplyConfiguration(const consensus::Entry& entry, kv::Turn* turn,
                                         ApplyResults* results) {
  const absl::StatusOr<Configuration> configuration = consensus::DecodeConfiguration(entry.payload);
  if (!configuration.ok()) return configuration.status();
  MembershipEffect effect;
  effect.before = descriptor_;
  SetMembers(*configuration, &descriptor_);
  descriptor_.set_generation(descriptor_.generation() + 1);
  if (consensus::IsForcedConfiguration(entry.payload)) {
    if (absl::Status status = SkipWhatMayBeLost(turn); !status.ok()) return status;
  }
  kv::WriteDescriptor(range().value(), descriptor_.SerializeAsString(), turn);
  effect.after = descriptor_;
  results->effects.emplace_back(std::move(effect));
  AnswerChange(entry, configuration->IsJoint(), &results->answers);
  return absl::OkStatus();
}

// Those who are gone may have raised generations and given out ids that this replica never heard
// of. Counter-example without it: they split the range and added a replica on a store that lives;
// the directory, which knows of both, would take nothing from this replica, and that store would
// refuse the id that is given to it anew.
absl::Status Replica::SkipWhatMayBeLost(kv::Turn* turn) {
  descriptor_.set_generation(descriptor_.generation() + kIdsSkipped);
  descriptor_.set_next_replica_id(descriptor_.next_replica_id() + kIdsSkipped);
  return range().value() == kMetaRangeId ? SkipIds(kIdsSkipped, turn) : absl::OkStatus();
}

void Replica::AnswerChange(const consensus::Entry& entry, std::optional<bool> joint,
                           std::vector<Answer>* answers) {
  if (!change_.has_value()) return;
  if (!change_->begun) {
    if (entry.index < change_->index) return;
    change_->begun =
        joint.has_value() && entry.index == change_->index && entry.term == change_->term;
    if (!change_->begun) {
      answers->push_back({change_->completion, NotLeader()});
      change_.reset();
      return;
    }
  }
  if (joint.value_or(true)) return;
  Response response;
  response.descriptors.push_back(descriptor_);
  answers->push_back({change_->completion, std::move(response)});
  change_.reset();
}

}  // namespace rasputin::range
