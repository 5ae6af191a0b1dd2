// See member_churn.h.

#include "tests/process/member_churn.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rasputin::process {
namespace {

using admin::v1::RangeRoute;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Longer than a node is away; then what waits for a dead one makes room for other changes.
constexpr seconds kChangeMax(20);
constexpr seconds kQuestionMax(2);
constexpr milliseconds kPollInterval(1);
constexpr milliseconds kRetryInterval(100);
constexpr uint64_t kMetaRange = 1;

client::ClientOptions AdminOptions(const std::vector<std::string>& endpoints, milliseconds time) {
  client::ClientOptions options;
  options.endpoints = endpoints;
  options.deadline = time;
  return options;
}

uint64_t Pick(const std::vector<uint64_t>& from, std::mt19937_64* random) {
  return from[static_cast<size_t>((*random)() % from.size())];
}

// No role means the same, and is what the first members have.
bool IsVoter(const type::v1::ReplicaDescriptor& replica) {
  return replica.role() == type::v1::REPLICA_ROLE_VOTER ||
         replica.role() == type::v1::REPLICA_ROLE_UNSPECIFIED;
}

bool IsJoint(const type::v1::RangeDescriptor& range) {
  return std::any_of(range.replicas().begin(), range.replicas().end(), [](const auto& replica) {
    return replica.role() == type::v1::REPLICA_ROLE_INCOMING ||
           replica.role() == type::v1::REPLICA_ROLE_OUTGOING ||
           replica.role() == type::v1::REPLICA_ROLE_DEMOTING;
  });
}

}  // namespace

MemberChurn::MemberChurn(const MemberChurnOptions& options) : options_(options) {}

MemberChurn::~MemberChurn() { Stop(); }

void MemberChurn::Start() {
  stop_ = false;
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this, i] { Work(i); });
  }
}

void MemberChurn::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

ChurnCounts MemberChurn::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return counts_;
}

std::optional<MemberChange> MemberChurn::current(std::mt19937_64* random) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (current_.empty()) return std::nullopt;
  return std::next(current_.begin(), static_cast<int>((*random)() % current_.size()))->second;
}

std::optional<MemberChange> MemberChurn::AwaitJoint(milliseconds wait) const {
  client::Admin admin(AdminOptions(options_.endpoints, kQuestionMax));
  const auto end = std::chrono::steady_clock::now() + wait;
  while (std::chrono::steady_clock::now() < end) {
    std::map<int, MemberChange> current;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      current = current_;
    }
    for (const auto& [worker, change] : current) {
      if (change.kind == MemberChange::Kind::kTransfer) continue;
      const auto range = admin.DescribeRange(change.range);
      if (range.ok() && IsJoint(range->range())) return change;
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return std::nullopt;
}

std::optional<MemberChange> MemberChurn::Choose(const RangeRoute& route,
                                                const std::vector<uint64_t>& stores,
                                                std::mt19937_64* random) {
  MemberChange change;
  change.range = route.range().range_id();
  change.leader = route.leader_store_id();
  std::vector<uint64_t> holders;
  for (const auto& replica : route.range().replicas()) holders.push_back(replica.store_id());
  std::vector<uint64_t> others;
  for (const uint64_t store : stores) {
    if (std::count(holders.begin(), holders.end(), store) == 0) others.push_back(store);
  }
  if (holders.empty()) return std::nullopt;
  // The leader's own replica as often as all others together.
  const bool knows_leader = std::count(holders.begin(), holders.end(), change.leader) > 0;
  const uint64_t victim =
      knows_leader && (*random)() % 2 == 0 ? change.leader : Pick(holders, random);
  const uint64_t dice = (*random)() % 100;
  if (dice < 15) {
    change.kind = MemberChange::Kind::kTransfer;
    change.to = Pick(holders, random);
  } else if (holders.size() > options_.replicas) {
    change.kind = MemberChange::Kind::kRemove;
    change.from = victim;
  } else if (others.empty()) {
    return std::nullopt;
  } else if (holders.size() < options_.replicas || dice < 50) {
    change.kind = MemberChange::Kind::kAdd;
    change.to = Pick(others, random);
  } else {
    change.kind = MemberChange::Kind::kReplace;
    change.to = Pick(others, random);
    change.from = victim;
  }
  return change;
}

absl::Status MemberChurn::Do(client::Admin* admin, const MemberChange& change) {
  if (change.kind == MemberChange::Kind::kTransfer) {
    return admin->TransferLease(change.range, change.to).status();
  }
  admin::v1::ChangeReplicasRequest request;
  request.set_range_id(change.range);
  request.set_add_store_id(change.to);
  request.set_remove_store_id(change.from);
  return admin->ChangeReplicas(request, nullptr).status();
}

void MemberChurn::Work(int worker) {
  std::mt19937_64 random(options_.seed * 7919 + static_cast<uint64_t>(worker));
  client::Admin questions(AdminOptions(options_.endpoints, kQuestionMax));
  client::Admin admin(AdminOptions(options_.endpoints, kChangeMax));
  while (!stop_) {
    const auto stores = questions.ListStores();
    const auto routes = questions.ListRanges("");
    std::vector<RangeRoute> mine;
    for (size_t i = 0; routes.ok() && i < routes->size(); ++i) {
      if (static_cast<int>(i) % options_.workers == worker) mine.push_back((*routes)[i]);
    }
    if (!stores.ok() || mine.empty()) {
      std::this_thread::sleep_for(kRetryInterval);
      continue;
    }
    std::vector<uint64_t> ids;
    for (const auto& one : stores->statuses()) ids.push_back(one.store().store_id());
    const auto change = Choose(mine[random() % mine.size()], ids, &random);
    if (!change.has_value()) continue;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++counts_.begun;
      current_[worker] = *change;
    }
    const absl::Status status = Do(&admin, *change);
    const std::lock_guard<std::mutex> lock(mutex_);
    current_.erase(worker);
    if (status.ok()) {
      ++counts_.completed;
      counts_.of_leader += change->from != 0 && change->from == change->leader ? 1 : 0;
      counts_.of_meta += change->range == kMetaRange ? 1 : 0;
      counts_.transfers += change->kind == MemberChange::Kind::kTransfer ? 1 : 0;
    } else if (absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status)) {
      ++counts_.refused;
    } else {
      ++counts_.given_up;
      VLOG(1) << "change of range " << change->range << " given up: " << status;
    }
  }
}

std::string MemberChurn::Unsettled(client::Admin* admin) {
  const auto routes = admin->ListRanges("");
  if (!routes.ok()) return absl::StrCat("ranges: ", routes.status().ToString());
  std::map<uint64_t, uint64_t> expected;  // Store to ranges.
  for (const RangeRoute& route : *routes) {
    uint64_t voters = 0;
    for (const auto& replica : route.range().replicas()) {
      voters += IsVoter(replica) ? 1 : 0;
      ++expected[replica.store_id()];
    }
    const auto replicas = static_cast<size_t>(route.range().replicas_size());
    if (voters != options_.replicas || replicas != voters) {
      return absl::StrCat("range ", route.range().range_id(), " has ", replicas, " replicas, ",
                          voters, " of them voters");
    }
  }
  const auto stores = admin->ListStores();
  if (!stores.ok()) return absl::StrCat("stores: ", stores.status().ToString());
  for (const auto& store : stores->statuses()) {
    const uint64_t id = store.store().store_id();
    if (!store.reachable()) return absl::StrCat("store ", id, " does not answer");
    if (store.replicas() != expected[id]) {
      return absl::StrCat("store ", id, " holds ", store.replicas(), " replicas, not ",
                          expected[id]);
    }
  }
  return "";
}

std::string MemberChurn::Settle(seconds wait) {
  client::Admin questions(AdminOptions(options_.endpoints, kQuestionMax));
  client::Admin admin(AdminOptions(options_.endpoints, kChangeMax));
  std::mt19937_64 random(options_.seed);
  const auto end = std::chrono::steady_clock::now() + wait;
  std::string unsettled = Unsettled(&questions);
  while (!unsettled.empty() && std::chrono::steady_clock::now() < end) {
    const auto stores = questions.ListStores();
    const auto routes = questions.ListRanges("");
    if (stores.ok() && routes.ok()) {
      std::vector<uint64_t> ids;
      for (const auto& one : stores->statuses()) ids.push_back(one.store().store_id());
      for (const RangeRoute& route : *routes) {
        const auto replicas = static_cast<size_t>(route.range().replicas_size());
        const bool plain =
            std::all_of(route.range().replicas().begin(), route.range().replicas().end(), IsVoter);
        if (replicas == options_.replicas && plain) continue;
        const auto change = Choose(route, ids, &random);
        if (change.has_value()) Do(&admin, *change).IgnoreError();
      }
    }
    std::this_thread::sleep_for(kRetryInterval);
    unsettled = Unsettled(&questions);
  }
  return unsettled;
}

}  // namespace rasputin::process
