// Events, faults and checks of the cluster of cores; see core_cluster.h.

#include "consensus/core/core_cluster.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

namespace rasputin::consensus {
namespace {

using std::chrono::milliseconds;

ReplicaId ReplicaAt(int i) { return ReplicaId(static_cast<uint64_t>(i) + 1); }
StoreId StoreAt(int i) { return StoreId(static_cast<uint64_t>(i) + 101); }

}  // namespace

CoreCluster::CoreCluster(const ClusterOptions& options)
    : options_(options), random_state_(options.seed * 0x9e3779b97f4a7c15ULL), loss_(options.loss) {
  const auto n = static_cast<size_t>(std::max(options_.replicas, options_.stores));
  cut_.assign(n, std::vector<bool>(n, false));
  nodes_.resize(n);
  std::vector<StoreId> stores;
  for (int i = 0; i < this->stores(); ++i) stores.push_back(StoreAt(i));
  for (int i = 0; i < this->stores(); ++i) {
    Node& node = nodes_[i];
    node.store = StoreAt(i);
    if (i < options_.replicas) node.replica = ReplicaAt(i);
    node.durable_configuration = MakeConfiguration();
    node.durable_highest = ReplicaAt(options_.replicas - 1);
    node.rate = 1 + options_.rate_error * (static_cast<double>(Random(2001)) / 1000 - 1);
    node.base = std::chrono::seconds(1000 * (i + 1));
    node.leases = std::make_unique<FakeStoreLeases>(node.store, options_.lease_duration, stores);
    if (node.replica.IsSet()) Start(i);
    LeaseRound(i);
  }
}

CoreCluster::~CoreCluster() = default;

Configuration CoreCluster::MakeConfiguration() const {
  Configuration configuration;
  for (int i = 0; i < options_.replicas; ++i) {
    configuration.voters.push_back({ReplicaAt(i), StoreAt(i)});
  }
  return configuration;
}

uint64_t CoreCluster::Random(uint64_t below) {
  random_state_ += 0x9e3779b97f4a7c15ULL;
  uint64_t x = random_state_;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return (x ^ (x >> 31)) % below;
}

void CoreCluster::Mix(uint64_t value) { hash_ = (hash_ ^ value) * 1099511628211ULL; }

void CoreCluster::Violation(const std::string& what) {
  if (violations_.size() < 20) {
    violations_.push_back(
        absl::StrCat("seed ", options_.seed, " at ", now_ / milliseconds(1), " ms: ", what));
  }
}

ClockReading CoreCluster::Now(int replica) const {
  const Node& node = nodes_[replica];
  const auto local = Duration(static_cast<int64_t>(static_cast<double>(now_.count()) * node.rate));
  return {Instant(node.base + local), Instant(node.base + local), now_.count() / 1000};
}

void CoreCluster::At(Duration delay, std::function<void()> run) {
  events_.push({now_ + delay, ++order_, std::move(run)});
}

void CoreCluster::AtProcess(int replica, Duration delay, std::function<void()> run) {
  At(delay, [this, replica, run = std::move(run)] {
    const Duration left = nodes_[replica].paused_until - now_;
    if (left > Duration::zero()) {
      AtProcess(replica, left, run);
    } else {
      run();
    }
  });
}

void CoreCluster::Pause(int replica, Duration duration) {
  Node& node = nodes_[replica];
  if (node.paused_until > now_) return;
  // Whoever asked before the pause is answered right after it.
  AtProcess(replica, duration, [this, replica] { TryRead(replica); });
  node.paused_until = now_ + duration;
}

bool CoreCluster::RunUntil(Duration limit, const std::function<bool()>& done) {
  const Duration end = now_ + limit;
  while (!done()) {
    if (events_.empty() || events_.top().at > end) {
      now_ = end;
      return done();
    }
    Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.run();
    CheckAll();
  }
  return true;
}

void CoreCluster::RunFor(Duration duration) {
  RunUntil(duration, [] { return false; });
}

// ---- Network.

Duration CoreCluster::NetworkDelay() {
  if (options_.long_delay > 0 && Random(10000) < options_.long_delay * 10000) {
    return Duration(
        static_cast<int64_t>(Random(static_cast<uint64_t>(options_.lease_duration.count()))));
  }
  return options_.delay_min +
         Duration(static_cast<int64_t>(Random(static_cast<uint64_t>(options_.delay_max.count()))));
}

bool CoreCluster::Lost(int from, int to) {
  return cut_[from][to] || (loss_ > 0 && Random(10000) < loss_ * 10000);
}

void CoreCluster::Deliver(Message message) {
  ++counts_.messages;
  ++counts_.group_messages;
  const int from = IndexOf(message.from_store);
  const int to = IndexOf(message.to_store);
  if (Lost(from, to) || (drop && drop(message))) return;
  const int copies = options_.duplicate > 0 && Random(10000) < options_.duplicate * 10000 ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    AtProcess(to, NetworkDelay(), [this, to, message] {
      if (!nodes_[to].running || cut_[IndexOf(message.from_store)][to]) return;
      if (HandleStray(to, message)) return;
      nodes_[to].core->Step(Now(to), message);
      TakeReadies(to);
    });
  }
}

void CoreCluster::Cut(int from, int to) { cut_[from][to] = true; }
void CoreCluster::CutBoth(int a, int b) { cut_[a][b] = cut_[b][a] = true; }
void CoreCluster::Isolate(int replica) {
  for (int i = 0; i < stores(); ++i) {
    if (i != replica) CutBoth(i, replica);
  }
}
void CoreCluster::HealAll() {
  for (auto& row : cut_) std::fill(row.begin(), row.end(), false);
}

// ---- Processes and disks.

void CoreCluster::Start(int replica) {
  Node& node = nodes_[replica];
  node.log = std::make_unique<VectorLog>(node.durable_entries, node.durable_start);
  node.applied_configuration = node.durable_configuration;
  node.applied_highest = node.durable_highest;
  CoreOptions options;
  options.range = RangeId(7);
  options.self = node.replica;
  options.self_store = node.store;
  options.lease_duration = options_.lease_duration;
  options.election_delay_min = options_.lease_duration / 8;
  options.election_delay_max = options_.lease_duration / 2;
  options.retry_interval = options_.lease_duration / 10;
  options.max_append_bytes = options_.append_bytes_max;
  options.seed = Random(UINT64_MAX);
  options.mutants = options_.mutants;
  InitialState initial;
  initial.hard_state = node.durable;
  initial.configuration = node.durable_configuration;
  initial.applied = node.durable_start.index;
  node.core =
      std::make_unique<Core>(options, initial, node.log.get(), node.leases.get(), Now(replica));
  node.invariants = std::make_unique<CoreInvariants>(node.core.get(), &violations_);
  TakeReadies(replica);
}

void CoreCluster::Crash(int replica) {
  Node& node = nodes_[replica];
  if (!node.running) return;
  ++counts_.crashes;
  node.running = false;
  // Of what was being written any prefix may have reached the disk.
  const size_t written = Random(node.persisting.size() + 1);
  for (size_t i = 0; i < written; ++i) {
    const Persist& persist = node.persisting[i];
    if (persist.hard_state.has_value()) node.durable = *persist.hard_state;
    VectorLog::Continue(&node.durable_entries, node.durable_start, persist.entries);
  }
  node.persisting.clear();
  node.transfers.clear();
  node.sync_running = false;
  node.read_index_floor.clear();
  node.invariants.reset();
  node.core.reset();
  node.paused_until = Duration();
  ++node.life;
  node.wake_at = Instant::max();
}

void CoreCluster::Restart(int replica) {
  Node& node = nodes_[replica];
  if (node.running) return;
  node.running = true;
  node.leases->Restart(Now(replica));
  if (node.replica.IsSet()) Start(replica);
}

void CoreCluster::StallDisk(int replica, bool stalled) {
  nodes_[replica].disk_stalled = stalled;
  nodes_[replica].leases->SetDiskWorks(!stalled);
  if (!stalled) StartSync(replica);
}

void CoreCluster::StartSync(int replica) {
  Node& node = nodes_[replica];
  if (node.sync_running || node.disk_stalled || node.persisting.empty()) return;
  node.sync_running = true;
  const Duration time =
      Duration(static_cast<int64_t>(Random(static_cast<uint64_t>(options_.sync_max.count()) + 1)));
  AtProcess(replica, time, [this, replica, life = node.life] {
    if (nodes_[replica].life == life) FinishSync(replica);
  });
}

void CoreCluster::FinishSync(int replica) {
  Node& node = nodes_[replica];
  node.sync_running = false;
  const std::vector<Persist> done = std::exchange(node.persisting, {});
  for (const Persist& persist : done) {
    if (persist.hard_state.has_value()) node.durable = *persist.hard_state;
    VectorLog::Continue(&node.durable_entries, node.durable_start, persist.entries);
    for (const Message& message : persist.send_after) Deliver(message);
  }
  node.core->OnPersisted(Now(replica), done.back().sequence);
  TakeReadies(replica);
}

// ---- Effects of a core.

void CoreCluster::TakeReadies(int replica) {
  Node& node = nodes_[replica];
  node.invariants->Check();
  while (node.core->HasReady()) {
    Carry(replica, node.core->TakeReady());
    node.invariants->Check();
  }
  if (node.removed) return RemoveReplica(replica);
  StartSync(replica);
  ScheduleWake(replica);
}

void CoreCluster::Carry(int replica, Ready ready) {
  Node& node = nodes_[replica];
  node.invariants->CheckReady(ready);
  for (const Message& message : ready.send_now) Deliver(message);
  if (ready.persist_sequence != 0) {
    node.log->Append(ready.entries);
    node.persisting.push_back({ready.persist_sequence, ready.hard_state, ready.entries,
                               std::move(ready.send_after_persist)});
  } else if (!node.persisting.empty()) {
    auto& after = node.persisting.back().send_after;
    after.insert(after.end(), ready.send_after_persist.begin(), ready.send_after_persist.end());
  } else {
    for (const Message& message : ready.send_after_persist) Deliver(message);
  }
  for (const auto& event : ready.events) Observe(event, replica);
  Apply(replica, ready.committed);
  for (const ReplicaId to : ready.snapshots_wanted) SendSnapshot(replica, to);
  for (const ReadIndexResult& read : ready.reads) {
    const Index floor = node.read_index_floor[read.context];
    node.read_index_floor.erase(read.context);
    if (read.failed) continue;
    ++counts_.read_indexes;
    if (read.index < floor) Violation("[H-10] a read index misses an acknowledged write");
  }
}

void CoreCluster::Apply(int replica, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    const std::pair<Term, std::string> value{entry.term, std::string(entry.payload)};
    const auto [known, inserted] = committed_.emplace(entry.index, value);
    if (!inserted && known->second != value) {
      Violation(absl::StrCat("State Machine Safety: two entries at ", entry.index.value()));
    }
    const Term in = nodes_[replica].core->term();
    const auto [since, first] = committed_in_.emplace(entry.index, in);
    if (!first) since->second = std::min(since->second, in);
    Mix(entry.index.value() * 31 + entry.term.value());
    if (entry.type == EntryType::kConfig) ApplyConfiguration(replica, entry);
    const auto proposed = proposed_.find({entry.term, entry.index});
    if (proposed != proposed_.end() && proposed->second == replica) {
      ++counts_.acknowledged;
      acknowledged_ = std::max(acknowledged_, entry.index);
    }
  }
  if (!entries.empty()) nodes_[replica].core->OnApplied(entries.back().index);
}

void CoreCluster::Observe(const rasputin::consensus::Event& event, int replica) {
  Mix(static_cast<uint64_t>(event.type) * 1000003 + event.term.value() * 101 +
      static_cast<uint64_t>(replica));
  switch (event.type) {
    case EventType::kBecameLeader: {
      ++counts_.elections;
      const auto [known, inserted] = leaders_.emplace(event.term, event.replica);
      if (!inserted) {
        Violation(absl::StrCat("Election Safety: two leaders of term ", event.term.value()));
      }
      CheckLeaderIsComplete(replica, event.term);
      if (event.detail != 0) ++counts_.reelections;
      if (event.replica != last_leader_) ++counts_.leader_changes;
      last_leader_ = event.replica;
      break;
    }
    case EventType::kAbdicated:
      ++counts_.abdications;
      break;
    case EventType::kCampaignPulling:
      ++counts_.pulls;
      break;
    case EventType::kLogTruncated:
      ++counts_.truncations;
      break;
    case EventType::kReleased:
      ++counts_.releases;
      break;
    case EventType::kBindingEnded:
      ++counts_.bindings_ended;
      break;
    default:
      break;
  }
}

void CoreCluster::ScheduleWake(int replica) {
  Node& node = nodes_[replica];
  const Instant deadline = node.core->NextDeadline();
  if (deadline == Instant::max() || deadline == node.wake_at) return;
  node.wake_at = deadline;
  const Duration local = deadline - Now(replica).boot;
  const auto real =
      Duration(static_cast<int64_t>(static_cast<double>(std::max(local, Duration::zero()).count()) /
                                    node.rate)) +
      Duration(1000);
  AtProcess(replica, real, [this, replica, life = node.life, deadline] {
    Node& woken = nodes_[replica];
    if (woken.life != life || woken.core == nullptr || woken.wake_at != deadline) return;
    woken.wake_at = Instant::max();
    if (woken.core->NextDeadline() <= Now(replica).boot) woken.core->Tick(Now(replica));
    TakeReadies(replica);
  });
}

// ---- Store leases.

void CoreCluster::LeaseRound(int replica) {
  Node& node = nodes_[replica];
  AtProcess(replica, options_.lease_duration / 10, [this, replica] { LeaseRound(replica); });
  if (!node.running) return;
  if (node.leases->Advance(Now(replica)) && node.core != nullptr) {
    node.core->Tick(Now(replica));
    TakeReadies(replica);
  }
  for (int to = 0; to < stores(); ++to) {
    if (to != replica && !node.disk_stalled) SendLeaseRequest(replica, to);
  }
}

void CoreCluster::SendLeaseRequest(int from, int to) {
  ++counts_.messages;
  nodes_[from].leases->Advance(Now(from));
  const FakeLeaseRequest request = nodes_[from].leases->MakeRequest(StoreAt(to));
  if (Lost(from, to)) return;
  AtProcess(to, NetworkDelay(), [this, from, to, request, life = nodes_[from].life] {
    if (!nodes_[to].running || cut_[from][to]) return;
    bool wake = nodes_[to].leases->Advance(Now(to));
    const Epoch before = nodes_[to].leases->LowestAccepted(StoreAt(from));
    const FakeLeaseReply reply = nodes_[to].leases->Answer(StoreAt(from), request);
    wake = wake || nodes_[to].leases->LowestAccepted(StoreAt(from)) != before;
    if (wake && nodes_[to].core != nullptr) {
      nodes_[to].core->Tick(Now(to));
      TakeReadies(to);
    }
    if (Lost(to, from)) return;
    AtProcess(from, NetworkDelay(), [this, from, to, reply, life] {
      if (!nodes_[from].running || cut_[to][from] || nodes_[from].life != life) return;
      bool again = false;
      nodes_[from].leases->Advance(Now(from));
      const bool wake_holder = nodes_[from].leases->OnReply(StoreAt(to), reply, &again);
      if (wake_holder && nodes_[from].core != nullptr) {
        nodes_[from].core->Tick(Now(from));
        TakeReadies(from);
      }
      if (again) SendLeaseRequest(from, to);
    });
  });
}

// ---- Work.

int CoreCluster::Leader() const {
  int leader = -1;
  for (int i = 0; i < stores(); ++i) {
    if (!up(i) || !nodes_[i].core->MayServeRead(Now(i))) continue;
    if (leader >= 0) return -1;
    leader = i;
  }
  return leader;
}

bool CoreCluster::Propose(int replica) {
  if (!up(replica) || nodes_[replica].paused_until > now_) return false;
  std::string payload = absl::StrCat(next_payload_++);
  payload.resize(std::max(payload.size(), options_.payload_bytes), '.');
  const ProposeResult result = nodes_[replica].core->Propose(Now(replica), absl::Cord(payload));
  if (result.status == ProposeStatus::kAccepted) {
    proposed_[{result.term, result.index}] = replica;
  }
  TakeReadies(replica);
  return result.status == ProposeStatus::kAccepted;
}

bool CoreCluster::Transfer(int replica, int target) {
  if (!up(replica) || nodes_[replica].paused_until > now_) return false;
  if (!core(replica).TransferLeadership(Now(replica), nodes_[target].replica)) return false;
  TakeReadies(replica);
  return true;
}

void CoreCluster::AbdicateLeader(int replica) {
  if (!up(replica) || nodes_[replica].paused_until > now_) return;
  core(replica).Abdicate(Now(replica));
  TakeReadies(replica);
}

void CoreCluster::TryRead(int replica) {
  if (!up(replica) || nodes_[replica].paused_until > now_) return;
  Core& core = *nodes_[replica].core;
  if (core.MayServeRead(Now(replica)) && core.applied_index() >= core.commit_index()) {
    ++counts_.reads;
    if (core.applied_index() < acknowledged_) {
      Violation("[H-10] a lease read misses an acknowledged write");
    }
  }
  const uint64_t context = ++next_payload_;
  if (core.RequestReadIndex(Now(replica), context)) {
    nodes_[replica].read_index_floor[context] = acknowledged_;
    TakeReadies(replica);
  }
}

void CoreCluster::RandomStep(double fault_rate) {
  const auto n = static_cast<uint64_t>(stores());
  const auto pick = [this, n] { return static_cast<int>(Random(n)); };
  for (int i = 0; i < stores(); ++i) {
    if (Random(2) == 0) Propose(i);
    TryRead(i);
  }
  RunFor(milliseconds(1 + static_cast<int64_t>(Random(120))));
  if (Random(10000) >= fault_rate * 10000) return;
  const int a = pick();
  const int b = pick();
  switch (Random(20)) {
    case 0:
    case 1:
      Crash(a);
      break;
    case 2:
    case 3:
    case 4:
    case 5:
      Restart(a);
      break;
    case 6:
      if (a != b) Cut(a, b);
      break;
    case 7:
      if (a != b) CutBoth(a, b);
      break;
    case 8:
      Isolate(a);
      break;
    case 9:
    case 10:
    case 11:
      HealAll();
      break;
    case 12:
      if (up(a)) StallDisk(a, true);
      break;
    case 13:
    case 14:
      StallDisk(a, false);
      break;
    case 18:
    case 19:
      if (up(a)) Pause(a, milliseconds(Random(4000)));
      break;
    case 15:
    case 16:
      if (Transfer(a, b)) ++counts_.transfers;
      break;
    default:
      AbdicateLeader(a);
  }
}

void CoreCluster::Calm() {
  HealAll();
  loss_ = 0;
  for (int i = 0; i < stores(); ++i) {
    StallDisk(i, false);
    Restart(i);
  }
}

// ---- Checks.

void CoreCluster::CheckAll() {
  int serving = 0;
  for (int i = 0; i < stores(); ++i) {
    if (up(i) && nodes_[i].core->role() == Role::kLeader &&
        !nodes_[i].core->LeaseEnd().EndedForHolder(Now(i))) {
      ++serving;
    }
  }
  if (serving > 1) Violation("Lease Disjointness: two valid leader leases");
}

// Of every entry committed in an earlier term. (A candidate that was paused may yet win a term that
// is over, and lacks what later ones committed.)
void CoreCluster::CheckLeaderIsComplete(int replica, Term term) {
  const VectorLog& log = *nodes_[replica].log;
  for (const auto& [index, value] : committed_) {
    if (committed_in_.at(index) >= term || index <= log.Start().index) continue;
    if (index > log.Last().index || log.TermAt(index) != value.first) {
      return Violation(
          absl::StrCat("Leader Completeness: replica ", replica + 1, " lacks ", index.value()));
    }
  }
}

void CoreCluster::CheckLogs() {
  std::map<std::pair<Index, Term>, std::pair<Term, std::string>> seen;
  for (const Node& node : nodes_) {
    if (node.log == nullptr) continue;
    Term previous = node.log->Start().term;
    for (const Entry& entry : node.log->entries()) {
      const std::pair<Term, std::string> value{previous, std::string(entry.payload)};
      const auto [known, inserted] = seen.emplace(std::make_pair(entry.index, entry.term), value);
      if (!inserted && known->second != value) {
        Violation(absl::StrCat("Log Matching: at ", entry.index.value()));
      }
      previous = entry.term;
    }
  }
}

}  // namespace rasputin::consensus
