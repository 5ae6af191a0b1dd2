// The front end: takes any client's call at any node and brings it to the ranges concerned.
//
// Validates, resolves names and keys, serves from the local store or forwards to the leader's,
// heals stale routes within the call's deadline, turns outcomes into gRPC's terms, carries out the
// calls of operators, and keeps the directory up to date for the ranges that this store leads
// . Not responsible for sockets, encoding of peer frames, nor for what operations mean (kv/,
// range/).
//
// A deterministic function of its inputs: time comes as an argument, randomness from a seed,
// effects leave through ports. Not thread-safe: runs under the lock of the shard it belongs to.
// After any inputs, and after each turn of the store, Run() must be called.

#ifndef RASPUTIN_SERVER_FRONT_FRONT_END_H_
#define RASPUTIN_SERVER_FRONT_FRONT_END_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "client/route/retry_policy.h"
#include "consensus/core/mutants.h"
#include "kv/limits.h"
#include "range/load/merge_decider.h"
#include "range/placement/snapshot.h"
#include "server/front/fair_queue.h"
#include "server/front/ports.h"

namespace rasputin::server {

// What a store does about the ranges that it leads without being asked; see autopilot.h.
struct AutopilotOptions {
  bool enabled = false;
  // From one look at the ranges to the next.
  Duration period = std::chrono::seconds(1);
  // Splits and merges under way at a time; 0: none.
  uint32_t splits_max = 4;
  uint32_t merges_max = 1;
  // See range::ReviewOptions. So many ranges take about half a millisecond of a turn.
  size_t ranges_max = 64;
  size_t quiet_max = 32;
  range::MergeRules merge_rules;
};

// Of the disk that the store is on, in bytes; 0: not known.
struct DiskSpace {
  uint64_t capacity_bytes = 0;
  uint64_t available_bytes = 0;
};

struct FrontOptions {
  uint64_t seed = 1;
  kv::Limits limits;
  client::RetryOptions retry;
  // Calls without a deadline, or with a later one, end after this long.
  Duration call_duration_max = std::chrono::seconds(60);
  // A call is answered this long before its deadline, or a tenth of its time if that is less: at
  // the deadline gRPC cuts it off, and the client would not learn what became of it. Some round
  // trips.
  Duration answer_reserve_max = std::chrono::milliseconds(50);
  // How long a peer may be silent before a request that may be repeated is sent elsewhere.
  Duration attempt_wait = std::chrono::seconds(1);
  // How long GetStatus waits for each other store and for the meta range.
  Duration status_wait = std::chrono::seconds(1);
  // How often the list of stores is read again; zero: never, then nothing of store_watch.h happens.
  Duration stores_period{};
  // How often the feed of changes of the directory is read; zero: never, then nothing of
  // directory_follower.h happens.
  Duration directory_period{};
  // How others reach this node: written to the meta range if it says otherwise.
  type::v1::StoreDescriptor own_store;
  AutopilotOptions autopilot;
  // What clients' requests may take of this store; see admission.h.
  FairOptions fair;
  // Requests to a collection, and bytes of them, that wait here to be tried again after they were
  // refused for overload; beyond it refusals are answered at once.
  uint64_t parked_requests_max = 512;
  uint64_t parked_bytes_max = 16 << 20;
  consensus::Mutants mutants;  // Test builds only.
  // What an earlier process of the store read last; may be empty.
  storage::v1::StoreBook book;
  // While this store leads the meta range, it moves replicas and leaderships by itself; see
  // placement_controller.h.
  bool placement = false;
  range::PlacementRules placement_rules;
  // May be empty. Must not block.
  std::function<DiskSpace()> disk_space;
};

struct FrontPorts {
  StorePort* store = nullptr;
  PeerPort* peers = nullptr;
  StoresPort* stores = nullptr;        // May be null.
  DecisionsPort* decisions = nullptr;  // May be null.
};

using CallId = uint64_t;

struct FrontCounters {
  uint64_t calls_started = 0;
  uint64_t calls_done = 0;
  uint64_t served_locally = 0;  // Requests submitted to the local store.
  uint64_t forwarded = 0;       // Requests sent to another store.
  uint64_t relayed = 0;         // Requests of other front ends sent on.
  uint64_t retries = 0;
  uint64_t stale_routes = 0;  // Answers that corrected a descriptor.
  uint64_t directory_reads = 0;
  uint64_t moves_done = 0;  // By the placement controller.
  uint64_t moves_failed = 0;
  std::array<uint64_t, kFairLimits> refused{};  // By FairLimit, at this store.
  uint64_t expired = 0;  // Their deadline passed while they waited at this store.
};

// What the store has of requests of clients.
struct FrontLoad {
  uint64_t waiting_requests = 0;
  uint64_t held_requests = 0;  // Waiting or under way.
  uint64_t held_bytes = 0;
};

class FrontEnd {
 public:
  FrontEnd(const FrontOptions& options, const FrontPorts& ports);
  ~FrontEnd();  // Drops calls unanswered; the store must not answer any more.

  // ---- Clients.
  // Takes a call. Done comes from Run(), never from here.
  CallId Start(const ClockReading& now, ClientCall call);
  // The completion is ready for the next page.
  void Resume(const ClockReading& now, CallId call);
  // The client has gone: its completion is not called any more. What was submitted may still
  // happen.
  void Cancel(CallId call);

  // ---- Peers.
  void OnForward(const ClockReading& now, StoreId from, ForwardRequest request);
  void OnForwardReply(const ClockReading& now, StoreId from, ForwardReply reply);
  // The connection to a store broke: requests sent to it that were not answered may or may not have
  // arrived, and no reply to them will come. `not_sent`: ids of those that certainly have not.
  void OnPeerBroken(const ClockReading& now, StoreId peer,
                    const std::vector<uint64_t>& not_sent = {});

  // ---- The local store's observer; may be called within its turn.
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads);
  void OnLeader(RangeId range, StoreId leader);
  void OnRemoved(RangeId range);

  // A store was met that is not known here, or a connection ended: the list of stores is read soon.
  void LookForStores();

  // A turn of the store begins: Run gives it a bounded amount of clients' work.
  void BeginTurn();
  // Does everything that is due: answers, retries, timeouts. Submits to the store and sends to
  // peers.
  void Run(const ClockReading& now);
  // Earliest instant at which Run has something to do without further input; may be in the past.
  Instant NextDeadline() const;
  // Requests wait for nothing but the next turn, which is due at once.
  bool HeldBack() const;

  const FrontCounters& counters() const;
  FrontLoad load() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_FRONT_END_H_
