// The rows; see scenarios.h.

#include "tests/compare/scenarios.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rasputin::compare {
namespace {

constexpr RealTime kSettling = 5 * kD;

// The rest of a scenario whose cut has just been made.
void Watch(Trial* t, RealTime length = 20 * kD) {
  t->RunFor(kSettling);
  t->Settled();
  t->RunFor(length - kSettling);
}

void LeaderFollowerCut(Trial* t) {
  t->network().CutBoth(t->A(), t->Other(1));
  t->Cut();
  Watch(t);
}

// Only C keeps its links.
void CutAllBut(Trial* t, int c) {
  for (int i = 0; i < t->replicas(); ++i) {
    for (int j = 0; j < i; ++j) {
      if (i != c && j != c) t->network().CutBoth(i, j);
    }
  }
}

void QuorumLoss(Trial* t) {
  CutAllBut(t, t->Other(2));
  t->Cut();
  Watch(t);
}

// C misses half a D of writes, too short to make it stand for election; then the links change, and
// A is out of reach of all.
void ConstrainedElection(Trial* t) {
  const int c = t->Other(2);
  t->world().Isolate(c);
  t->RunFor(kD / 2);
  t->network().HealAll();
  CutAllBut(t, c);
  t->network().CutBoth(t->A(), c);
  t->Cut();
  Watch(t);
}

void OneWayFromFollower(Trial* t) {
  t->network().Cut(t->Other(1), t->A());
  t->Cut();
  Watch(t);
}

void OneWayToFollower(Trial* t) {
  t->network().Cut(t->A(), t->Other(1));
  t->Cut();
  Watch(t);
}

void FlappingLink(Trial* t) {
  t->Cut();
  for (int i = 0; i < 30; ++i) {
    if (i == 8) t->Settled();
    t->network().CutBoth(t->A(), t->Other(1));
    t->RunFor(kD / 3);
    t->network().HealBoth(t->A(), t->Other(1));
    t->RunFor(kD / 3);
  }
}

void FullIsolation(Trial* t) {
  t->world().Isolate(t->A());
  t->Cut();
  Watch(t);
}

void ReplicaComesBack(Trial* t) {
  t->world().Isolate(t->Other(1));
  t->RunFor(10 * kD);
  t->network().HealAll();
  t->Cut();
  Watch(t, 12 * kD);
}

// Campaigns that nobody heard of have left B's term five above; how that can come about differs
// between protocols, so it is put there.
void StrandedTerm(Trial* t) {
  const int b = t->Other(1);
  t->world().Isolate(b);
  t->world().Kill(b);
  t->RaiseTermOfTheDead(b, 5);
  t->RunFor(kD / 2);
  t->Restart(b);
  t->RunFor(2 * kD);
  t->network().HealAll();
  t->Cut();
  Watch(t, 12 * kD);
}

void PausedLeader(Trial* t) {
  t->world().Pause(t->A(), 10 * kD);
  t->Cut();
  Watch(t);
}

// Whoever leads is paused again and again, for times around the length of a lease.
void ShortPauses(Trial* t) {
  t->Cut();
  t->Settled();
  for (int i = 0; i < 10; ++i) {
    t->world().Pause(t->LastLeader(), t->random().Between(kD / 20, 3 * kD / 2));
    t->RunFor(3 * kD);
  }
  t->RunFor(3 * kD);
}

void DeafLeader(Trial* t) {
  for (int n = 1; n < t->replicas(); ++n) t->network().Cut(t->Other(n), t->A());
  t->Cut();
  Watch(t);
}

void MuteLeader(Trial* t) {
  for (int n = 1; n < t->replicas(); ++n) t->network().Cut(t->A(), t->Other(n));
  t->Cut();
  Watch(t);
}

void StalledDisk(Trial* t) {
  t->world().StallDisk(t->A(), true);
  t->Cut();
  Watch(t);
}

void FailedDisk(Trial* t) {
  t->world().FailDisk(t->A());
  t->Cut();
  Watch(t);
}

bool HasATwoWayMajority(const std::vector<std::vector<bool>>& cut, size_t i) {
  size_t two_way = 1;
  for (size_t j = 0; j < cut.size(); ++j) two_way += j != i && !cut[i][j] && !cut[j][i] ? 1 : 0;
  return two_way > cut.size() / 2;
}

std::vector<std::vector<bool>> DrawTopology(int replicas, sim::Random* random) {
  const auto n = static_cast<size_t>(replicas);
  for (;;) {
    std::vector<std::vector<bool>> cut(n, std::vector<bool>(n, false));
    const double share = 0.3 + 0.4 * random->Unit();
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (!random->Chance(share)) continue;
        const bool one_way = random->Chance(0.4);
        const bool forward = random->Chance(0.5);
        cut[i][j] = !one_way || forward;
        cut[j][i] = !one_way || !forward;
      }
    }
    for (size_t i = 0; i < n; ++i) {
      if (HasATwoWayMajority(cut, i)) return cut;
    }
  }
}

void Topology(Trial* t) {
  const auto cut = DrawTopology(t->replicas(), &t->random());
  for (int i = 0; i < t->replicas(); ++i) {
    for (int j = 0; j < t->replicas(); ++j) {
      if (cut[static_cast<size_t>(i)][static_cast<size_t>(j)]) t->network().Cut(i, j);
    }
  }
  if (HasATwoWayMajority(cut, static_cast<size_t>(t->A()))) t->LeaderCanStay();
  t->Cut();
  Watch(t, 12 * kD);
}

// Each replica's clocks are all the way at one end of the range or the other.
void ClocksAtBounds(TrialOptions* options, int64_t ppm) {
  sim::Random draw(options->seed * 31 + 7);
  for (int i = 0; i < options->replicas; ++i) {
    sim::ClockErrors errors;
    errors.boot_ppm = errors.raw_ppm = draw.Chance(0.5) ? ppm : -ppm;
    options->clocks.push_back(errors);
  }
}

void ClockSteps(Trial* t) {
  constexpr int64_t kStepUs = 10'000'000;
  t->Cut();
  t->world().StepWall(t->A(), -kStepUs);
  t->RunFor(kSettling);
  t->world().StepWall(t->Other(1), kStepUs);
  t->RunFor(kSettling);
  t->world().StepWall(t->A(), kStepUs);
  t->RunFor(2 * kSettling);
}

std::vector<Scenario> MakeScenarios() {
  Requirement stays;
  stays.no_changes = true;
  Requirement recovers;
  recovers.recovery_p95_d_max = 2;
  Requirement no_outage = stays;
  no_outage.read_gap_d_max = 0.1;
  Requirement pauses;
  pauses.restless = true;
  Requirement beyond;
  beyond.stale_reads = beyond.clock_reports = true;
  Requirement steps = pauses;
  steps.clock_reports = true;
  return {
      {"leader-follower", "A-B cut", 5, LeaderFollowerCut, stays},
      {"chain", "three replicas, A-C cut, both reach B", 3, LeaderFollowerCut, stays},
      {"quorum-loss", "A reaches only C, C reaches all, all else cut", 5, QuorumLoss, recovers},
      {"constrained", "A gone, only C reaches the others, C's log is behind", 5,
       ConstrainedElection, recovers},
      {"one-way-from-b", "B hears A, A does not hear B", 5, OneWayFromFollower, stays},
      {"one-way-to-b", "A hears B, B does not hear A", 5, OneWayToFollower, stays},
      {"flapping", "A-B up and down every D/3", 5, FlappingLink, stays},
      {"isolation", "A alone", 5, FullIsolation, recovers},
      {"comes-back", "B isolated for 10 D, then back", 5, ReplicaComesBack, no_outage},
      {"stranded-term", "B comes back with a term five above", 5, StrandedTerm, no_outage},
      {"paused", "A paused for 10 D", 5, PausedLeader, recovers},
      {"short-pauses", "the leader paused ten times, 0.05 to 1.5 D", 5, ShortPauses, pauses},
      {"deaf", "A sends, hears nothing", 5, DeafLeader, recovers},
      {"mute", "A hears, cannot send", 5, MuteLeader, recovers},
      {"stalled-disk", "writes of A hang", 5, StalledDisk, recovers},
      {"failed-disk", "writes of A fail", 5, FailedDisk, recovers},
      {"clocks-within", "rates 1% fast or slow, A alone", 5, FullIsolation, recovers,
       [](TrialOptions* options) { ClocksAtBounds(options, 10'000); }},
      {"clocks-beyond", "rates 10% fast or slow (bound 1%), A alone", 5, FullIsolation, beyond,
       [](TrialOptions* options) { ClocksAtBounds(options, 100'000); }},
      {"clock-steps", "wall clocks stepped by 10 s, back and forth", 5, ClockSteps, steps},
      {"random", "30 to 70% of the pairs cut, 40% of them one way", 5, Topology, recovers},
  };
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const auto* scenarios = new std::vector<Scenario>(MakeScenarios());
  return *scenarios;
}

const Scenario& RandomTopology() { return Scenarios().back(); }

TrialReport Play(const Scenario& scenario, const TrialOptions& options) {
  TrialOptions with = options;
  with.replicas = scenario.replicas;
  if (scenario.prepare != nullptr) scenario.prepare(&with);
  Trial trial(with);
  if (trial.Begin()) {
    if (scenario.required.no_changes) trial.LeaderCanStay();
    scenario.play(&trial);
  }
  return trial.Finish();
}

std::string Shortfall(const Requirement& required, const TrialReport& report) {
  if (!report.violations.empty()) return report.violations.front();
  if (report.spins) return "spins";
  if (!report.started) return "no leader at the beginning";
  if (required.live && !report.live) return "not live";
  if (report.leader_can_stay && report.changes > 0) return "the leader changed";
  if (!required.restless && report.changes_settled > 0) return "restless";
  if (!required.stale_reads && report.stale_reads > 0) return "stale reads";
  if (!required.stale_reads && report.overlaps > 0) return "two leases";
  if (required.clock_reports && report.clock_reports == 0) return "clocks not reported";
  const double gap = static_cast<double>(report.longest_without_reads) / static_cast<double>(kD);
  if (required.read_gap_d_max > 0 && gap > required.read_gap_d_max) {
    return absl::StrCat("no reads for ", gap, " D");
  }
  return "";
}

}  // namespace rasputin::compare
