// A bench for tests: one StoreLeases (store 1) whose peers, disk and clocks are the test's hands.
//
// Effects are carried out by Pump(): updates go to a LeaseTable, messages to `sent`, and records
// become durable at once unless `disk_works` is false. Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_LEASE_LEASE_RIG_H_
#define RASPUTIN_CONSENSUS_LEASE_LEASE_RIG_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/lease/lease_table.h"
#include "consensus/lease/store_leases.h"

namespace rasputin::consensus::lease {

using std::chrono::milliseconds;

inline constexpr StoreId kSelf{1};
inline constexpr StoreId kPeer{2};
inline constexpr StoreId kOther{3};

class LeaseRig {
 public:
  explicit LeaseRig(Mutants mutants = Mutants(), const DurableLeases& recovered = {})
      : table(kSelf) {
    options.self = kSelf;
    options.mutants = mutants;
    now.boot = Instant(std::chrono::seconds(1000));
    now.raw = Instant(std::chrono::seconds(500));
    now.wall_us = int64_t{1700000000} * 1000000;
    leases = std::make_unique<StoreLeases>(options, recovered, now);
  }

  Duration D() const { return options.lease_duration; }
  Duration P() const { return PromiseDuration(options); }

  void SetPeers(const std::vector<StoreId>& peers) {
    leases->SetPeers(peers);
    leases->Tick(now);
    Pump();
  }

  // Lets time pass as a server would: ticks at every deadline.
  void Pass(Duration duration) {
    const Instant end = now.boot + duration;
    while (now.boot < end) {
      const Instant next = std::max(now.boot + milliseconds(1), leases->NextDeadline());
      Skip(std::min(next, end) - now.boot);
      leases->Tick(now);
      Pump();
    }
  }
  // Moves all clocks without an input.
  void Skip(Duration duration) {
    now.boot += duration;
    now.raw += duration;
    now.wall_us += std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  }

  void CompleteWrite() {
    leases->OnLogWriteCompleted(now, DualInstant::At(now));
    Pump();
  }

  void Pump() {
    for (;;) {
      LeaseEffects effects = leases->TakeEffects();
      for (const LeaseMessage& message : effects.send) sent.push_back(message);
      for (const LeaseUpdate& update : effects.updates) table.Apply(update);
      for (const Event& event : effects.events) events.push_back(event);
      if (effects.persist_sequence != 0) {
        waiting_sequence = effects.persist_sequence;
        for (const PairState& state : effects.persist) Record(state);
        if (effects.persist_counter.IsSet()) written.epoch_counter = effects.persist_counter;
      }
      probe_wanted = probe_wanted || effects.write_disk_probe;
      if (!disk_works || (waiting_sequence == 0 && !probe_wanted)) return;
      FinishWrites();
    }
  }
  // The disk answers for everything handed to it so far.
  void FinishWrites() {
    const uint64_t sequence = std::exchange(waiting_sequence, 0);
    probes += probe_wanted ? 1 : 0;
    probe_wanted = false;
    leases->OnLogWriteCompleted(now, DualInstant::At(now));
    if (sequence != 0) leases->OnPersisted(now, sequence);
  }

  // The store as it would come back after a crash now, with everything written so far durable.
  DurableLeases Recovered() const {
    DurableLeases durable = written;
    durable.was_member = true;
    return durable;
  }

  void Receive(StoreId from, SupportRequest request) { Deliver({from, kSelf, request}); }
  void Receive(StoreId from, SupportReply reply) { Deliver({from, kSelf, reply}); }

  // Requests (or replies) sent to `to` since the last call, in order.
  template <typename Body>
  std::vector<Body> Take(StoreId to) {
    std::vector<Body> bodies;
    std::vector<LeaseMessage> left;
    for (const LeaseMessage& message : sent) {
      const Body* body = std::get_if<Body>(&message.body);
      if (message.to == to && body != nullptr) {
        bodies.push_back(*body);
      } else {
        left.push_back(message);
      }
    }
    sent = std::move(left);
    return bodies;
  }

  // Answers the newest request to `from` in its favour; returns that request.
  SupportRequest Support(StoreId from) {
    const SupportRequest request = Take<SupportRequest>(from).back();
    Receive(from, SupportReply{request.epoch, request.round, true, request.epoch, NewNonce()});
    return request;
  }

  // `from` asks with `epoch`, hears our nonce and asks again; returns the second answer.
  SupportReply AskedTwice(StoreId from, Epoch epoch) {
    Receive(from, SupportRequest{epoch, Round(++round), Nonce()});
    const Nonce heard = Take<SupportReply>(from).back().nonce;
    Receive(from, SupportRequest{epoch, Round(++round), heard});
    const std::vector<SupportReply> replies = Take<SupportReply>(from);
    return replies.empty() ? SupportReply{} : replies.back();
  }

  bool Holds(StoreId peer) const { return !table.SupportFrom(peer).until.EndedForHolder(now); }
  Nonce NewNonce() { return Nonce(++nonce); }
  int Count(EventType type) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(),
                                          [type](const Event& e) { return e.type == type; }));
  }

  LeaseOptions options;
  ClockReading now;
  std::unique_ptr<StoreLeases> leases;
  LeaseTable table;
  bool disk_works = true;
  uint64_t waiting_sequence = 0;
  bool probe_wanted = false;
  int probes = 0;
  DurableLeases written;
  std::vector<LeaseMessage> sent;
  std::vector<Event> events;
  uint64_t nonce = 1000;
  uint64_t round = 0;

 private:
  void Deliver(const LeaseMessage& message) {
    leases->Step(now, message);
    Pump();
  }

  void Record(const PairState& state) {
    for (PairState& known : written.pairs) {
      if (known.peer == state.peer) {
        known = state;
        return;
      }
    }
    written.pairs.push_back(state);
  }
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_LEASE_RIG_H_
