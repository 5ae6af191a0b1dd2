// The executor, log writer, lease thread and faults of one simulated machine; see node.h.

#include "tests/sim/node.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::sim {
namespace {

using consensus::ClockReading;
using consensus::log::CrashKind;
using consensus::log::DiskOperation;

// A timer never fires sooner than this: even a deadline in the past costs time.
constexpr RealTime kTimerGrain = 20 * kMicrosecond;
// How often the log writer looks for space on a full disk, as in the server.
constexpr RealTime kSpaceRetryInterval = kSecond;
// That the compaction which follows a flush reads a damaged block.
constexpr double kCompactionChance = 0.1;

}  // namespace

struct Node::Waiter final : range::Completion {
  Reply reply;

  void Done(range::Response response) override {
    CHECK(reply != nullptr) << "a request was answered twice";
    Reply once = std::move(reply);
    reply = nullptr;
    once(std::move(response));
  }
};

Node::Node(const NodeOptions& options, Scheduler* scheduler, const Random& random,
           NodeListener* listener)
    : options_(options),
      scheduler_(scheduler),
      random_(random),
      listener_(listener),
      clock_(options.clock) {
  options_.store.seed = random_.Next();
  directory_.SetHook([this](DiskOperation operation, const std::string&) {
    if (operation == DiskOperation::kSync && fail_unfinished_sync_) {
      return absl::InternalError("simulated: the process ended before the sync did");
    }
    // What a checker reads is not the process's doing.
    if (!running_ || fail_next_ != operation) return absl::OkStatus();
    fail_next_.reset();
    disk_failed_ = true;
    ++counters_.disk_errors;
    return absl::InternalError("simulated: the disk failed");
  });
}

Node::~Node() = default;

absl::Status Node::Bootstrap(const storage::v1::StoreManifest& manifest) {
  return range::Store::Bootstrap(&directory_, manifest);
}

consensus::log::LogOptions Node::LogOptions() const {
  consensus::log::LogOptions options;
  options.store = range::StoreId(static_cast<uint64_t>(options_.number) + 1);
  options.segment_bytes = options_.store.log_segment_bytes;
  options.reserve_bytes = options_.store.log_reserve_bytes;
  options.mutants = options_.store.mutants;
  return options;
}

void Node::Retire() {
  CHECK(!alive());
  retired_ = true;
}

void Node::Start() {
  CHECK(!alive());
  if (retired_) return;
  if (options_.before_start != nullptr) options_.before_start(options_.number);
  ++incarnation_;
  ++counters_.starts;
  CountTornTail();
  listener_->OnProcessStarted(options_.number);
  range::Ports ports;
  ports.directory = &directory_;
  ports.engine = &engine_;
  ports.transport = this;
  ports.observer = this;
  ports.clock = this;
  running_ = true;
  disk_failed_ = false;
  absl::StatusOr<std::unique_ptr<range::Store>> opened =
      range::Store::Open(options_.store, ports, Now());
  running_ = false;
  if (!opened.ok()) {
    // On a full disk it may refuse to start.
    const bool made = disk_failed_ || (disk_full_ && absl::IsResourceExhausted(opened.status())) ||
                      (absl::IsDataLoss(opened.status()) && Damaged());
    failed_at_start_ = true;
    listener_->OnProcessFailed(options_.number, opened.status(), made);
    return;
  }
  failed_at_start_ = false;
  store_ = std::move(*opened);
  if (options_.front_end) OpenFrontDesk();
  RequestTurn();
  RequestLeaseTurn();
}

void Node::OpenFrontDesk() {
  FrontDesk::Hooks hooks;
  hooks.forward = [this](int to, server::ForwardRequest request) {
    listener_->SendForward(options_.number, to, std::move(request));
  };
  hooks.reply = [this](int to, server::ForwardReply reply) {
    listener_->SendForwardReply(options_.number, to, std::move(reply));
  };
  hooks.watch = [this](int peer) { WatchConnection(peer); };
  hooks.decided = [this](const type::v1::Decision& decision) {
    listener_->OnDecision(options_.number, decision);
  };
  hooks.listed = [this](storage::v1::StoreBook book) {
    if (!new_book_.has_value()) {
      Schedule(options_.speed.flush_mean, "book", &Node::WriteBook);
    }
    new_book_ = std::move(book);
  };
  server::FrontOptions front = options_.front;
  front.seed = random_.Next();
  front.mutants = options_.store.mutants;
  front.book = book_;
  front_desk_ = std::make_unique<FrontDesk>(store_.get(), front, std::move(hooks));
  front_seen_ = {};
  for (const range::ReplicaStatus& replica : ListReplicas()) {
    front_desk_->OnDescriptor(replica.descriptor, false);
  }
}

// By a thread of its own, some time later: a process that ends before takes it with it.
void Node::WriteBook() {
  book_ = *std::move(new_book_);
  new_book_.reset();
}

void Node::TellOfBackPressure() {
  if (front_desk_ == nullptr) return;
  const server::FrontCounters& counters = front_desk_->counters();
  uint64_t refused = 0;
  for (size_t i = 0; i < counters.refused.size(); ++i) {
    refused += counters.refused[i] - front_seen_.refused[i];
  }
  front_seen_ = counters;
  listener_->OnBackPressure(refused, front_desk_->HeldBack());
}

// A connection over which an answer does not come for a second or two is broken.
void Node::WatchConnection(int peer) {
  const uint64_t incarnation = incarnation_;
  for (const RealTime delay : {kSecond, 2 * kSecond}) {
    scheduler_->After(delay, "watch", static_cast<uint64_t>(options_.number),
                      [this, incarnation, peer] {
                        if (incarnation != incarnation_ || !alive()) return;
                        if (front_desk_->CheckConnection(peer)) RequestTurn();
                      });
  }
}

void Node::CountTornTail() {
  if (counters_.starts == 1) return;
  std::unique_ptr<consensus::log::MemoryDirectory> copy = directory_.Clone();
  consensus::log::Recovered recovered;
  auto log = consensus::log::SharedLog::Open(LogOptions(), copy.get(), &recovered);
  if (log.ok() && recovered.torn_tail_bytes > 0) ++counters_.torn_tails;
}

void Node::Kill(KillKind kind) {
  if (!alive()) return;
  ++counters_.kills;
  LeaveWriteUnfinished();
  CrashKind crash = CrashKind::kProcess;
  if (kind == KillKind::kPowerLoss) {
    ++counters_.power_losses;
    constexpr CrashKind kKinds[] = {CrashKind::kLoseAll, CrashKind::kAnySectors, CrashKind::kPrefix,
                                    CrashKind::kPrefix};
    crash = kKinds[random_.Below(4)];
    clock_.Reboot(scheduler_->now(), random_.Between(1, 100) * kSecond);
  }
  End(crash);
}

void Node::End(CrashKind crash) {
  ++incarnation_;
  ended_counters_ = store_counters();
  front_desk_.reset();
  new_book_.reset();
  waiters_.clear();
  changes_.clear();
  store_.reset();
  write_.reset();
  directory_.Crash(crash, random_.Next());
  engine_.Crash();
  engine_failed_ = false;
  messages_.clear();
  lease_updates_.clear();
  durable_ = consensus::log::Lsn();
  requests_.clear();
  transfers_.clear();
  lease_messages_.clear();
  completed_writes_.clear();
  new_peers_.reset();
  shutdown_requested_ = turn_requested_ = lease_turn_requested_ = write_due_ = flushing_ = false;
  shard_timer_ = lease_timer_ = 0;
  paused_until_ = 0;
  waiting_.clear();
  clock_.Wake(scheduler_->now());
  stale_now_.reset();
  hangs_since_.reset();
  turn_waits_ = false;
  kill_at_next_write_.reset();
  listener_->OnProcessEnded(options_.number);
}

// The write that is under way did not begin, was written and not synced, or was synced without
// anybody hearing of it.
void Node::LeaveWriteUnfinished() {
  if (write_ == nullptr) return;
  ++counters_.kills_during_write;
  const uint64_t how = random_.Below(5);
  if (how == 0) return;
  fail_unfinished_sync_ = how <= 3;
  (void)store_->log()->Execute(write_.get());
  fail_unfinished_sync_ = false;
}

void Node::Pause(RealTime length, bool suspend) {
  if (!alive() || paused()) return;
  ++counters_.pauses;
  if (random_.Chance(0.5)) stale_now_ = Now();
  paused_until_ = scheduler_->now() + length;
  if (suspend) clock_.Suspend(scheduler_->now(), length);
  const uint64_t incarnation = incarnation_;
  scheduler_->At(paused_until_, "resume", static_cast<uint64_t>(options_.number),
                 [this, incarnation] {
                   if (incarnation == incarnation_) Resume();
                 });
}

void Node::Resume() {
  clock_.Wake(scheduler_->now());
  paused_until_ = 0;
  const std::vector<Waiting> waiting = std::move(waiting_);
  waiting_.clear();
  for (const Waiting& event : waiting) Schedule(0, event.label, event.action);
}

// In the middle of a turn, after it has read its clock, or before it begins.
void Node::HangShard(RealTime length) {
  if (!alive() || paused() || shard_hangs()) return;
  if (random_.Chance(0.5)) stale_now_ = Now();
  hangs_since_ = Now().boot;
  RequestTurn();
  const uint64_t incarnation = incarnation_;
  const uint64_t hang = ++hang_;
  scheduler_->After(length, "shard goes on", static_cast<uint64_t>(options_.number),
                    [this, incarnation, hang] {
                      if (incarnation == incarnation_ && hang == hang_) ReleaseShard();
                    });
}

void Node::ReleaseShard() {
  hangs_since_.reset();
  if (!turn_waits_) return;
  turn_waits_ = false;
  Schedule(0, "turn", &Node::Turn);
}

void Node::StallDisk(bool stalled) {
  disk_stalled_ = stalled;
  if (stalled || !write_due_) return;
  write_due_ = false;
  Schedule(options_.speed.sync_min, "write", &Node::CompleteWrite);
}

void Node::FillDisk(bool full) {
  disk_full_ = full;
  directory_.SetCapacity(full ? 0 : uint64_t{1} << 40);
  if (!full) engine_.SetOutOfSpace(false);
}

void Node::StallEngine(bool stalled) {
  if (!alive()) return;
  if (stalled) ++counters_.engine_stalls;
  engine_.FailWrites(stalled ? absl::ResourceExhaustedError("simulated: the engine stalls")
                             : absl::OkStatus());
}

void Node::FailEngine() {
  if (!alive()) return;
  engine_failed_ = true;
  ++counters_.engine_failures;
  engine_.FailWrites(absl::InternalError("simulated: the engine's disk failed"));
}

void Node::Schedule(RealTime delay, const char* label, void (Node::*action)()) {
  const uint64_t incarnation = incarnation_;
  scheduler_->After(
      delay, label, static_cast<uint64_t>(options_.number),
      [this, incarnation, label, action] { RunWhenAwake(incarnation, label, action); });
}

void Node::RunWhenAwake(uint64_t incarnation, const char* label, void (Node::*action)()) {
  if (incarnation != incarnation_ || !alive()) return;
  if (paused()) {
    waiting_.push_back({label, action});
    return;
  }
  running_ = true;
  (this->*action)();
  running_ = false;
}

void Node::RequestTurn() {
  if (turn_requested_) return;
  turn_requested_ = true;
  Schedule(random_.ExponentialNs(options_.speed.turn_delay_mean), "turn", &Node::Turn);
}

void Node::SubmitPending(const ClockReading& now) {
  std::vector<range::Request> requests = std::move(requests_);
  requests_.clear();
  for (range::Request& request : requests) store_->Submit(now, std::move(request));
}

void Node::ChangePending(const ClockReading& now) {
  std::vector<PendingChange> changes = std::move(changes_);
  changes_.clear();
  for (PendingChange& change : changes) {
    const uint64_t id = next_waiter_++;
    auto waiter = std::make_unique<Waiter>();
    waiter->reply = std::move(change.reply);
    const absl::Status status =
        store_->ChangeReplicas(now, change.range, change.generation, change.change, waiter.get());
    if (status.ok()) waiters_.emplace(id, std::move(waiter));
  }
}

void Node::Turn() {
  if (shard_hangs()) {
    turn_waits_ = true;
    return;
  }
  turn_requested_ = false;
  ++counters_.turns;
  ClockReading now = Now();
  if (stale_now_.has_value()) {
    now = *stale_now_;
    stale_now_.reset();
    SubmitPending(now);
    RequestTurn();
  } else {
    store_->OnLeaseUpdates(now, std::move(lease_updates_));
    lease_updates_.clear();
    if (durable_.IsSet()) store_->OnLogDurable(now, durable_);
    store_->Step(now, std::move(messages_));
    messages_.clear();
    for (const auto& [range, target] : transfers_) {
      (void)store_->TransferLease(now, range, target);  // Refused if it does not lead any more.
    }
    transfers_.clear();
    ChangePending(now);
    if (shutdown_requested_) store_->BeginShutdown(now);
    shutdown_requested_ = false;
    SubmitPending(now);
  }
  if (front_desk_ != nullptr) {
    front_desk_->TakeInputs(now);
    front_desk_->Run(now);
  }
  const absl::Status status = store_->RunTurn(now);
  if (front_desk_ != nullptr && status.ok()) front_desk_->Run(now);
  TellOfBackPressure();
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    it = it->second->reply == nullptr ? waiters_.erase(it) : std::next(it);
  }
  if (!status.ok()) {
    Fail(status);
    return;
  }
  if (const auto peers = store_->TakeLeasePeers()) {
    new_peers_ = *peers;
    RequestLeaseTurn();
  }
  StartWrite();
  StartFlush();
  ArmTimers();
}

void Node::RequestLeaseTurn() {
  if (lease_turn_requested_) return;
  lease_turn_requested_ = true;
  Schedule(random_.ExponentialNs(options_.speed.lease_delay_mean), "lease", &Node::LeaseTurn);
}

void Node::LeaseTurn() {
  lease_turn_requested_ = false;
  const ClockReading now = Now();
  store_->SetLeaseShardBusySince(hangs_since_);
  for (const CompletedWrite& write : completed_writes_) {
    store_->LeaseLogDurable(now, write.started, write.durable);
  }
  completed_writes_.clear();
  if (new_peers_.has_value()) store_->SetLeasePeers(*new_peers_);
  new_peers_.reset();
  for (const consensus::lease::LeaseMessage& message : lease_messages_) {
    store_->LeaseStep(now, message);
  }
  lease_messages_.clear();
  store_->LeaseTick(now);
  range::Store::LeaseOutput output = store_->TakeLeaseOutput();
  for (const consensus::lease::LeaseMessage& message : output.send) {
    listener_->SendLeaseMessage(options_.number, static_cast<int>(message.to.value()) - 1, message);
  }
  for (const consensus::Event& event : output.events) OnEvent(event);
  if (!output.updates.empty()) {
    lease_updates_.insert(lease_updates_.end(), output.updates.begin(), output.updates.end());
    RequestTurn();
  }
  StartWrite();
  ArmTimers();
}

void Node::ArmTimers() {
  const RealTime soonest = scheduler_->now() + kTimerGrain;
  consensus::Instant due = store_->NextDeadline();
  if (front_desk_ != nullptr) due = std::min(due, front_desk_->NextDeadline());
  const RealTime shard = std::max(clock_.RealAt(due), soonest);
  if (shard_timer_ == 0 || shard < shard_timer_) {
    shard_timer_ = shard;
    Schedule(shard - scheduler_->now(), "timer", &Node::ShardTimer);
  }
  const RealTime lease = std::max(clock_.RealAt(store_->NextLeaseDeadline()), soonest);
  if (lease_timer_ == 0 || lease < lease_timer_) {
    lease_timer_ = lease;
    Schedule(lease - scheduler_->now(), "lease timer", &Node::LeaseTimer);
  }
}

// A timer that was overtaken by an earlier one fires too, and finds nothing due.
void Node::ShardTimer() {
  if (shard_timer_ == 0 || scheduler_->now() < shard_timer_) return;
  shard_timer_ = 0;
  RequestTurn();
}

void Node::LeaseTimer() {
  if (lease_timer_ == 0 || scheduler_->now() < lease_timer_) return;
  lease_timer_ = 0;
  RequestLeaseTurn();
}

void Node::StartWrite() {
  if (write_ != nullptr || !store_->log()->HasPending()) return;
  write_started_ = consensus::DualInstant::At(Now());
  write_ = store_->log()->TakeWrite();
  if (write_ == nullptr) return;
  const MachineSpeed& speed = options_.speed;
  RealTime delay = speed.sync_min + random_.ExponentialNs(speed.sync_mean_extra);
  if (random_.Chance(speed.sync_tail_chance)) delay += random_.ExponentialNs(speed.sync_tail_mean);
  Schedule(delay, "write", &Node::CompleteWrite);
  if (kill_at_next_write_.has_value()) {
    Schedule(random_.Between(0, delay - 1), "kill", &Node::KillDuringWrite);
  }
}

void Node::KillDuringWrite() {
  if (!kill_at_next_write_.has_value()) return;
  const KillKind kind = *kill_at_next_write_;
  kill_at_next_write_.reset();
  Kill(kind);
}

void Node::CompleteWrite() {
  if (disk_stalled_) {
    write_due_ = true;
    return;
  }
  ++counters_.syncs;
  const absl::Status status = store_->log()->Execute(write_.get());
  if (absl::IsResourceExhausted(status)) {
    ++counters_.looks_for_space;
    Schedule(kSpaceRetryInterval, "write", &Node::CompleteWrite);
    return;
  }
  if (!status.ok()) {
    Fail(status);
    return;
  }
  if (store_->log()->OutOfSpace()) Schedule(kSpaceRetryInterval, "space", &Node::LookForSpace);
  durable_ = store_->log()->FinishWrite(std::move(write_));
  completed_writes_.push_back({write_started_, durable_});
  RequestTurn();
  RequestLeaseTurn();
  StartWrite();
}

// As the log writer does while it has nothing to write.
void Node::LookForSpace() {
  if (write_ != nullptr || !store_->log()->OutOfSpace()) return;
  ++counters_.looks_for_space;
  const absl::Status status = store_->log()->CheckSpace();
  if (!status.ok()) {
    Fail(status);
    return;
  }
  Schedule(kSpaceRetryInterval, "space", &Node::LookForSpace);
}

void Node::StartFlush() {
  if (flushing_ || !engine_.FlushUnderWay()) return;
  flushing_ = true;
  Schedule(random_.ExponentialNs(options_.speed.flush_mean), "flush", &Node::CompleteFlush);
}

void Node::CompleteFlush() {
  if (disk_full_) {
    engine_.SetOutOfSpace(true);
    Schedule(kSpaceRetryInterval, "flush", &Node::CompleteFlush);
    return;
  }
  flushing_ = false;
  ++counters_.flushes;
  engine_.CompleteFlush();
  // Now and then compactions follow, which read everything.
  if (engine_.DamagedRows() > 0 && random_.Chance(kCompactionChance)) {
    engine_.FailWrites(absl::DataLossError("simulated: a compaction met a damaged block"));
  }
  RequestTurn();
}

// What a failed sync leaves unsynced may be lost although the machine goes on.
void Node::Fail(const absl::Status& status) {
  ++counters_.kills;
  const bool made = disk_failed_ || engine_failed_ || (absl::IsDataLoss(status) && Damaged());
  End(random_.Chance(0.5) ? CrashKind::kProcess : CrashKind::kAnySectors);
  listener_->OnProcessFailed(options_.number, status, made);
}

void Node::FailWith(const absl::Status& status) {
  if (alive()) Fail(status);
}

void Node::DeliverGroupMessages(std::vector<consensus::Message> messages) {
  if (!alive()) return;
  std::move(messages.begin(), messages.end(), std::back_inserter(messages_));
  RequestTurn();
}

void Node::DeliverLeaseMessage(const consensus::lease::LeaseMessage& message) {
  if (!alive()) return;
  lease_messages_.push_back(message);
  RequestLeaseTurn();
}

void Node::Submit(range::Request request, RealTime time_left, Reply reply) {
  if (!alive()) return;
  const uint64_t id = next_waiter_++;
  auto waiter = std::make_unique<Waiter>();
  waiter->reply = std::move(reply);
  request.completion = waiter.get();
  request.deadline = Now().boot + consensus::Duration(time_left);
  waiters_.emplace(id, std::move(waiter));
  requests_.push_back(std::move(request));
  RequestTurn();
}

void Node::Call(server::Method method, absl::Cord request, RealTime time_left,
                FrontDesk::Answered answered) {
  if (!alive()) return;
  front_desk_->Call(method, std::move(request), Now().boot + consensus::Duration(time_left),
                    std::move(answered));
  RequestTurn();
}

void Node::DeliverForward(int from, server::ForwardRequest request) {
  if (!alive()) return;
  front_desk_->OnForward(from, std::move(request));
  RequestTurn();
}

void Node::DeliverForwardReply(int from, server::ForwardReply reply) {
  if (!alive()) return;
  front_desk_->OnForwardReply(from, std::move(reply));
  RequestTurn();
}

void Node::BreakConnection(int peer) {
  if (front_desk_ == nullptr) return;
  front_desk_->OnPeerBroken(peer);
  RequestTurn();
}

void Node::TransferLease(range::RangeId range, range::StoreId target) {
  if (!alive()) return;
  transfers_.emplace_back(range, target);
  RequestTurn();
}

void Node::ChangeReplicas(range::RangeId range, range::Generation generation,
                          const range::ReplicaChange& change, Reply reply) {
  if (!alive()) return;
  changes_.push_back({range, generation, change, std::move(reply)});
  RequestTurn();
}

range::StoreCounters Node::store_counters() const {
  range::StoreCounters sum = ended_counters_;
  if (store_ == nullptr) return sum;
  const range::StoreCounters own = store_->counters();
  sum.snapshots_begun += own.snapshots_begun;
  sum.snapshots_sent += own.snapshots_sent;
  sum.snapshot_bytes_sent += own.snapshot_bytes_sent;
  sum.snapshots_installed += own.snapshots_installed;
  sum.replicas_removed += own.replicas_removed;
  return sum;
}

void Node::BeginShutdown() {
  if (!alive()) return;
  shutdown_requested_ = true;
  RequestTurn();
}

std::vector<range::ReplicaStatus> Node::ListReplicas() const {
  if (!alive()) return {};
  return store_->ListReplicas(clock_.At(scheduler_->now()));
}

void Node::Send(range::StoreId to, std::vector<consensus::Message> messages) {
  listener_->SendGroupMessages(options_.number, static_cast<int>(to.value()) - 1,
                               std::move(messages));
}

void Node::OnEvent(const consensus::Event& event) { listener_->OnEvent(options_.number, event); }

void Node::OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
  listener_->OnDescriptor(options_.number, descriptor, leads);
  if (front_desk_ != nullptr) front_desk_->OnDescriptor(descriptor, leads);
}

void Node::OnLeader(range::RangeId range, range::StoreId leader) {
  if (front_desk_ != nullptr) front_desk_->OnLeader(range, leader);
}

void Node::OnRemoved(range::RangeId range) {
  listener_->OnRemoved(options_.number, range);
  if (front_desk_ != nullptr) front_desk_->OnRemoved(range);
}

void Node::OnApplied(range::RangeId range, consensus::Index index, consensus::Term term,
                     const absl::Cord& command) {
  listener_->OnApplied(options_.number, range, index, term, command);
}

}  // namespace rasputin::sim
