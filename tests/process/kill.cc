// See kill.h.

#include "tests/process/kill.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "tests/linearizability/checker.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int64_t kMs = 1'000'000;
constexpr seconds kRecoveryMax(90);
constexpr uint64_t kMetaRange = 1;
constexpr seconds kSettleMax(120);
constexpr milliseconds kJointWait(3000);

// The longest gap between acknowledged writes that overlaps [begin, end].
double LongestGapMs(const std::vector<int64_t>& times, int64_t begin, int64_t end) {
  int64_t longest = 0;
  auto it = std::lower_bound(times.begin(), times.end(), begin);
  int64_t last = it == times.begin() ? begin : *std::prev(it);
  for (; it != times.end(); ++it) {
    longest = std::max(longest, *it - last);
    last = *it;
    if (*it > end) break;
  }
  return static_cast<double>(longest) / kMs;
}

// One kill, of one node or more.
struct Strike {
  enum class Kind { kLeader, kFollower, kTwo, kAll } kind = Kind::kFollower;
  std::set<int> victims;
  std::optional<MemberChange> change;  // The one aimed at.
  bool joint = false;
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
};

class Killer {
 public:
  explicit Killer(const KillOptions& options);
  KillReport Run();

 private:
  void StartCluster();
  void SplitRanges();
  Strike Plan(bool all);
  // What to strike in a change that is under way; the strike stays as it is if there is none.
  void AimAtChange(Strike* strike);
  void LookAtLeaders();
  int NodeOf(uint64_t store) const;  // -1: none.
  void Execute(Strike* strike);
  void Count(const Strike& strike);
  void Judge();
  void JudgeGaps();
  void CountSnapshots();

  const KillOptions options_;
  std::mt19937_64 random_;
  ServerCluster cluster_;
  std::unique_ptr<client::Admin> admin_;
  std::unique_ptr<Load> load_;
  std::unique_ptr<MemberChurn> churn_;
  std::map<uint64_t, int> leaders_;  // Range to node, as of LookAtLeaders.
  std::map<uint64_t, int> nodes_;    // Store to node.
  std::vector<Strike> strikes_;
  KillReport report_;
};

std::vector<std::string> ServerFlags(const KillOptions& options) {
  if (!options.changes) return {};
  return {"--first-replicas=3"};
}

Killer::Killer(const KillOptions& options)
    : options_(options),
      random_(options.seed),
      cluster_({options.nodes, options.binary, options.directory, ServerFlags(options)}) {}

void Killer::StartCluster() {
  for (int node = 0; node < options_.nodes; ++node) cluster_.Start(node);
  cluster_.Init();
  client::ClientOptions admin;
  admin.endpoints = cluster_.ClientAddresses();
  admin.deadline = seconds(60);
  admin_ = std::make_unique<client::Admin>(admin);
  SplitRanges();
  LoadOptions load;
  load.endpoints = cluster_.ClientAddresses();
  load.seed = options_.seed;
  load_ = std::make_unique<Load>(load);
  load_->Start();
  load_->AwaitWrites(100, kRecoveryMax);
  if (!options_.changes) return;
  MemberChurnOptions churn;
  churn.endpoints = cluster_.ClientAddresses();
  churn.seed = options_.seed;
  churn_ = std::make_unique<MemberChurn>(churn);
  churn_->Start();
}

void Killer::SplitRanges() {
  std::vector<std::string> keys;
  for (int i = 0; i < LoadOptions().counters; ++i) keys.push_back(Load::Key(i));
  std::sort(keys.begin(), keys.end());
  for (int i = 1; i < options_.ranges; ++i) {
    admin::v1::SplitRangeRequest request;
    request.set_split_key(
        keys[static_cast<size_t>(i) * keys.size() / static_cast<size_t>(options_.ranges)]);
    const auto split = admin_->SplitRange(request);
    CHECK(split.ok()) << split.status();
  }
}

void Killer::LookAtLeaders() {
  client::ClientOptions options;
  options.endpoints = cluster_.ClientAddresses();
  options.deadline = seconds(2);
  client::Admin admin(options);
  const auto stores = admin.ListStores();
  for (int i = 0; stores.ok() && i < stores->statuses_size(); ++i) {
    const auto& store = stores->statuses(i).store();
    for (int node = 0; node < options_.nodes; ++node) {
      if (store.client_address() == cluster_.ClientAddress(node)) nodes_[store.store_id()] = node;
    }
  }
  const auto routes = admin.ListRanges("");
  if (!routes.ok()) return;
  leaders_.clear();
  for (const admin::v1::RangeRoute& route : *routes) {
    const int node = NodeOf(route.leader_store_id());
    if (node >= 0) leaders_[route.range().range_id()] = node;
  }
}

int Killer::NodeOf(uint64_t store) const {
  const auto found = nodes_.find(store);
  return found == nodes_.end() ? -1 : found->second;
}

void Killer::AimAtChange(Strike* strike) {
  strike->change = churn_->AwaitJoint(kJointWait);
  strike->joint = strike->change.has_value();
  if (!strike->joint) strike->change = churn_->current(&random_);
  if (!strike->change.has_value()) return;
  const auto leader = leaders_.find(strike->change->range);
  std::vector<int> targets = {NodeOf(strike->change->to), NodeOf(strike->change->from)};
  if (leader != leaders_.end()) targets.push_back(leader->second);
  const int target = targets[random_() % targets.size()];
  if (target >= 0) strike->victims = {target};
}

Strike Killer::Plan(bool all) {
  Strike strike;
  const auto any = [this] { return static_cast<int>(random_() % options_.nodes); };
  LookAtLeaders();
  strike.victims = {any()};
  const uint64_t dice = random_() % 10;
  if (all) {
    for (int node = 0; node < options_.nodes; ++node) strike.victims.insert(node);
  } else if (options_.changes && dice < 5) {
    AimAtChange(&strike);
  } else if (options_.changes && dice == 5) {
    while (strike.victims.size() < 2) strike.victims.insert(any());
  } else if (random_() % 2 == 0 && !leaders_.empty()) {
    const auto leader = std::next(leaders_.begin(), static_cast<int>(random_() % leaders_.size()));
    strike.victims = {leader->second};
  }
  const bool led = std::any_of(leaders_.begin(), leaders_.end(), [&strike](const auto& leader) {
    return strike.victims.count(leader.second) > 0;
  });
  strike.kind = all                          ? Strike::Kind::kAll
                : strike.victims.size() == 2 ? Strike::Kind::kTwo
                : led                        ? Strike::Kind::kLeader
                                             : Strike::Kind::kFollower;
  return strike;
}

void Killer::Execute(Strike* strike) {
  strike->begin_ns = Load::NowNs();
  for (const int node : strike->victims) cluster_.Kill(node);
  // Half of the nodes come back at once, the others after the rest have gone on without them; two
  // of five may be all but one of a range, so that nobody goes on, and come back after a while.
  if (strike->victims.size() == 1 && random_() % 2 == 0) {
    load_->AwaitWrites(50, kRecoveryMax);
  } else if (strike->kind == Strike::Kind::kTwo) {
    std::this_thread::sleep_for(milliseconds(random_() % 4000));
  }
  for (const int node : strike->victims) cluster_.Start(node);
  load_->AwaitWrites(50, kRecoveryMax);
  strike->end_ns = Load::NowNs();
}

void Killer::Count(const Strike& strike) {
  if (strike.kind == Strike::Kind::kAll) {
    ++report_.kills_of_all;
    return;
  }
  const auto hit = [&strike](int node) { return strike.victims.count(node) > 0; };
  ++report_.kills;
  report_.double_kills += strike.kind == Strike::Kind::kTwo ? 1 : 0;
  report_.leader_kills += std::any_of(leaders_.begin(), leaders_.end(),
                                      [&](const auto& leader) { return hit(leader.second); })
                              ? 1
                              : 0;
  const auto meta = leaders_.find(kMetaRange);
  report_.meta_leader_kills += meta != leaders_.end() && hit(meta->second) ? 1 : 0;
  if (!strike.change.has_value()) return;
  report_.target_kills += hit(NodeOf(strike.change->to)) ? 1 : 0;
  report_.leaving_kills += hit(NodeOf(strike.change->from)) ? 1 : 0;
  report_.joint_kills += strike.joint ? 1 : 0;
}

void Killer::JudgeGaps() {
  const std::vector<int64_t> times = load_->WriteTimes();
  for (const Strike& strike : strikes_) {
    const double gap = LongestGapMs(times, strike.begin_ns, strike.end_ns);
    switch (strike.kind) {
      case Strike::Kind::kLeader:
        report_.leader_gaps_ms.push_back(gap);
        break;
      case Strike::Kind::kFollower:
        report_.follower_gaps_ms.push_back(gap);
        break;
      case Strike::Kind::kTwo:
        report_.double_gaps_ms.push_back(gap);
        break;
      case Strike::Kind::kAll:
        report_.all_gaps_ms.push_back(gap);
        break;
    }
  }
}

void Killer::CountSnapshots() {
  for (int node = 0; node < options_.nodes; ++node) {
    std::ifstream log(cluster_.LogFile(node));
    for (std::string line; std::getline(log, line);) {
      if (line.find("] snapshot-installed ") != std::string::npos) ++report_.snapshots;
    }
  }
}

void Killer::Judge() {
  JudgeGaps();
  report_.counters = load_->JudgeCounters();
  report_.failed = load_->failed();
  const linearizability::Verdict verdict = linearizability::CheckLinearizable(load_->history());
  report_.operations = load_->history().size();
  report_.linearizable = verdict.judgement == linearizability::Judgement::kLinearizable;
  report_.violation = verdict.key + "\n" + verdict.explanation;
}

KillReport Killer::Run() {
  StartCluster();
  const int64_t begin = Load::NowNs();
  const int total = options_.kills + options_.kills_of_all;
  for (int i = 0; i < total; ++i) {
    // Evenly mixed in: every kill of all after so many of one.
    const bool all = (i + 1) * options_.kills_of_all / total > i * options_.kills_of_all / total;
    Strike strike = Plan(all);
    Execute(&strike);
    Count(strike);
    strikes_.push_back(strike);
    LOG(INFO) << "kill " << i + 1 << " of " << total << (all ? " (all)" : "")
              << (strike.joint ? " (joint)" : "") << ", acknowledged " << load_->acknowledged();
    std::this_thread::sleep_for(milliseconds(options_.pause_ms));
  }
  report_.seconds = static_cast<double>(Load::NowNs() - begin) / (1000.0 * kMs);
  if (churn_ != nullptr) {
    churn_->Stop();
    report_.changes = churn_->counts();
    CountSnapshots();
    report_.unsettled = churn_->Settle(kSettleMax);
  }
  load_->Stop();
  Judge();
  return report_;
}

void AppendGaps(const char* name, std::vector<double> gaps, std::string* out) {
  if (gaps.empty()) return;
  std::sort(gaps.begin(), gaps.end());
  const auto at = [&gaps](double q) {
    const auto index = static_cast<size_t>(q * static_cast<double>(gaps.size()));
    return static_cast<int64_t>(gaps[std::min(gaps.size() - 1, index)]);
  };
  absl::StrAppend(out, "  without acknowledged writes, ", name, ": min ", at(0), " p50 ", at(0.5),
                  " p90 ", at(0.9), " max ", at(1), " ms (", gaps.size(), ")\n");
}

}  // namespace

KillReport RunKills(const KillOptions& options) {
  Killer killer(options);
  return killer.Run();
}

std::string ToString(const KillReport& report) {
  std::string out =
      absl::StrCat("kill -9: ", report.kills, " kills (", report.leader_kills, " of a leader, ",
                   report.meta_leader_kills, " of the meta range's, ", report.double_kills,
                   " of two nodes), and ", report.kills_of_all, " of all at once, in ",
                   static_cast<int64_t>(report.seconds), " s\n");
  const ChurnCounts& changes = report.changes;
  if (changes.begun > 0) {
    absl::StrAppend(&out, "  during changes of members: ", report.joint_kills,
                    " in a joint configuration; ", report.target_kills,
                    " of the node that got a replica, ", report.leaving_kills,
                    " of the node that lost one\n");
    absl::StrAppend(&out, "  changes: ", changes.begun, " begun, ", changes.completed,
                    " completed (", changes.of_leader, " took the leader's replica, ",
                    changes.of_meta, " of the meta range, ", changes.transfers,
                    " transfers of a lease), ", changes.refused, " refused, ", changes.given_up,
                    " given up; ", report.snapshots, " snapshots installed\n");
    absl::StrAppend(&out, "  members in the end: ",
                    report.unsettled.empty() ? "as asked for" : report.unsettled, "\n");
  }
  absl::StrAppend(&out, "  increments: ", report.counters.acknowledged, " acknowledged, ",
                  report.counters.unknown, " unknown, ", report.failed,
                  " calls failed; counters with lost increments ", report.counters.lost,
                  ", with doubled ones ", report.counters.doubled, "\n");
  absl::StrAppend(&out, "  history of ", report.operations, " operations: ",
                  report.linearizable ? "linearizable" : "NOT linearizable: " + report.violation,
                  "\n");
  AppendGaps("leader killed", report.leader_gaps_ms, &out);
  AppendGaps("follower killed", report.follower_gaps_ms, &out);
  AppendGaps("two killed", report.double_gaps_ms, &out);
  AppendGaps("all killed", report.all_gaps_ms, &out);
  return out;
}

}  // namespace rasputin::process
