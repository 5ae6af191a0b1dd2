// One core with its log, hand-set store leases and a clock, for tests that play its peers by hand.
//
// Persists at once unless told not to. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_LONE_CORE_H_
#define RASPUTIN_CONSENSUS_CORE_LONE_CORE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "consensus/core/core.h"
#include "consensus/core/core_invariants.h"
#include "consensus/core/vector_log.h"

namespace rasputin::consensus {

constexpr Duration kD = std::chrono::seconds(2);

class ManualLeases : public LeaseView {
 public:
  Support SupportFrom(StoreId peer) const override {
    const auto found = support.find(peer);
    return found == support.end() || suspended ? Support{} : found->second;
  }
  Support HeldSupportFrom(StoreId peer) const override {
    const auto found = support.find(peer);
    return found == support.end() ? Support{} : found->second;
  }
  Epoch OwnEpoch(StoreId peer) const override {
    const auto found = own_epoch.find(peer);
    return found == own_epoch.end() ? Epoch() : found->second;
  }
  Epoch LowestAccepted(StoreId store) const override {
    const auto found = lowest.find(store);
    return found == lowest.end() ? Epoch(1) : found->second;
  }
  bool MayVote(const ClockReading&) const override { return may_vote; }

  std::map<StoreId, Support> support;
  std::map<StoreId, Epoch> own_epoch;
  std::map<StoreId, Epoch> lowest;
  bool may_vote = true;
  bool suspended = false;
};

// Replica 1 on store 101 of a group of `replicas` replicas on stores 101, 102, ...
class LoneCore {
 public:
  explicit LoneCore(Mutants mutants = Mutants(), int replicas = 3) {
    options.range = RangeId(7);
    options.self = ReplicaId(1);
    options.self_store = StoreId(101);
    options.lease_duration = kD;
    options.mutants = mutants;
    for (int i = 1; i <= replicas; ++i) {
      const auto n = static_cast<uint64_t>(i);
      initial.configuration.voters.push_back({ReplicaId(n), StoreId(100 + n)});
    }
    leases.support[StoreId(101)] = {Epoch(1), {Instant::max(), Instant::max()}};
    now.boot = now.raw = Instant(std::chrono::seconds(1000));
  }

  // Replaces the log before the start: one entry per term given.
  void SetLog(const std::vector<uint64_t>& terms) {
    std::vector<Entry> entries;
    for (const uint64_t term : terms) {
      Entry entry;
      entry.term = Term(term);
      entry.index = Index(entries.size() + 1);
      entry.payload = absl::Cord(std::to_string(term));
      entries.push_back(entry);
    }
    log = std::make_unique<VectorLog>(entries);
  }

  void Start() {
    if (log == nullptr) log = std::make_unique<VectorLog>();
    core = std::make_unique<Core>(options, initial, log.get(), &leases, now);
    invariants = std::make_unique<CoreInvariants>(core.get(), &violations);
    Settle();
  }

  void Advance(Duration d) {
    now.boot += d;
    now.raw += d;
    core->Tick(now);
    Settle();
  }
  void AdvanceToDeadline() { Advance(std::max(Duration::zero(), core->NextDeadline() - now.boot)); }

  void Step(uint64_t from, uint64_t term, MessageBody body) {
    Message m;
    m.range = options.range;
    m.from = ReplicaId(from);
    m.to = options.self;
    m.from_store = StoreId(100 + from);
    m.to_store = options.self_store;
    m.term = Term(term);
    m.body = std::move(body);
    core->Step(now, m);
    Settle();
  }

  // Carries out Readys; what is persisted is reported at once unless `hold_persist`.
  void Settle() {
    invariants->Check();
    while (core->HasReady()) {
      Ready ready = core->TakeReady();
      invariants->CheckReady(ready);
      for (Message& m : ready.send_now) sent.push_back(std::move(m));
      if (ready.hard_state) durable = *ready.hard_state;
      log->Append(ready.entries);
      for (auto& event : ready.events) events.push_back(event);
      for (auto& read : ready.reads) reads.push_back(read);
      for (const ReplicaId id : ready.snapshots_wanted) wanted.push_back(id.value());
      if (ready.persist_sequence != 0) sequence = ready.persist_sequence;
      if (hold_persist && sequence != persisted) {
        for (Message& m : ready.send_after_persist) held.push_back(std::move(m));
      } else {
        for (Message& m : ready.send_after_persist) sent.push_back(std::move(m));
        if (ready.persist_sequence != 0) {
          persisted = sequence;
          core->OnPersisted(now, sequence);
        }
      }
      for (const Entry& entry : ready.committed) committed.push_back(entry);
      if (apply && !ready.committed.empty()) core->OnApplied(ready.committed.back().index);
      invariants->Check();
    }
  }
  void FinishPersist() {
    persisted = sequence;
    for (Message& m : held) sent.push_back(std::move(m));
    held.clear();
    core->OnPersisted(now, sequence);
    Settle();
  }

  // The last message of this type sent to `to`, nullptr: none since the last Clear().
  template <typename T>
  const T* Last(uint64_t to) const {
    for (auto m = sent.rbegin(); m != sent.rend(); ++m) {
      if (m->to == ReplicaId(to) && std::holds_alternative<T>(m->body))
        return &std::get<T>(m->body);
    }
    return nullptr;
  }
  bool Saw(EventType type) const {
    for (const Event& event : events) {
      if (event.type == type) return true;
    }
    return false;
  }
  void Clear() {
    sent.clear();
    events.clear();
    reads.clear();
    committed.clear();
    wanted.clear();
  }

  // ---- Shorthands of peers.
  void SupportFromPeer(uint64_t peer, uint64_t epoch, Duration left = kD) {
    leases.support[StoreId(100 + peer)] = {Epoch(epoch), {now.boot + left, now.raw + left}};
    leases.own_epoch[StoreId(100 + peer)] = Epoch(epoch);
  }
  static AppendRequest Append(LogPosition previous, const std::vector<uint64_t>& terms,
                              uint64_t commit = 0, uint64_t epoch = 1) {
    AppendRequest request;
    request.previous = previous;
    for (const uint64_t term : terms) {
      Entry entry;
      entry.term = Term(term);
      entry.index = previous.index.Plus(request.entries.size() + 1);
      entry.payload = absl::Cord(std::to_string(term));
      request.entries.push_back(entry);
    }
    request.commit = Index(commit);
    request.epoch = Epoch(epoch);
    request.read_context = 1;
    return request;
  }
  // A voter's request to this core, with a fresh nonce.
  bool AskVote(uint64_t from, uint64_t term, LogPosition last) {
    Step(from, 0, ProbeRequest{99, last});
    const ProbeReply* probe = Last<ProbeReply>(from);
    VoteRequest request;
    request.last = last;
    request.nonce = probe->nonce;
    Step(from, term, request);
    return Last<VoteReply>(from)->granted;
  }
  // Probes, collects ok and votes from `peers`, and leads.
  void Elect(const std::vector<uint64_t>& peers = {2, 3}) {
    while (core->role() != Role::kProbing) AdvanceToDeadline();
    const ProbeRequest probe = *Last<ProbeRequest>(peers[0]);
    for (const uint64_t peer : peers) {
      ProbeReply reply;
      reply.attempt = probe.attempt;
      reply.status = ProbeStatus::kOk;
      reply.nonce = Nonce(peer);
      Step(peer, 0, reply);
    }
    for (const uint64_t peer : peers) Step(peer, core->term().value(), VoteReply{true});
  }
  // The answer to the last append sent to `from`, durable and bound.
  void Acknowledge(uint64_t from, uint64_t epoch = 1) {
    const AppendRequest* request = Last<AppendRequest>(from);
    AppendReply reply;
    reply.accepted = true;
    reply.match = request->previous.index.Plus(request->entries.size());
    reply.bound_epoch = Epoch(epoch);
    reply.read_context = request->read_context;
    Step(from, core->term().value(), reply);
  }

  CoreOptions options;
  InitialState initial;
  ManualLeases leases;
  ClockReading now;
  std::unique_ptr<VectorLog> log;
  std::unique_ptr<Core> core;
  std::unique_ptr<CoreInvariants> invariants;
  std::vector<std::string> violations;
  std::vector<Message> sent;
  std::vector<Message> held;
  std::vector<Event> events;
  std::vector<ReadIndexResult> reads;
  std::vector<Entry> committed;
  std::vector<uint64_t> wanted;  // Ready::snapshots_wanted.
  HardState durable;
  uint64_t sequence = 0;
  uint64_t persisted = 0;
  bool hold_persist = false;
  bool apply = true;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_LONE_CORE_H_
