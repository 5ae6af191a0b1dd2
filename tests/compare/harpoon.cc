// A process: store leases and core, their effects carried out in order; see harpoon.h.

#include "tests/compare/harpoon.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "consensus/core/core.h"
#include "consensus/lease/lease_table.h"
#include "consensus/lease/store_leases.h"
#include "tests/compare/harpoon_log.h"

namespace rasputin::compare {
namespace {

using consensus::ClockReading;
using consensus::Core;
using consensus::DualInstant;
using consensus::Entry;
using consensus::EntryType;
using consensus::Event;
using consensus::EventType;
using consensus::HardState;
using consensus::Index;
using consensus::Instant;
using consensus::Message;
using consensus::Ready;
using consensus::ReplicaId;
using consensus::StoreId;
using consensus::lease::DurableLeases;
using consensus::lease::LeaseEffects;
using consensus::lease::LeaseMessage;
using consensus::lease::LeaseUpdate;
using consensus::lease::PairState;

constexpr consensus::RangeId kRange{1};
// Between the reading of the state and the look at the lease that lets the answer out.
constexpr RealTime kReadTakes = 50 * kMicrosecond;
// As LeaseOptions::wall_jump_max; range/ watches the wall clock between lease ticks.
constexpr int64_t kWallJumpMaxUs = 500'000;

ReplicaId ReplicaAt(int i) { return ReplicaId(static_cast<uint64_t>(i) + 1); }
StoreId StoreAt(int i) { return StoreId(static_cast<uint64_t>(i) + 1); }
int IndexOf(ReplicaId id) { return static_cast<int>(id.value()) - 1; }
int IndexOf(StoreId id) { return static_cast<int>(id.value()) - 1; }

uint64_t ValueOf(const Entry& entry) {
  if (entry.type != EntryType::kCommand) return 0;
  return std::strtoull(std::string(entry.payload).c_str(), nullptr, 10);
}

}  // namespace

// What survives the process.
struct Harpoon::Disk {
  HardState hard_state;
  HarpoonLog::Entries entries;
  DurableLeases leases;

  void Record(const std::vector<PairState>& pairs, consensus::Epoch counter) {
    leases.was_member = true;
    if (counter.IsSet()) leases.epoch_counter = counter;
    for (const PairState& state : pairs) {
      const auto known = std::find_if(leases.pairs.begin(), leases.pairs.end(),
                                      [&](const PairState& p) { return p.peer == state.peer; });
      if (known == leases.pairs.end()) {
        leases.pairs.push_back(state);
      } else {
        *known = state;
      }
    }
  }
};

class Harpoon::Process {
 public:
  Process(Harpoon* group, int replica, uint64_t seed)
      : group_(group),
        replica_(replica),
        disk_(group->disks_[static_cast<size_t>(replica)].get()),
        started_(Now()),
        last_reading_(started_),
        table_(StoreAt(replica)),
        leases_(Leases(seed), disk_->leases, started_),
        log_(disk_->entries) {
    std::vector<StoreId> peers;
    for (int i = 0; i < group_->world_->replicas(); ++i) {
      if (i != replica_) peers.push_back(StoreAt(i));
    }
    leases_.SetPeers(peers);
    CarryLeases();  // What was withdrawn before must be known to the core from its first instant.
    core_.emplace(CoreOptionsFor(seed), Initial(), &log_, &table_, started_);
    Pump();
  }

  Core& core() { return *core_; }
  const Core& core() const { return *core_; }
  ClockReading Now() const { return group_->world_->Now(replica_); }

  void Wake() {
    const ClockReading now = Begin();
    if (leases_.NextDeadline() <= now.boot) leases_.Tick(now);
    CarryLeases();
    if (core_->NextDeadline() <= now.boot) core_->Tick(now);
    Pump();
  }
  void Step(const Message& message) {
    core_->Step(Begin(), message);
    Pump();
  }
  void Step(const LeaseMessage& message) {
    leases_.Step(Begin(), message);
    Pump();
  }
  bool Write(uint64_t value) {
    const auto result = core_->Propose(Begin(), absl::Cord(absl::StrCat(value)));
    Pump();
    return result.status == consensus::ProposeStatus::kAccepted;
  }
  void Read(uint64_t read);
  void OnUnserved() {
    const ClockReading now = Begin();
    if (core_->role() == consensus::Role::kLeader || now.boot < next_query_) return;
    next_query_ = now.boot + group_->options_.lease_duration;
    core_->QueryBinding(now);
    Pump();
  }

 private:
  struct Pending {
    uint64_t sequence;
    Index first;  // Of its entries; 0: none.
    Index last;
    std::vector<Message> send_after;
  };

  consensus::lease::LeaseOptions Leases(uint64_t seed) const {
    consensus::lease::LeaseOptions options;
    options.self = StoreAt(replica_);
    options.lease_duration = group_->options_.lease_duration;
    options.clock_rate_error_max = group_->options_.clock_rate_error_max;
    options.seed = seed;
    options.mutants = group_->options_.mutants;
    return options;
  }
  // The shipped defaults, which are fractions of D.
  consensus::CoreOptions CoreOptionsFor(uint64_t seed) const {
    consensus::CoreOptions options;
    options.range = kRange;
    options.self = ReplicaAt(replica_);
    options.self_store = StoreAt(replica_);
    options.lease_duration = group_->options_.lease_duration;
    options.election_delay_min = options.lease_duration / 8;
    options.election_delay_max = options.lease_duration / 2;
    options.retry_interval = options.lease_duration / 10;
    options.seed = seed;
    options.mutants = group_->options_.mutants;
    return options;
  }
  consensus::InitialState Initial() const {
    consensus::InitialState initial;
    initial.hard_state = disk_->hard_state;
    for (int i = 0; i < group_->world_->replicas(); ++i) {
      initial.configuration.voters.push_back({ReplicaAt(i), StoreAt(i)});
    }
    return initial;
  }

  ClockReading Begin();
  void Pump();
  bool CarryLeases();
  void Carry(Ready ready);
  void Persist(const Ready& ready);
  void OnSynced(uint64_t sequence, const ClockReading& began);
  void Send(const Message& message);
  void Apply();
  void AnswerWhatIsApplied();
  void Observe(const Event& event);

  Harpoon* const group_;
  const int replica_;
  Disk* const disk_;
  const ClockReading started_;
  ClockReading last_reading_;
  consensus::lease::LeaseTable table_;
  consensus::lease::StoreLeases leases_;
  HarpoonLog log_;
  std::optional<Core> core_;
  std::vector<Pending> pending_;
  std::vector<Entry> committed_;  // Not applied yet, from committed_head_ on.
  size_t committed_head_ = 0;
  Instant next_query_ = Instant::min();
  std::multimap<Index, uint64_t> reads_;  // Confirmed by a round, waiting for this index.
};

ClockReading Harpoon::Process::Begin() {
  const ClockReading now = Now();
  const auto elapsed_us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.boot - last_reading_.boot).count();
  if (now.wall_us - last_reading_.wall_us - elapsed_us > kWallJumpMaxUs) table_.SuspendPeers();
  last_reading_ = now;
  return now;
}

void Harpoon::Process::Pump() {
  for (bool more = true; more;) {
    more = CarryLeases();
    while (core_->HasReady()) {
      Carry(core_->TakeReady());
      more = true;
    }
  }
  group_->world_->WakeAt(replica_, std::min(leases_.NextDeadline(), core_->NextDeadline()));
}

bool Harpoon::Process::CarryLeases() {
  LeaseEffects effects = leases_.TakeEffects();
  World* world = group_->world_;
  for (const LeaseMessage& message : effects.send) {
    const int to = IndexOf(message.to);
    world->Send(replica_, to, [group = group_, to, message] {
      group->processes_[static_cast<size_t>(to)]->Step(message);
    });
  }
  for (const Event& event : effects.events) Observe(event);
  if (effects.persist_sequence != 0 || effects.write_disk_probe) {
    world->Write(
        replica_,
        [disk = disk_, pairs = effects.persist, counter = effects.persist_counter] {
          disk->Record(pairs, counter);
        },
        [this, sequence = effects.persist_sequence](const ClockReading& began) {
          const ClockReading now = Begin();
          leases_.OnLogWriteCompleted(now, DualInstant::At(began));
          if (sequence != 0) leases_.OnPersisted(now, sequence);
          Pump();
        });
  }
  if (effects.updates.empty()) return false;
  for (const LeaseUpdate& update : effects.updates) table_.Apply(update);
  if (core_.has_value()) core_->Tick(Now());
  return true;
}

void Harpoon::Process::Carry(Ready ready) {
  for (const Message& message : ready.send_now) Send(message);
  if (ready.persist_sequence != 0) {
    Persist(ready);
  } else if (!pending_.empty()) {
    auto& after = pending_.back().send_after;
    after.insert(after.end(), ready.send_after_persist.begin(), ready.send_after_persist.end());
  } else {
    for (const Message& message : ready.send_after_persist) Send(message);
  }
  for (const Event& event : ready.events) Observe(event);
  committed_.insert(committed_.end(), ready.committed.begin(), ready.committed.end());
  Apply();
  for (const consensus::ReadIndexResult& read : ready.reads) {
    if (!read.failed) reads_.emplace(read.index, read.context);
  }
  AnswerWhatIsApplied();
}

void Harpoon::Process::Persist(const Ready& ready) {
  log_.Append(ready.entries);
  Pending pending;
  pending.sequence = ready.persist_sequence;
  if (!ready.entries.empty()) {
    pending.first = ready.entries.front().index;
    pending.last = ready.entries.back().index;
  }
  pending.send_after = ready.send_after_persist;
  pending_.push_back(std::move(pending));
  group_->world_->Write(
      replica_,
      [disk = disk_, hard_state = ready.hard_state, entries = ready.entries] {
        if (hard_state.has_value()) disk->hard_state = *hard_state;
        HarpoonLog::Continue(&disk->entries, entries);
      },
      [this, sequence = ready.persist_sequence](const ClockReading& began) {
        OnSynced(sequence, began);
      });
}

void Harpoon::Process::OnSynced(uint64_t sequence, const ClockReading& began) {
  const ClockReading now = Begin();
  CHECK(!pending_.empty() && pending_.front().sequence == sequence);
  const Pending done = std::move(pending_.front());
  pending_.erase(pending_.begin());
  leases_.OnLogWriteCompleted(now, DualInstant::At(began));
  core_->OnPersisted(now, sequence);
  for (const Message& message : done.send_after) Send(message);
  Apply();
  Pump();
}

void Harpoon::Process::Send(const Message& message) {
  const int to = IndexOf(message.to);
  group_->world_->Send(replica_, to, [group = group_, to, message] {
    group->processes_[static_cast<size_t>(to)]->Step(message);
  });
}

// In order, and only what is durable here.
void Harpoon::Process::Apply() {
  Index durable = log_.Last().index;
  for (const Pending& pending : pending_) {
    if (pending.first.IsSet()) durable = std::min(durable, pending.first.Previous());
  }
  Index applied;
  while (committed_head_ < committed_.size() && committed_[committed_head_].index <= durable) {
    const Entry& entry = committed_[committed_head_++];
    applied = entry.index;
    group_->watcher_->OnApplied(replica_, entry.index.value(), entry.term.value(), ValueOf(entry));
  }
  if (committed_head_ == committed_.size()) {
    committed_.clear();
    committed_head_ = 0;
  }
  if (!applied.IsSet()) return;
  core_->OnApplied(applied);
  AnswerWhatIsApplied();
}

void Harpoon::Process::AnswerWhatIsApplied() {
  while (!reads_.empty() && reads_.begin()->first <= core_->applied_index()) {
    group_->watcher_->OnRead(replica_, reads_.begin()->second, core_->applied_index().value());
    reads_.erase(reads_.begin());
  }
}

void Harpoon::Process::Read(uint64_t read) {
  const ClockReading now = Begin();
  if (core_->MayServeRead(now) && core_->applied_index() >= core_->commit_index()) {
    const uint64_t state = core_->applied_index().value();
    group_->world_->InProcess(replica_, kReadTakes, [this, read, state] {
      if (core_->MayServeRead(Begin())) group_->watcher_->OnRead(replica_, read, state);
    });
    return;
  }
  core_->RequestReadIndex(now, read);
  Pump();
}

void Harpoon::Process::Observe(const Event& event) {
  if (event.type == EventType::kBecameLeader) {
    group_->watcher_->OnLeader(replica_, event.term.value());
  }
  if (event.type == EventType::kClockSuspect) group_->watcher_->OnClockSuspect(replica_);
  if (event.type == EventType::kCommitAdvanced) return;
  group_->watcher_->OnNote(replica_, ToString(event));
}

Harpoon::Harpoon(const HarpoonOptions& options, World* world, Watcher* watcher)
    : options_(options), world_(world), watcher_(watcher) {
  for (int i = 0; i < world->replicas(); ++i) disks_.push_back(std::make_unique<Disk>());
  processes_.resize(disks_.size());
}
Harpoon::~Harpoon() = default;

void Harpoon::Start(int replica) {
  const auto at = static_cast<size_t>(replica);
  const uint64_t tag = 1000 + static_cast<uint64_t>(replica) + 100 * ++starts_;
  processes_[at] = std::make_unique<Process>(this, replica, world_->Fork(tag).Next());
}

void Harpoon::Died(int replica) { processes_[static_cast<size_t>(replica)].reset(); }

void Harpoon::Wake(int replica) { processes_[static_cast<size_t>(replica)]->Wake(); }

bool Harpoon::TakesWrites(int replica) const {
  const Process& at = *processes_[static_cast<size_t>(replica)];
  return at.core().IsServingLeader(at.Now());
}

bool Harpoon::HoldsLease(int replica) const {
  const Process& at = *processes_[static_cast<size_t>(replica)];
  return at.core().MayServeRead(at.Now());
}

bool Harpoon::Write(int replica, uint64_t value) {
  return processes_[static_cast<size_t>(replica)]->Write(value);
}

void Harpoon::Read(int replica, uint64_t read) {
  processes_[static_cast<size_t>(replica)]->Read(read);
}

void Harpoon::OnUnserved(int replica) { processes_[static_cast<size_t>(replica)]->OnUnserved(); }

void Harpoon::RaiseTerm(int replica, uint64_t by) {
  CHECK(processes_[static_cast<size_t>(replica)] == nullptr);
  HardState& state = disks_[static_cast<size_t>(replica)]->hard_state;
  state.term = state.term.Plus(by);
  state.vote = ReplicaId();
}

std::string Harpoon::Describe(int replica) const {
  const auto& process = processes_[static_cast<size_t>(replica)];
  if (process == nullptr) return "not running";
  const Core& core = process->core();
  const HardState& state = core.hard_state();
  const ClockReading now = process->Now();
  return absl::StrCat("role ", static_cast<int>(core.role()), " term ", state.term.value(),
                      " bound to ", state.bound_leader.value(), " in ", state.bound_term.value(),
                      " epoch ", state.bound_epoch.value(), " released ",
                      state.released_term.value(), " last ", core.last_index().value(), " commit ",
                      core.commit_index().value(), " applied ", core.applied_index().value(),
                      core.MayServeRead(now) ? " holds a lease" : "");
}

}  // namespace rasputin::compare
