// Implementation of lease_model.h: an event queue in real time and a few faulty parts.
//
// Thread-safety: see the header.

#include "consensus/lease/lease_model.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <utility>
#include <vector>

#include "consensus/lease/lease_table.h"
#include "consensus/lease/store_leases.h"

namespace rasputin::consensus::lease {
namespace {

using RealTime = int64_t;  // Nanoseconds; what no store can read.

constexpr RealTime kD = 400'000'000;
constexpr RealTime kFaultyTime = 14 * kD;
constexpr RealTime kLongest = 1'000'000 * kD;
constexpr RealTime kNever = -kLongest;

}  // namespace

class LeaseModel::Impl {
 public:
  explicit Impl(const LeaseModelOptions& options) : options_(options), random_(options.seed) {}

  LeaseModelResult Run();

 private:
  // A clock: its reading is a linear function of real time, with steps where a machine slept.
  struct Clock {
    double rate = 1;
    RealTime offset = 0;
    RealTime At(RealTime t) const { return offset + static_cast<RealTime>(rate * t); }
  };

  struct Write {
    std::vector<PairState> pairs;
    Epoch counter;
    uint64_t sequence = 0;
  };

  struct Node {
    StoreId id;
    Clock boot, raw;
    std::unique_ptr<StoreLeases> leases;  // Null: crashed.
    std::unique_ptr<LeaseTable> table;
    std::deque<LeaseUpdate> lagging;  // Not yet applied to the table.
    uint64_t life = 0;                // Grows at each crash; events of former lives are void.
    RealTime frozen_until = 0;        // The process is paused.
    uint64_t wake_generation = 0;
    // The disk.
    std::map<StoreId, PairState> durable;
    Epoch durable_counter;
    std::deque<Write> queued;
    std::optional<Write> writing;
    DualInstant write_started;
    RealTime stalled_until = 0;
    // Of this life, in real time; kNever: no write yet.
    RealTime real_write_begun = kNever;
    RealTime last_write_begun = kNever;
    RealTime last_write_done = kNever;
    bool was_member = false;
  };

  struct Event {
    RealTime at;
    uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  // A seeded generator of its own (splitmix64): the same numbers everywhere.
  uint64_t Draw() {
    uint64_t x = random_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  bool Chance(double p) { return static_cast<double>(Draw() >> 11) < p * 9007199254740992.0; }
  RealTime Between(RealTime low, RealTime high) {  // Both included.
    return low + static_cast<RealTime>(Draw() % static_cast<uint64_t>(high - low + 1));
  }
  size_t AnyStore() { return static_cast<size_t>(Between(0, options_.stores - 1)); }

  ClockReading Read(const Node& node) const;
  void At(RealTime at, std::function<void()> run) { events_.push({at, ++order_, std::move(run)}); }
  // Runs `run` in the node's process, then carries out what follows: after its pause, and never if
  // it crashed meanwhile.
  void InProcess(Node* node, RealTime at, std::function<void()> run);
  void Start(Node* node);
  void Crash(Node* node);
  void Pump(Node* node);
  void ApplyUpdates(Node* node, size_t count);
  void ScheduleWake(Node* node);
  void BeginWrite(Node* node);
  void FinishWrite(Node* node);
  void Deliver(const LeaseMessage& message, RealTime sent);
  void InjectFault();
  void WithdrawByOperator();
  void Freeze();
  void Check();
  void CheckGrant(const Node& grantor, const consensus::Event& event);
  void CheckEnd();
  // The longest real time that a clock within the bound takes for `duration`.
  RealTime Longest(RealTime duration) const {
    return static_cast<RealTime>(static_cast<double>(duration) / (1 - rate_error_max_)) + 1;
  }
  bool Counts(const Node& holder, const Node& grantor, Epoch* epoch) const;
  void Violation(const std::string& what, const Node& holder, const Node& grantor, Epoch epoch);
  void RunUntil(RealTime end);
  LeaseOptions Options(const Node& node) const;

  const LeaseModelOptions options_;
  uint64_t random_;
  RealTime now_ = 0;
  uint64_t order_ = 0;
  std::priority_queue<Event> events_;
  std::vector<Node> nodes_;
  double rate_error_max_ = 0.01;
  bool faults_ = true;
  std::set<std::pair<size_t, size_t>> cut_;                   // Ordered pairs.
  std::map<std::pair<StoreId, StoreId>, Epoch> ever_lowest_;  // (grantor, holder): acted upon.
  std::map<std::pair<StoreId, StoreId>, RealTime> heard_;     // (hearer, speaker): newest sending.
  LeaseModelResult result_;
};

ClockReading LeaseModel::Impl::Read(const Node& node) const {
  ClockReading reading;
  reading.boot = Instant(Duration(node.boot.At(now_)));
  reading.raw = Instant(Duration(node.raw.At(now_)));
  reading.wall_us = now_ / 1000;
  return reading;
}

LeaseOptions LeaseModel::Impl::Options(const Node& node) const {
  LeaseOptions options;
  options.self = node.id;
  options.lease_duration = Duration(kD);
  options.clock_rate_error_max = rate_error_max_;
  options.seed = options_.seed * 101 + node.id.value();
  options.mutants = options_.mutants;
  return options;
}

void LeaseModel::Impl::InProcess(Node* node, RealTime at, std::function<void()> run) {
  const uint64_t life = node->life;
  At(at, [this, node, life, run = std::move(run)] {
    if (node->life != life || node->leases == nullptr) return;
    if (now_ < node->frozen_until) {
      InProcess(node, node->frozen_until, run);
      return;
    }
    run();
    Pump(node);
  });
}

void LeaseModel::Impl::Start(Node* node) {
  DurableLeases durable;
  durable.epoch_counter = node->durable_counter;
  durable.was_member = node->was_member;
  for (const auto& [peer, state] : node->durable) durable.pairs.push_back(state);
  node->was_member = true;
  node->leases = std::make_unique<StoreLeases>(Options(*node), durable, Read(*node));
  node->table = std::make_unique<LeaseTable>(node->id);
  node->lagging.clear();
  node->last_write_begun = node->last_write_done = kNever;
  std::vector<StoreId> peers;
  for (const Node& other : nodes_) peers.push_back(other.id);
  node->leases->SetPeers(peers);
  Pump(node);
}

void LeaseModel::Impl::Crash(Node* node) {
  if (node->leases == nullptr) return;
  ++result_.crashes;
  // A write under way may have reached the disk without anybody being told.
  if (node->writing.has_value() && Chance(0.5)) {
    for (const PairState& state : node->writing->pairs) node->durable[state.peer] = state;
    if (node->writing->counter.IsSet()) node->durable_counter = node->writing->counter;
  }
  node->writing.reset();
  node->queued.clear();
  node->leases.reset();
  ++node->life;
  const uint64_t life = node->life;
  At(std::max(now_ + Between(0, 3 * kD), node->frozen_until), [this, node, life] {
    if (node->life == life && node->leases == nullptr) Start(node);
  });
}

void LeaseModel::Impl::Pump(Node* node) {
  LeaseEffects effects = node->leases->TakeEffects();
  for (LeaseMessage& message : effects.send) {
    const int copies = faults_ && Chance(0.1) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (faults_ && Chance(0.1)) continue;
      RealTime delay = Between(0, kD / 100);
      if (faults_ && Chance(0.1)) delay = Between(0, 3 * kD);
      At(now_ + delay, [this, message, sent = now_] { Deliver(message, sent); });
    }
  }
  for (const consensus::Event& event : effects.events) {
    if (event.type == EventType::kSupportWithdrawn) ++result_.withdrawals;
    if (event.type == EventType::kLeasesSuspended) ++result_.suspensions;
    if (event.type == EventType::kDiskStalled) ++result_.disk_stalls;
    if (event.type == EventType::kSupportGranted) CheckGrant(*node, event);
  }
  for (LeaseUpdate& update : effects.updates) node->lagging.push_back(update);
  const size_t lag = faults_ && Chance(0.2) ? node->lagging.size() / 2 : 0;
  ApplyUpdates(node, node->lagging.size() - lag);
  if (effects.persist_sequence != 0) {
    node->queued.push_back({effects.persist, effects.persist_counter, effects.persist_sequence});
  }
  if (effects.write_disk_probe) node->queued.push_back({});
  BeginWrite(node);
  ScheduleWake(node);
}

void LeaseModel::Impl::ApplyUpdates(Node* node, size_t count) {
  for (; count > 0; --count) {
    const LeaseUpdate& update = node->lagging.front();
    node->table->Apply(update);
    Epoch& lowest = ever_lowest_[{node->id, update.peer}];
    lowest = std::max(lowest, update.lowest_accepted);
    node->lagging.pop_front();
  }
}

void LeaseModel::Impl::ScheduleWake(Node* node) {
  const Instant deadline = node->leases->NextDeadline();
  if (deadline == Instant::max()) return;
  const RealTime left = deadline.time_since_epoch().count() - node->boot.At(now_);
  RealTime late = Between(1, kD / 200);
  if (faults_ && Chance(0.02)) late = Between(0, kD);
  const uint64_t generation = ++node->wake_generation;
  At(now_ + std::max<RealTime>(left, 0) + late, [this, node, generation] {
    if (node->wake_generation != generation) return;  // Something else woke it meanwhile.
    InProcess(node, now_, [this, node] { node->leases->Tick(Read(*node)); });
  });
}

void LeaseModel::Impl::BeginWrite(Node* node) {
  if (node->writing.has_value() || node->queued.empty()) return;
  node->writing = std::move(node->queued.front());
  node->queued.pop_front();
  node->write_started = DualInstant::At(Read(*node));
  node->real_write_begun = now_;
  const RealTime done = now_ + Between(1, kD / 200);
  InProcess(node, std::max(done, node->stalled_until), [this, node] { FinishWrite(node); });
}

void LeaseModel::Impl::FinishWrite(Node* node) {
  if (now_ < node->stalled_until) {
    InProcess(node, node->stalled_until, [this, node] { FinishWrite(node); });
    return;
  }
  const Write done = *node->writing;
  node->writing.reset();
  for (const PairState& state : done.pairs) node->durable[state.peer] = state;
  if (done.counter.IsSet()) node->durable_counter = done.counter;
  node->last_write_begun = node->real_write_begun;
  node->last_write_done = now_;
  node->leases->OnLogWriteCompleted(Read(*node), node->write_started);
  if (done.sequence != 0) node->leases->OnPersisted(Read(*node), done.sequence);
}

void LeaseModel::Impl::Deliver(const LeaseMessage& message, RealTime sent) {
  if (cut_.count({message.from.value() - 1, message.to.value() - 1}) != 0) return;
  Node* to = &nodes_[message.to.value() - 1];
  InProcess(to, now_, [this, to, message, sent] {
    RealTime& heard = heard_.emplace(std::make_pair(to->id, message.from), kNever).first->second;
    heard = std::max(heard, sent);
    to->leases->Step(Read(*to), message);
  });
}

void LeaseModel::Impl::InjectFault() {
  if (!faults_) return;
  Node* node = &nodes_[AnyStore()];
  const std::pair<size_t, size_t> link{AnyStore(), AnyStore()};
  switch (Between(0, 6)) {
    case 0:
      if (Chance(0.4)) Crash(node);
      break;
    case 1:
      node->stalled_until = now_ + Between(0, 3 * kD);
      break;
    case 2:
      node->frozen_until = now_ + Between(0, 2 * kD);
      break;
    case 3: {
      // The machine sleeps: MONOTONIC_RAW stands still, BOOTTIME does not.
      const RealTime sleep = Between(0, 2 * kD);
      node->frozen_until = now_ + sleep;
      At(now_ + sleep, [node, sleep] {
        node->raw.offset -= static_cast<RealTime>(node->raw.rate * static_cast<double>(sleep));
      });
      break;
    }
    case 4:
    case 5:
      cut_.insert(link);
      break;
    default:
      cut_.erase(link);
      if (Chance(0.3)) cut_.clear();
  }
  At(now_ + Between(0, kD / 2), [this] { InjectFault(); });
}

// A store that is known to be dead must still be so when the others carry the command out.
void LeaseModel::Impl::WithdrawByOperator() {
  if (!faults_) return;
  const Node* victim = &nodes_[AnyStore()];
  const bool errs = options_.way_out == LeaseModelOptions::Operator::kWithdrawsFromAnybody;
  if (errs || victim->leases == nullptr) {
    for (Node& node : nodes_) {
      if (node.id == victim->id) continue;
      InProcess(&node, now_, [this, &node, victim, life = victim->life, errs] {
        if (!errs && (victim->leases != nullptr || victim->life != life)) return;
        const Withdrawal done = node.leases->Withdraw(Read(node), victim->id);
        result_.withdrawn_early += done == Withdrawal::kBegun;
      });
    }
  }
  At(now_ + Between(0, kD / 4), [this] { WithdrawByOperator(); });
}

bool LeaseModel::Impl::Counts(const Node& holder, const Node& grantor, Epoch* epoch) const {
  if (holder.table == nullptr || holder.leases == nullptr) return false;
  const Support support = holder.table->SupportFrom(grantor.id);
  *epoch = support.epoch;
  return support.epoch.IsSet() && !support.until.EndedForHolder(Read(holder));
}

void LeaseModel::Impl::Violation(const std::string& what, const Node& holder, const Node& grantor,
                                 Epoch epoch) {
  if (!result_.violation.empty()) return;
  result_.violation =
      "seed " + std::to_string(options_.seed) + ", " + std::to_string(now_ / 1000000) +
      " ms: store " + std::to_string(holder.id.value()) + " and grantor " +
      std::to_string(grantor.id.value()) + ", epoch " + std::to_string(epoch.value()) + ": " + what;
}

void LeaseModel::Impl::Check() {
  for (const Node& holder : nodes_) {
    // A machine that sleeps reads no clock and serves nothing.
    if (now_ < holder.frozen_until || holder.leases == nullptr) continue;
    if (holder.table->MayVote(Read(holder)) && now_ - holder.last_write_done > Longest(kD / 2)) {
      Violation("may vote with a disk that does not work [S-7]", holder, holder, Epoch());
    }
    for (const Node& grantor : nodes_) {
      Epoch epoch;
      if (&holder == &grantor || !Counts(holder, grantor, &epoch)) continue;
      ++result_.checks_supported;
      const auto lowest = ever_lowest_.find({grantor.id, holder.id});
      if (lowest != ever_lowest_.end() && lowest->second > epoch) {
        Violation("counted on after its withdrawal", holder, grantor, epoch);
      }
      if (now_ - holder.last_write_begun > Longest(kD)) {
        Violation("holds a lease that its disk did not pay for [S-3]", holder, grantor, epoch);
      }
      if (holder.table->OwnEpoch(grantor.id) != epoch) {
        Violation("supported at another epoch than groups bind to", holder, grantor, epoch);
      }
    }
  }
}

void LeaseModel::Impl::CheckGrant(const Node& grantor, const consensus::Event& event) {
  const Node& holder = nodes_[event.peer_store.value() - 1];
  const auto heard = heard_.find({holder.id, grantor.id});
  if (heard == heard_.end() || now_ - heard->second > Longest(4 * kD)) {
    Violation("granted to a store that does not hear the grantor [S-2]", holder, grantor,
              event.epoch);
  }
  if (now_ - grantor.last_write_done > Longest(kD / 2)) {
    Violation("granted with a disk that does not work [S-7]", holder, grantor, event.epoch);
  }
}

// From here on nothing new fails; what has failed ends by itself, but some links stay cut.
void LeaseModel::Impl::Freeze() {
  faults_ = false;
  std::set<std::pair<size_t, size_t>> kept;
  for (const auto& link : cut_) {
    if (Chance(0.5)) kept.insert(link);
  }
  cut_ = kept;
}

void LeaseModel::Impl::CheckEnd() {
  for (const Node& holder : nodes_) {
    for (const Node& grantor : nodes_) {
      if (&holder == &grantor) continue;
      const size_t h = holder.id.value() - 1;
      const size_t g = grantor.id.value() - 1;
      const bool two_way = cut_.count({h, g}) == 0 && cut_.count({g, h}) == 0;
      Epoch epoch;
      const bool counts = Counts(holder, grantor, &epoch);
      if (two_way && !counts) Violation("no support over a two-way link", holder, grantor, epoch);
      if (!two_way && counts) Violation("support over a one-way link", holder, grantor, epoch);
      const bool accepted = grantor.table->LowestAccepted(holder.id) <= epoch;
      if (two_way && !accepted) Violation("refuses what it supports", holder, grantor, epoch);
    }
    if (!holder.table->MayVote(Read(holder))) {
      Violation("may not vote with a disk that works", holder, holder, Epoch());
    }
  }
}

void LeaseModel::Impl::RunUntil(RealTime end) {
  while (!events_.empty() && events_.top().at <= end && result_.violation.empty()) {
    const Event event = events_.top();
    events_.pop();
    now_ = std::max(now_, event.at);
    event.run();
    ++result_.events;
    Check();
  }
  now_ = std::max(now_, end);
}

LeaseModelResult LeaseModel::Impl::Run() {
  rate_error_max_ = Chance(0.5) ? 0.01 : 0.05;
  nodes_.resize(static_cast<size_t>(options_.stores));
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    node.id = StoreId(i + 1);
    for (Clock* clock : {&node.boot, &node.raw}) {
      clock->rate = 1 + (Between(0, 2) - 1) * rate_error_max_;  // Right, or at the bound.
      clock->offset = Between(kD, kLongest);
    }
  }
  for (Node& node : nodes_) Start(&node);
  At(0, [this] { InjectFault(); });
  if (options_.way_out != LeaseModelOptions::Operator::kNone) {
    At(0, [this] { WithdrawByOperator(); });
  }
  RunUntil(kFaultyTime);
  if (!result_.violation.empty()) return result_;
  Freeze();
  // Messages, stalls and crashes of before last up to 3 D, pauses 2 D, and then a restart waits P.
  RunUntil(now_ + 7 * kD);
  for (int i = 0; i < 20 && result_.violation.empty(); ++i) {
    CheckEnd();
    RunUntil(now_ + kD / 10);
  }
  return result_;
}

LeaseModel::LeaseModel(const LeaseModelOptions& options) : impl_(std::make_unique<Impl>(options)) {}
LeaseModel::~LeaseModel() = default;
LeaseModelResult LeaseModel::Run() { return impl_->Run(); }

}  // namespace rasputin::consensus::lease
