// See merge_steps.h.

#include "range/merge_steps.h"

#include <glog/logging.h>

#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using kv::Operation;
using storage::v1::FreezeResult;

template <typename Body>
std::string Noted(const RangeDescriptor& left) {
  Body body;
  body.set_right_range_id(left.merge().right_range_id());
  body.set_right_generation(left.merge().right_generation());
  return body.SerializeAsString();
}

}  // namespace

std::string DefaultKey(const std::string& user_key) {
  return CollectionPrefix(kDefaultCollectionId) + user_key;
}

RangeDescriptor MergeSteps::Of(uint64_t range) {
  CHECK(cluster_->RunUntil([&] { return cluster_->Leader(range) != 0; }))
      << "nobody leads range " << range;
  return *cluster_->Descriptor(cluster_->Leader(range), range);
}

Response MergeSteps::Step(uint64_t range, Operation operation, const std::string& body) {
  return cluster_->CallLeader(range, operation, Of(range).start_key(), body);
}

Response MergeSteps::Set(uint64_t range, const std::string& key, const std::string& value) {
  return cluster_->CallLeader(range, Operation::kSet, DefaultKey(key), SetBody(key, value));
}

std::string MergeSteps::Value(uint64_t range, const std::string& key) {
  const Response response =
      cluster_->CallLeader(range, Operation::kGet, DefaultKey(key), GetBody(key));
  if (response.outcome != Outcome::kOk) return "(" + response.message + ")";
  return ValueOf(response).value_or("(none)");
}

Response MergeSteps::Split(uint64_t range, const std::string& key, uint64_t child) {
  return Step(range, Operation::kSplit, SplitBody(DefaultKey(key), child, kDefaultCollectionId));
}

Response MergeSteps::Note(uint64_t left, uint64_t right) {
  storage::v1::MergeBegin begin;
  *begin.mutable_right() = Of(right);
  return Step(left, Operation::kMergeBegin, begin.SerializeAsString());
}

Response MergeSteps::Freeze(uint64_t left, uint64_t right) {
  storage::v1::FreezeRange freeze;
  freeze.set_left_range_id(left);
  const RangeDescriptor descriptor = Of(left);
  for (const auto& replica : descriptor.replicas()) freeze.add_store_ids(replica.store_id());
  return Step(right, Operation::kFreeze, freeze.SerializeAsString());
}

FreezeResult MergeSteps::Frozen(const Response& response) {
  FreezeResult frozen;
  CHECK(response.outcome == Outcome::kOk) << response.message;
  CHECK(frozen.ParseFromString(std::string(response.body)));
  return frozen;
}

Response MergeSteps::Absorb(uint64_t left, const FreezeResult& frozen) {
  storage::v1::MergeRanges merge;
  *merge.mutable_frozen() = frozen;
  return Step(left, Operation::kMerge, merge.SerializeAsString());
}

Response MergeSteps::GiveUp(uint64_t left) {
  const RangeDescriptor noted = Of(left);
  CHECK(noted.has_merge());
  Response response = Step(left, Operation::kMergeAbandon, Noted<storage::v1::MergeAbandon>(noted));
  if (response.outcome != Outcome::kOk) return response;
  storage::v1::ThawRange thaw;
  thaw.set_left_range_id(left);
  thaw.set_right_generation(noted.merge().right_generation());
  response = Step(noted.merge().right_range_id(), Operation::kThaw, thaw.SerializeAsString());
  if (response.outcome != Outcome::kOk) return response;
  return Step(left, Operation::kMergeEnd, Noted<storage::v1::MergeEnd>(noted));
}

Response MergeSteps::Merge(uint64_t left, uint64_t right) {
  Response response = Note(left, right);
  if (response.outcome != Outcome::kOk) return response;
  response = Freeze(left, right);
  if (response.outcome != Outcome::kOk) return response;
  return Absorb(left, Frozen(response));
}

bool MergeSteps::Lead(uint64_t range, int store) {
  return cluster_->RunUntil([&] {
    const int leader = cluster_->Leader(range);
    if (leader != 0 && leader != store) {
      (void)cluster_->store(leader).TransferLease(cluster_->NowAt(leader), RangeId(range),
                                                  StoreId(static_cast<uint64_t>(store)));
    }
    return leader == store;
  });
}

void MergeSteps::CutOff(uint64_t range, int store) {
  cluster_->drop = [=](const consensus::Message& message) {
    return message.range == RangeId(range) &&
           message.to_store == StoreId(static_cast<uint64_t>(store));
  };
}

}  // namespace rasputin::range
