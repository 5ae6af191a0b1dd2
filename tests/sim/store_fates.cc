// Operators' wishes and losses, and whether they were seen to; see store_fates.h.

#include "tests/sim/store_fates.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "range/descriptor.h"
#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::sim {
namespace {

using range::IsLearner;
using range::IsVoter;
using range::RangeDescriptor;
using type::v1::ReplicaRole;
using type::v1::StoreState;

constexpr RealTime kInterval = 300 * kMillisecond;
// Stores that have to be left when one is lost.
constexpr int kStoresLeft = 3;
// That a store which was taken off the list is switched off.
constexpr double kSwitchedOff = 0.5;
constexpr uint64_t kBytesRead = 1 << 20;

bool Holds(const RangeDescriptor& range, uint64_t store) {
  return range::FindStore(range, range::StoreId(store)) != nullptr;
}

int NodeOf(uint64_t store) { return static_cast<int>(store) - 1; }

// Whether a member list that is not in force yet is on its way there.
bool MayChangeSoon(range::Store* store, const range::ReplicaStatus& replica) {
  if (replica.applied >= replica.last) return false;
  const range::RangeId range(replica.descriptor.range_id());
  const auto entries =
      store->log()->ReadEntries(range, replica.applied.Next(), replica.last, kBytesRead);
  if (!entries.ok()) return true;
  return std::any_of(entries->begin(), entries->end(), [](const consensus::Entry& entry) {
    return entry.type == consensus::EntryType::kConfig;
  });
}

}  // namespace

StoreFates::StoreFates(Cluster* cluster, int endpoint, const Random& random)
    : cluster_(cluster),
      random_(random),
      caller_(cluster, endpoint, random.Fork(1)),
      reader_(cluster, endpoint, random.Fork(2)) {
  for (int node = 0; node < cluster->stores(); ++node) {
    listed_[static_cast<uint64_t>(node) + 1] = type::v1::STORE_STATE_ACTIVE;
  }
}

void StoreFates::Start() { Watch(); }

bool StoreFates::IsListed(range::StoreId store) const { return listed_.count(store.value()) != 0; }

// Of those on the list, lost ones included: whoever is lost is decommissioned some time.
uint64_t StoreFates::SomeStore() {
  auto chosen = listed_.begin();
  std::advance(chosen, static_cast<long>(random_.Below(listed_.size())));
  return chosen->first;
}

void StoreFates::Ask(uint64_t store, StoreState state) {
  if (caller_.busy()) return;
  ++counters_.asked;
  admin::v1::DrainStoreRequest request;
  request.set_store_id(store);
  request.set_state(state);
  Call call;
  call.method = server::Method::kDrainStore;
  call.body = absl::Cord(request.SerializeAsString());
  call.repeatable = true;
  caller_.Start(std::move(call), [this, store, state](const CallResult& result) {
    if (result.outcome != CallOutcome::kAnswered) return;
    ++counters_.granted;
    if (listed_.count(store) != 0) listed_[store] = state;
    drains_.erase(store);
    if (state == type::v1::STORE_STATE_ACTIVE) return;
    for (const auto& [range, descriptor] : AllRanges()) {
      if (cluster_->LeadingNode(range) == NodeOf(store)) drains_.insert(store);
    }
  });
}

void StoreFates::Drain() {
  const uint64_t store = SomeStore();
  Ask(store, IsActive(store) ? type::v1::STORE_STATE_DRAINING : type::v1::STORE_STATE_ACTIVE);
}

void StoreFates::Decommission() { Ask(SomeStore(), type::v1::STORE_STATE_DECOMMISSIONING); }

// One that may be dead already, but never while another one is, or while a change of members may
// make others the majority. Whoever was lost before has been replaced everywhere.
void StoreFates::LoseOne() {
  const uint64_t victim = SomeStore();
  const int node = NodeOf(victim);
  if (!losses_.empty() || cluster_->node(node).retired() || !SurvivesLossOf(node)) return;
  cluster_->scheduler().Note(absl::StrCat("store ", victim, " is lost for good"));
  ++counters_.lost;
  losses_.insert(victim);
  cluster_->node(node).Kill(KillKind::kPowerLoss);
  cluster_->node(node).Retire();
}

bool StoreFates::SurvivesLossOf(int node) {
  int left = 0;
  for (int other = 0; other < cluster_->stores(); ++other) {
    if (other == node || cluster_->node(other).retired()) continue;
    if (!cluster_->node(other).alive()) return false;
    if (IsActive(static_cast<uint64_t>(other) + 1)) ++left;
    for (const range::ReplicaStatus& replica : cluster_->node(other).ListReplicas()) {
      if (MayChangeSoon(cluster_->node(other).store(), replica)) return false;
    }
  }
  if (left < kStoresLeft) return false;
  for (const auto& [range, descriptor] : AllRanges()) {
    if (range::IsJoint(descriptor)) return false;
    int voters = 0;
    for (const auto& replica : descriptor.replicas()) voters += IsVoter(replica) ? 1 : 0;
    if (voters < kStoresLeft) return false;
  }
  return true;
}

void StoreFates::Watch() {
  cluster_->scheduler().After(kInterval, "fates", 0, [this] { Watch(); });
  const Ranges& ranges = AllRanges();
  CheckVotersAreListed(ranges);
  NoteDrains(ranges);
  NoteLosses(ranges);
  for (const uint64_t store : retired_) {
    Node& node = cluster_->node(NodeOf(store));
    const bool held = std::any_of(ranges.begin(), ranges.end(), [store](const auto& range) {
      return Holds(range.second, store);
    });
    if (held || !node.alive() || node.retired() || !random_.Chance(kSwitchedOff)) continue;
    node.Kill(KillKind::kProcess);
    node.Retire();
  }
  retired_.clear();
  ReadStores();
}

void StoreFates::CheckVotersAreListed(const Ranges& ranges) {
  if (gone_.empty()) return;
  for (const auto& [id, range] : ranges) {
    for (const auto& replica : range.replicas()) {
      if (IsLearner(replica) || gone_.count(replica.store_id()) == 0) continue;
      cluster_->checkers().Report("Listed Voters",
                                  absl::StrCat("range ", id.value(), " has a voter on store ",
                                               replica.store_id(), ", which is off the list"));
    }
  }
}

void StoreFates::NoteDrains(const Ranges& ranges) {
  for (auto it = drains_.begin(); it != drains_.end();) {
    const int node = NodeOf(*it);
    const bool leads = std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
      return cluster_->LeadingNode(range.first) == node;
    });
    if (leads || !cluster_->node(node).alive()) {
      ++it;
      continue;
    }
    cluster_->coverage().Hit(Situation::kStoreDrained);
    it = drains_.erase(it);
  }
}

void StoreFates::NoteLosses(const Ranges& ranges) {
  for (auto it = losses_.begin(); it != losses_.end();) {
    const bool held = std::any_of(ranges.begin(), ranges.end(),
                                  [&](const auto& range) { return Holds(range.second, *it); });
    if (held) {
      ++it;
      continue;
    }
    cluster_->coverage().Hit(Situation::kLostStoreReplaced);
    it = losses_.erase(it);
  }
}

void StoreFates::ReadStores() {
  if (reader_.busy()) return;
  storage::v1::MetaQuery query;
  query.set_stores(true);
  query.set_limit(1000);
  Call call;
  call.operation = kv::Operation::kMetaRead;
  call.body = absl::Cord(query.SerializeAsString());
  call.first_key = call.last_key = client::KeyPrefix(client::kMetaCollectionId);
  call.is_read = true;
  reader_.Start(std::move(call), [this](const CallResult& result) {
    if (result.outcome != CallOutcome::kAnswered) return;
    storage::v1::MetaQueryResult answer;
    CHECK(answer.ParseFromString(std::string(result.response.body)));
    OnRead(answer);
  });
}

void StoreFates::OnRead(const storage::v1::MetaQueryResult& answer) {
  read_ = true;
  std::map<uint64_t, StoreState> listed;
  for (const auto& store : answer.stores()) listed[store.store_id()] = store.state();
  for (const auto& [store, state] : listed_) {
    if (listed.count(store) != 0) continue;
    retired_.insert(store);
    gone_.insert(store);
  }
  listed_ = std::move(listed);
}

bool StoreFates::IsActive(uint64_t store) const {
  const auto listed = listed_.find(store);
  return listed != listed_.end() && !cluster_->node(NodeOf(store)).retired() &&
         listed->second != type::v1::STORE_STATE_DRAINING &&
         listed->second != type::v1::STORE_STATE_DECOMMISSIONING;
}

bool StoreFates::MustEmpty(uint64_t store) const {
  const auto listed = listed_.find(store);
  return listed == listed_.end() || cluster_->node(NodeOf(store)).retired() ||
         listed->second == type::v1::STORE_STATE_DECOMMISSIONING;
}

std::string StoreFates::ProblemOf(const RangeDescriptor& range) {
  const uint64_t id = range.range_id();
  if (range::IsJoint(range)) return absl::StrCat("the voters of range ", id, " are changing");
  const uint32_t factor = cluster_->options().placement_rules.replication_factor;
  const int leader = cluster_->LeadingNode(range::RangeId(id));
  const auto leading_store = static_cast<uint64_t>(leader) + 1;
  uint32_t voters = 0;
  uint32_t staying = 0;
  uint64_t misplaced = 0;
  bool other_may_lead = false;
  for (const auto& replica : range.replicas()) {
    const uint64_t store = replica.store_id();
    if (IsLearner(replica)) {
      return absl::StrCat("range ", id, " has a learner on store ", store);
    }
    ++voters;
    if (MustEmpty(store)) {
      misplaced = store;
    } else {
      ++staying;
    }
    if (store != leading_store && IsActive(store)) other_may_lead = true;
  }
  uint32_t free = 0;
  for (const auto& [store, state] : listed_) free += IsActive(store) && !Holds(range, store);
  if (leader < 0) return absl::StrCat("range ", id, " has no leader");
  if (!IsActive(leading_store) && other_may_lead) {
    return absl::StrCat("store ", leading_store, " drains and leads range ", id);
  }
  if (misplaced != 0 && (free > 0 || voters > factor)) {
    return absl::StrCat("range ", id, " has a replica on store ", misplaced,
                        ", which is lost or decommissioned");
  }
  if (voters > factor) return absl::StrCat("range ", id, " has ", voters, " voters");
  // An even number is never aimed at.
  const uint32_t able = std::min(factor, staying + free);
  if (staying < able - (able % 2 == 0 ? 1 : 0)) {
    return absl::StrCat("range ", id, " has ", staying, " voters where ", able, " could be");
  }
  return "";
}

void StoreFates::AskPlan(std::function<void(std::string)> done) {
  if (caller_.busy()) return done("");
  Call call;
  call.method = server::Method::kGetPlan;
  call.is_read = true;
  caller_.Start(std::move(call), [done = std::move(done)](const CallResult& result) {
    admin::v1::GetPlanResponse plan;
    if (result.outcome == CallOutcome::kAnswered) {
      CHECK(plan.ParseFromString(std::string(result.response.body)));
    }
    plan.clear_done();
    done(plan.ShortDebugString());
  });
}

std::string StoreFates::Problem() {
  if (!read_) return "the list of stores could not be read";
  const Ranges& ranges = AllRanges();
  for (const auto& [range, descriptor] : ranges) {
    std::string problem = ProblemOf(descriptor);
    if (!problem.empty()) return problem;
  }
  for (const auto& [store, state] : listed_) {
    const bool held = std::any_of(ranges.begin(), ranges.end(), [store = store](const auto& range) {
      return Holds(range.second, store);
    });
    if (state == type::v1::STORE_STATE_DECOMMISSIONING && !held) {
      return absl::StrCat("store ", store, " is empty, and still on the list");
    }
  }
  return "";
}

}  // namespace rasputin::sim
