// The order of the steps; see member_change.h.

#include "server/front/member_change.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "rasputin/peer/v1/peer.pb.h"

namespace rasputin::server {
namespace {

using range::IsLearner;
using range::IsVoter;
using range::ReplicaChange;
using type::v1::ReplicaDescriptor;
using Kind = ReplicaChange::Kind;

const ReplicaDescriptor* ReplicaOn(const range::RangeDescriptor& range, uint64_t store) {
  for (const ReplicaDescriptor& replica : range.replicas()) {
    if (store != 0 && replica.store_id() == store) return &replica;
  }
  return nullptr;
}

MemberStep Ask(Kind kind, uint64_t store, std::string text) {
  return {MemberStep::Kind::kAsk, {kind, StoreId(store), {}}, std::move(text)};
}

}  // namespace

MemberStep NextMemberStep(const range::RangeDescriptor& range, uint64_t add, uint64_t remove,
                          size_t voters_min) {
  if (range::IsJoint(range)) return {MemberStep::Kind::kWait, {}, "the voters are changing"};
  const ReplicaDescriptor* added = ReplicaOn(range, add);
  const ReplicaDescriptor* removed = ReplicaOn(range, remove);
  if (add != 0 && added == nullptr) {
    return Ask(Kind::kAddLearner, add, absl::StrCat("store ", add, " is getting a copy"));
  }
  const bool promotes = added != nullptr && IsLearner(*added);
  const bool removes_voter = removed != nullptr && IsVoter(*removed);
  if (promotes || removes_voter) {
    std::vector<StoreId> voters;
    for (const ReplicaDescriptor& replica : range.replicas()) {
      const bool stays = IsVoter(replica) && replica.store_id() != remove;
      if (stays || replica.store_id() == add) voters.push_back(StoreId(replica.store_id()));
    }
    if (voters.empty()) {
      return {MemberStep::Kind::kRefuse,
              {},
              absl::StrCat("store ", remove, " holds the only voting replica of range ",
                           range.range_id(), ": add another one first")};
    }
    if (removes_voter && voters.size() < voters_min) {
      return {MemberStep::Kind::kRefuse,
              {},
              absl::StrCat("range ", range.range_id(), " would have ", voters.size(),
                           " voting replicas where ", voters_min,
                           " were to be: others have changed "
                           "its members meanwhile")};
    }
    return {MemberStep::Kind::kAsk,
            {Kind::kSetVoters, StoreId(), std::move(voters)},
            promotes ? absl::StrCat("the copy on store ", add, " is catching up")
                     : absl::StrCat("the replica on store ", remove, " is being removed")};
  }
  if (removed != nullptr) {
    return Ask(Kind::kRemoveLearner, remove,
               absl::StrCat("the copy on store ", remove, " is being removed"));
  }
  return {};
}

absl::Cord EncodeReplicaChange(const ReplicaChange& change) {
  peer::v1::ReplicaChange message;
  switch (change.kind) {
    case Kind::kAddLearner:
      message.set_add_learner_store_id(change.store.value());
      break;
    case Kind::kSetVoters:
      for (const StoreId store : change.voters) {
        message.mutable_set_voters()->add_store_ids(store.value());
      }
      break;
    case Kind::kRemoveLearner:
      message.set_remove_learner_store_id(change.store.value());
      break;
  }
  return absl::Cord(message.SerializeAsString());
}

std::optional<ReplicaChange> DecodeReplicaChange(const absl::Cord& body) {
  peer::v1::ReplicaChange message;
  if (!message.ParseFromString(std::string(body))) return std::nullopt;
  switch (message.step_case()) {
    case peer::v1::ReplicaChange::kAddLearnerStoreId:
      if (message.add_learner_store_id() == 0) return std::nullopt;
      return ReplicaChange{Kind::kAddLearner, StoreId(message.add_learner_store_id()), {}};
    case peer::v1::ReplicaChange::kSetVoters: {
      ReplicaChange change{Kind::kSetVoters, StoreId(), {}};
      for (const uint64_t store : message.set_voters().store_ids()) {
        if (store == 0) return std::nullopt;
        change.voters.push_back(StoreId(store));
      }
      if (change.voters.empty()) return std::nullopt;
      return change;
    }
    case peer::v1::ReplicaChange::kRemoveLearnerStoreId:
      if (message.remove_learner_store_id() == 0) return std::nullopt;
      return ReplicaChange{Kind::kRemoveLearner, StoreId(message.remove_learner_store_id()), {}};
    case peer::v1::ReplicaChange::STEP_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace rasputin::server
