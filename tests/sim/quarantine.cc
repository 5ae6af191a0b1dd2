// Joining anew, and the replacement of replicas; see quarantine.h.

#include "tests/sim/quarantine.h"

#include <glog/logging.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/route/full_key.h"
#include "range/descriptor.h"

namespace rasputin::sim {
namespace {

constexpr RealTime kInterval = 100 * kMillisecond;
constexpr RealTime kRetry = kSecond;
// That a process which meets damage while it runs ends without leaving a mark.
constexpr double kMarkLost = 0.25;

range::StoreId IdOf(int node) { return range::StoreId(static_cast<uint64_t>(node) + 1); }

}  // namespace

Quarantine::Quarantine(Cluster* cluster, int endpoint, const Random& random)
    : cluster_(cluster), random_(random), caller_(cluster, endpoint, random.Fork(1)) {}

void Quarantine::Start() {
  cluster_->set_data_loss_listener([this](int node) { OnDataLoss(node); });
  Work();
}

void Quarantine::OnDataLoss(int node) {
  CHECK_LT(old_, 0) << "damage met a second store before the first one was whole";
  const RealTime now = cluster_->scheduler().now();
  const bool at_start = cluster_->node(node).failed_at_start();
  if (!at_start && random_.Chance(kMarkLost)) {
    ++counters_.marks_lost;
    cluster_->scheduler().After(kRetry, "restart", static_cast<uint64_t>(node), [this, node] {
      if (!cluster_->node(node).alive()) cluster_->node(node).Start();
    });
    return;
  }
  cluster_->node(node).Retire();
  cluster_->scheduler().Note("store " + std::to_string(node + 1) + " is quarantined");
  old_ = node;
  found_at_ = now;
  join_at_ = now + kRetry + random_.ExponentialNs(kSecond);
  join_token_ = random_.Next() | 1;
  next_try_.clear();
}

void Quarantine::Work() {
  cluster_->scheduler().After(kInterval, "quarantine", 0, [this] { Work(); });
  if (!Busy() || caller_.busy() || cluster_->scheduler().now() < join_at_) return;
  if (new_ < 0) return Join();
  bool done = true;
  for (const auto& [range, descriptor] : cluster_->KnownRanges()) {
    done = Replace(descriptor) && done;
  }
  if (done) Forget();
}

void Quarantine::CallMeta(const storage::v1::MetaCommand& command, Caller::Done done) {
  Call call;
  call.operation = kv::Operation::kMeta;
  call.body = absl::Cord(command.SerializeAsString());
  call.first_key = call.last_key = client::KeyPrefix(client::kMetaCollectionId);
  caller_.Start(std::move(call), std::move(done));
}

void Quarantine::Join() {
  storage::v1::MetaCommand command;
  command.mutable_put_store()->set_join_token(join_token_);
  command.mutable_put_store()->mutable_store();
  CallMeta(command, [this](const CallResult& result) {
    if (result.outcome != CallOutcome::kAnswered) return;
    storage::v1::MetaResult answer;
    CHECK(answer.ParseFromString(std::string(result.response.body)));
    CHECK(cluster_->AddStore(answer.first_id(), old_)) << "no room for store " << answer.first_id();
    new_ = static_cast<int>(answer.first_id()) - 1;
  });
}

bool Quarantine::Replace(const range::RangeDescriptor& descriptor) {
  const type::v1::ReplicaDescriptor* old = range::FindStore(descriptor, IdOf(old_));
  if (old == nullptr) return true;
  const RealTime now = cluster_->scheduler().now();
  RealTime& next_try = next_try_[descriptor.range_id()];
  const range::RangeId range(descriptor.range_id());
  const int leader = cluster_->LeadingNode(range);
  if (leader < 0 || now < next_try) return false;
  range::ReplicaChange change;
  for (const auto& replica : descriptor.replicas()) {
    if (replica.role() == type::v1::REPLICA_ROLE_LEARNER) continue;
    if (replica.role() != type::v1::REPLICA_ROLE_UNSPECIFIED) return false;  // One is under way.
    if (range::StoreId(replica.store_id()) != IdOf(old_)) {
      change.voters.emplace_back(replica.store_id());
    }
  }
  const type::v1::ReplicaDescriptor* own = range::FindStore(descriptor, IdOf(new_));
  if (old->role() == type::v1::REPLICA_ROLE_LEARNER) {
    change.kind = range::ReplicaChange::Kind::kRemoveLearner;
    change.store = IdOf(old_);
  } else if (own == nullptr) {
    change.kind = range::ReplicaChange::Kind::kAddLearner;
    change.store = IdOf(new_);
  } else {
    change.kind = range::ReplicaChange::Kind::kSetVoters;
    if (own->role() == type::v1::REPLICA_ROLE_LEARNER) change.voters.push_back(IdOf(new_));
  }
  next_try = now + kRetry / 4;
  cluster_->node(leader).ChangeReplicas(range, range::Generation(descriptor.generation()), change,
                                        [](const range::Response&) {});
  return false;
}

// Refused as long as the meta range lists a replica of it.
void Quarantine::Forget() {
  storage::v1::MetaCommand command;
  command.mutable_retire_store()->set_store_id(IdOf(old_).value());
  CallMeta(command, [this](const CallResult& result) {
    if (result.outcome != CallOutcome::kAnswered) return;
    counters_.repairs.push_back(cluster_->scheduler().now() - found_at_);
    cluster_->scheduler().Note("store " + std::to_string(old_ + 1) + " is replaced by store " +
                               std::to_string(new_ + 1));
    old_ = new_ = -1;
  });
}

}  // namespace rasputin::sim
