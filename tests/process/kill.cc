// See kill.h.

#include "tests/process/kill.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <random>
#include <sstream>
#include <thread>

#include "tests/linearizability/checker.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int kRecoveryMaxMs = 60'000;

// Polls the load: progress is an event of another process, there is nothing to wait on.
void AwaitWrites(const Load& load, uint64_t more) {
  const uint64_t target = load.acknowledged() + more;
  for (int waited = 0; load.acknowledged() < target; waited += 5) {
    CHECK_LT(waited, kRecoveryMaxMs) << "no write was acknowledged for a minute";
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

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

struct Strike {
  enum class Kind { kLeader, kFollower, kAll } kind;
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
};

void Judge(Load* load, const std::vector<Strike>& strikes, KillReport* report) {
  const std::vector<int64_t> times = load->WriteTimes();
  for (const Strike& strike : strikes) {
    const double gap = LongestGapMs(times, strike.begin_ns, strike.end_ns);
    switch (strike.kind) {
      case Strike::Kind::kLeader:
        report->leader_gaps_ms.push_back(gap);
        break;
      case Strike::Kind::kFollower:
        report->follower_gaps_ms.push_back(gap);
        break;
      case Strike::Kind::kAll:
        report->all_gaps_ms.push_back(gap);
        break;
    }
  }
  for (size_t i = 0; i < load->tallies().size(); ++i) {
    const CounterTally& tally = load->tallies()[i];
    const uint64_t value = load->ReadCounter(static_cast<int>(i));
    if (value < tally.acknowledged) ++report->lost;
    if (value > tally.acknowledged + tally.unknown) ++report->doubled;
    report->acknowledged += tally.acknowledged;
    report->unknown += tally.unknown;
  }
  const linearizability::Verdict verdict = linearizability::CheckLinearizable(load->history());
  report->operations = load->history().size();
  report->linearizable = verdict.judgement == linearizability::Judgement::kLinearizable;
  report->violation = verdict.key + "\n" + verdict.explanation;
}

void AppendGaps(const char* name, std::vector<double> gaps, std::ostream* out) {
  if (gaps.empty()) return;
  std::sort(gaps.begin(), gaps.end());
  const auto at = [&gaps](double q) {
    return gaps[std::min(gaps.size() - 1,
                         static_cast<size_t>(q * static_cast<double>(gaps.size())))];
  };
  *out << "  without acknowledged writes, " << name << ": min " << gaps.front() << " p50 "
       << at(0.5) << " p90 " << at(0.9) << " max " << gaps.back() << " ms (" << gaps.size()
       << ")\n";
}

}  // namespace

KillReport RunKills(const KillOptions& options) {
  ServerCluster cluster({3, options.binary, options.directory, {}});
  for (int node = 0; node < 3; ++node) cluster.Start(node);
  cluster.Init();
  LoadOptions load_options;
  load_options.endpoints = cluster.ClientAddresses();
  load_options.seed = options.seed;
  Load load(load_options);
  load.Start();
  AwaitWrites(load, 100);

  KillReport report;
  std::vector<Strike> strikes;
  std::mt19937_64 random(options.seed);
  const int total = options.kills + options.kills_of_all;
  for (int i = 0; i < total; ++i) {
    // Evenly mixed in: every kill of all after so many of one.
    const bool all = (i + 1) * options.kills_of_all / total > i * options.kills_of_all / total;
    const int leader = cluster.Leader(Load::Key(0));
    const bool aim = random() % 2 == 0;
    const int victim = aim && leader >= 0 ? leader : static_cast<int>(random() % 3);
    Strike strike;
    strike.kind = all                ? Strike::Kind::kAll
                  : victim == leader ? Strike::Kind::kLeader
                                     : Strike::Kind::kFollower;
    strike.begin_ns = Load::NowNs();
    for (int node = 0; node < 3; ++node) {
      if (all || node == victim) cluster.Kill(node);
    }
    if (!all) AwaitWrites(load, 50);  // The other two go on.
    for (int node = 0; node < 3; ++node) {
      if (!cluster.Running(node)) cluster.Start(node);
    }
    AwaitWrites(load, 50);
    strike.end_ns = Load::NowNs();
    strikes.push_back(strike);
    (all ? report.kills_of_all : report.kills) += 1;
    if (strike.kind == Strike::Kind::kLeader) ++report.leader_kills;
    LOG(INFO) << "kill " << i + 1 << " of " << total << (all ? " (all)" : "") << ", acknowledged "
              << load.acknowledged();
    std::this_thread::sleep_for(std::chrono::milliseconds(options.pause_ms));
  }
  load.Stop();
  Judge(&load, strikes, &report);
  return report;
}

std::string ToString(const KillReport& report) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(0);
  out << "kill -9: " << report.kills << " of one node (" << report.leader_kills
      << " of the leader), " << report.kills_of_all << " of all at once\n"
      << "  increments: " << report.acknowledged << " acknowledged, " << report.unknown
      << " unknown; counters with lost increments " << report.lost << ", with doubled ones "
      << report.doubled << "\n"
      << "  history of " << report.operations << " operations: "
      << (report.linearizable ? "linearizable" : "NOT linearizable: " + report.violation) << "\n";
  AppendGaps("leader killed", report.leader_gaps_ms, &out);
  AppendGaps("follower killed", report.follower_gaps_ms, &out);
  AppendGaps("all killed", report.all_gaps_ms, &out);
  return out.str();
}

}  // namespace rasputin::process
