// Clients and the ledger; see trial.h.

#include "tests/compare/trial.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "tests/compare/harpoon.h"
#include "tests/compare/raft.h"

namespace rasputin::compare {
namespace {

constexpr RealTime kClientPeriod = 20 * kMillisecond;
// Five replicas have 2,000 to 3,000.
constexpr uint64_t kEventsPerSecondMax = 1'000'000;

struct Named {
  Kind kind;
  const char* name;
};
constexpr Named kKinds[] = {{Kind::kHarpoon, "harpoon"},
                            {Kind::kRaft, "raft"},
                            {Kind::kRaftPreVoteCheckQuorum, "raft+pv+cq"},
                            {Kind::kRaftLeaseReads, "raft+pv+cq+lease"}};

WorldOptions WorldOf(const TrialOptions& options) {
  WorldOptions world;
  world.replicas = options.replicas;
  world.seed = options.seed;
  world.clocks = options.clocks;
  world.links.delay_min = 100 * kMicrosecond;
  world.links.delay_mean_extra = 300 * kMicrosecond;
  world.links.tail_chance = 0.005;
  world.links.tail_mean = 30 * kMillisecond;
  world.links.loss = 0.002;
  world.links.duplicate = 0.001;
  world.links.in_order = false;
  return world;
}

}  // namespace

const char* ToString(Kind kind) {
  for (const Named& named : kKinds) {
    if (named.kind == kind) return named.name;
  }
  return "?";
}

std::optional<Kind> KindOf(const std::string& name) {
  for (const Named& named : kKinds) {
    if (named.name == name) return named.kind;
  }
  return std::nullopt;
}

Trial::Trial(const TrialOptions& options)
    : options_(options),
      world_(WorldOf(options), {[this](int replica) { protocol_->Wake(replica); },
                                [this](int replica) { protocol_->Died(replica); },
                                [this](int replica) { ClientsAt(replica); }}),
      random_(world_.Fork(77)) {
  world_.scheduler().set_trace(false);
  world_.scheduler().set_events_per_second_max(kEventsPerSecondMax);
  if (options.kind == Kind::kHarpoon) {
    HarpoonOptions harpoon;
    harpoon.lease_duration = consensus::Duration(kD);
    harpoon.mutants = options.mutants;
    protocol_ = std::make_unique<Harpoon>(harpoon, &world_, this);
  } else {
    RaftOptions raft;
    raft.election_timeout = consensus::Duration(kD);
    raft.pre_vote = raft.check_quorum = options.kind != Kind::kRaft;
    raft.lease_reads = options.kind == Kind::kRaftLeaseReads;
    protocol_ = std::make_unique<Raft>(raft, &world_, this);
  }
  for (int i = 0; i < options.replicas; ++i) protocol_->Start(i);
  ClientTick();
}

Trial::~Trial() = default;

bool Trial::Begin() {
  for (int i = 0; i < 40 && !(report_.acknowledged > 0 && HasLeader()); ++i) RunFor(kD / 2);
  RunFor(kD + random_.Between(0, kD / 2));
  report_.started = report_.acknowledged > 0 && HasLeader();
  leader_ = std::max(0, last_leader_);
  return report_.started;
}

bool Trial::HasLeader() const {
  for (int i = 0; i < options_.replicas; ++i) {
    if (world_.IsUp(i) && !world_.IsPaused(i) && protocol_->TakesWrites(i)) return true;
  }
  return false;
}

void Trial::Cut() {
  OnNote(A(), "---- the cut");
  DescribeAll();
  measuring_ = true;
  cut_at_ = world_.now();
  writes_ = Gaps();
  reads_ = Gaps();
  writes_.last = reads_.last = cut_at_;
}

void Trial::Settled() {
  settled_ = true;
  OnNote(A(), "---- settled");
}

// For traces: the state of each replica, and which of the others it reaches.
void Trial::DescribeAll() {
  if (!options_.trace) return;
  for (int i = 0; i < options_.replicas; ++i) {
    std::string reaches;
    for (int j = 0; j < options_.replicas; ++j) {
      if (j != i && !world_.network().IsCut(i, j)) absl::StrAppend(&reaches, " ", j + 1);
    }
    OnNote(i, absl::StrCat("reaches", reaches, "; ", protocol_->Describe(i)));
  }
}

TrialReport Trial::Finish() {
  DescribeAll();
  const RealTime now = world_.now();
  writes_.Done(now);
  reads_.Done(now);
  report_.spins = world_.scheduler().spins();
  report_.live = report_.started && !report_.spins;
  for (int d = 1; d <= 3; ++d) {
    const auto in = [&](RealTime at) { return at >= now - d * kD && at < now - (d - 1) * kD; };
    const bool any = std::any_of(acknowledged_at_.begin(), acknowledged_at_.end(), in);
    report_.live = report_.live && any;
  }
  report_.longest_without_writes = writes_.longest;
  report_.longest_without_reads = reads_.longest;
  report_.without_writes = writes_.sum;
  report_.hash = world_.scheduler().hash();
  return report_;
}

void Trial::Restart(int replica) {
  world_.Revive(replica);
  protocol_->Start(replica);
}

// ---- Clients.

void Trial::ClientTick() {
  int leases = 0;
  for (int i = 0; i < options_.replicas; ++i) {
    if (!world_.IsUp(i)) continue;
    if (protocol_->HoldsLease(i)) ++leases;
    if (!world_.IsPaused(i)) ClientsAt(i);
  }
  if (leases > 1) {
    if (report_.overlaps++ == 0) OnNote(A(), "two replicas hold a lease");
  }
  world_.After(kClientPeriod, [this] { ClientTick(); });
}

// Reads first: after a pause they are what could be stale.
void Trial::ClientsAt(int replica) {
  if (!protocol_->TakesWrites(replica)) return protocol_->OnUnserved(replica);
  const uint64_t read = next_read_++;
  read_floor_[read] = acknowledged_index_;
  protocol_->Read(replica, read);
  const uint64_t value = next_value_++;
  under_way_[value] = {replica, world_.now()};
  if (!protocol_->Write(replica, value)) under_way_.erase(value);
}

// ---- What they see.

void Trial::OnLeader(int replica, uint64_t term) {
  OnNote(replica, absl::StrCat("==== leads term ", term));
  const auto [known, first] = leaders_.emplace(term, replica);
  if (!first && known->second != replica) {
    Violation(absl::StrCat("Election Safety: two leaders of term ", term));
  }
  const bool another = replica != last_leader_;
  last_leader_ = replica;
  if (!measuring_) return;
  ++report_.elections;
  report_.changes += another ? 1 : 0;
  report_.changes_settled += another && settled_ ? 1 : 0;
}

void Trial::OnApplied(int replica, uint64_t index, uint64_t term, uint64_t value) {
  const std::pair<uint64_t, uint64_t> entry(term, value);
  if (index <= applied_entries_.size()) {
    if (applied_entries_[index - 1] != entry) {
      Violation(absl::StrCat("State Machine Safety: two entries at ", index));
    }
  } else {
    if (index != applied_entries_.size() + 1) Violation(absl::StrCat("gap before ", index));
    applied_entries_.resize(index);
    applied_entries_[index - 1] = entry;
  }
  const auto write = under_way_.find(value);
  if (write == under_way_.end() || write->second.replica != replica) return;
  const RealTime now = world_.now();
  const RealTime began = write->second.began;
  under_way_.erase(write);
  ++report_.acknowledged;
  acknowledged_index_ = std::max(acknowledged_index_, index);
  if (!measuring_ || began < cut_at_) return;
  if (!report_.recovery.has_value()) {
    report_.recovery = now - cut_at_;
    OnNote(replica, "---- first write acknowledged");
  }
  writes_.Done(now);
  acknowledged_at_.push_back(now);
}

void Trial::OnRead(int replica, uint64_t read, uint64_t applied) {
  const auto found = read_floor_.find(read);
  if (found == read_floor_.end()) return;
  ++report_.reads;
  if (applied < found->second) {
    if (report_.stale_reads++ == 0) OnNote(replica, "a stale read");
  }
  read_floor_.erase(found);
  if (measuring_) reads_.Done(world_.now());
}

void Trial::OnClockSuspect(int replica) {
  ++report_.clock_reports;
  OnNote(replica, "the clocks are suspect");
}

void Trial::OnNote(int replica, const std::string& what) {
  if (!options_.trace) return;
  std::fprintf(stderr, "%10.6f D  replica %d  %s\n",
               static_cast<double>(world_.now()) / static_cast<double>(kD), replica + 1,
               what.c_str());
}

void Trial::Violation(const std::string& what) {
  OnNote(A(), what);
  if (report_.violations.size() < 10) report_.violations.push_back(what);
}

}  // namespace rasputin::compare
