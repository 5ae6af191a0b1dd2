// In which order requests of clients reach the store, and how many may wait: fair between
// collections, and between the ranges of a collection.
//
// Deficit round robin on two levels (collections, then *lanes*: the reads, and the writes, of one
// range) by estimated cost, set right by what a request turned out to cost; what a collection owes
// falls while it is away as if it were there. Turns and lanes have a bounded cost; what is held
// (waiting or under way) is bounded for each range, collection and node. Pure: time comes as an
// argument. Not responsible for what requests are (admission.h). Not thread-safe.
//
// Invariants: a lane keeps its order; a collection that owes nothing waits for at most one quantum,
// and the request that exceeds it, of each other one; a full collection (node) refuses who holds
// the most; nobody owes anything when nothing is held.

#ifndef RASPUTIN_SERVER_FRONT_FAIR_QUEUE_H_
#define RASPUTIN_SERVER_FRONT_FAIR_QUEUE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "consensus/core/types.h"
#include "server/front/heaviest.h"

namespace rasputin::server {

// Defaults are those of the flags, where there is one.
struct FairOptions {
  // Requests, and bytes of them, that are held: waiting or under way.
  uint64_t range_requests_max = 4096;
  uint64_t range_bytes_max = 32 << 20;
  uint64_t collection_requests_max = 8192;
  uint64_t collection_bytes_max = 64 << 20;
  uint64_t node_requests_max = 16384;
  uint64_t node_bytes_max = 256 << 20;
  // A request whose lane needs longer than this for what waits before it is refused. Below
  // FrontOptions::attempt_wait: or else other front ends would take the store for silent.
  consensus::Duration wait_max = std::chrono::milliseconds(500);
  // In units of cost, of which one is about what a read of a small value takes a core: 15 us where
  // it was measured. A turn gives out that much, and then at most one request more.
  int64_t turn_cost = 64;
  int64_t lane_cost_max = 512;  // Under way.
  // A lane may always have so many under way: large values wait for each other's sync otherwise.
  uint64_t lane_requests_min = 4;
  int64_t quantum = 16;  // What a round of the round robin adds.
};

// Whose bound a refusal is.
enum class FairLimit : uint8_t {
  kRangeRequests = 1,
  kRangeBytes = 2,
  kCollectionRequests = 3,
  kCollectionBytes = 4,
  kNodeRequests = 5,
  kNodeBytes = 6,
  kWait = 7,
};
inline constexpr int kFairLimits = 8;  // Above every value.

struct FairItem {
  uint64_t id = 0;  // The caller's.
  uint64_t collection = 0;
  uint64_t range = 0;
  bool writes = false;
  int64_t cost = 1;  // At least 1.
  uint64_t bytes = 0;
  consensus::Instant deadline = consensus::Instant::max();
};

struct FairRefusal {
  FairLimit limit = FairLimit::kRangeRequests;
  uint64_t limit_value = 0;           // Requests, bytes or milliseconds.
  consensus::Duration retry_after{};  // By how fast the lane drains.
};

class FairQueue {
 public:
  // Between these is every advice to retry.
  static constexpr consensus::Duration kAdviceMin = std::chrono::milliseconds(10);
  static constexpr consensus::Duration kAdviceMax = std::chrono::seconds(1);

  explicit FairQueue(const FairOptions& options) : options_(options) {}

  // nullopt: the item waits. Otherwise it is refused and forgotten. `evicted` receives waiting
  // items that are refused instead of it, and forgotten: the newest of whoever holds the most.
  struct Evicted {
    uint64_t id = 0;
    FairRefusal refusal;
  };
  std::optional<FairRefusal> Push(consensus::Instant now, const FairItem& item,
                                  std::vector<Evicted>* evicted);
  // A new turn: its cost may be given out.
  void BeginTurn() { turn_left_ = options_.turn_cost; }
  // The next item to be executed, which is under way until Done; nullopt: none in this turn as
  // things stand. An item whose deadline has passed comes as well and costs nothing: it must not be
  // executed, and is not under way.
  struct Popped {
    FairItem item;
    bool expired = false;
  };
  std::optional<Popped> Pop(consensus::Instant now);
  // An item that was under way has ended; `cost` is what it has turned out to be.
  void Done(const FairItem& item, int64_t cost);

  // Pop would return something.
  bool Ready() const { return turn_left_ > 0 && !active_.empty(); }
  // Something waits only for the next turn.
  bool HeldBack() const { return turn_left_ <= 0 && !active_.empty(); }

  uint64_t waiting() const { return waiting_; }
  uint64_t held_requests() const { return held_.requests; }
  uint64_t held_bytes() const { return held_.bytes; }
  size_t lanes() const;
  // That hold something, or owe something.
  size_t collections() const { return tenants_.size(); }

 private:
  struct Held {
    uint64_t requests = 0;
    uint64_t bytes = 0;
    void Add(const FairItem& item);
    void Remove(const FairItem& item);
  };
  // Reads before writes, so that (2 * range + writes) orders lanes by range.
  using LaneKey = uint64_t;
  struct Lane {
    std::deque<FairItem> waiting;
    Held held;
    int64_t waiting_cost = 0;
    int64_t cost_under_way = 0;
    uint64_t under_way = 0;
    int64_t deficit = 0;
    bool active = false;   // In its tenant's round: something waits and may leave.
    bool visited = false;  // First in the round, and has been given its quantum.
    // How fast it drains: cost a second, since it last began to wait; 0: not known yet. Measured
    // from when the first one left.
    std::optional<consensus::Instant> measured_from;
    int64_t drained = 0;
    double first_rate = 0;
    double drain_rate = 0;
  };
  struct Tenant {
    std::map<LaneKey, Lane> lanes;  // Those that hold something.
    std::deque<LaneKey> round;
    Held held;
    int64_t deficit = 0;  // Kept while it owes something.
    // While it is not active: the virtual time at which that was its deficit.
    int64_t as_of = 0;
    bool active = false;
    bool visited = false;
    Heaviest by_requests;  // Its ranges; built while it is full.
    Heaviest by_bytes;
  };
  // A bound that a newcomer would break.
  struct Breach {
    FairLimit limit = FairLimit::kRangeRequests;
    uint64_t limit_value = 0;
    bool of_bytes = false;
  };

  static LaneKey KeyOf(const FairItem& item) { return 2 * item.range + (item.writes ? 1 : 0); }
  static Held HeldByRange(const Tenant& tenant, uint64_t range);
  static std::optional<Breach> BreachOf(const Held& held, const FairItem& item, FairLimit requests,
                                        uint64_t requests_max, FairLimit bytes, uint64_t bytes_max);
  bool MayLeave(const Lane& lane) const;
  void Activate(uint64_t collection, Tenant* tenant, LaneKey key, Lane* lane);
  static void Measure(consensus::Instant now, int64_t cost, Lane* lane);
  // Takes the front of the round's first lane out of the queue.
  Popped Take(consensus::Instant now, uint64_t collection, Tenant* tenant);
  std::optional<FairRefusal> RefuseByRange(consensus::Instant now, const FairItem& item) const;
  // Evicts for the newcomer until the collection, and the node, have room; or refuses it.
  std::optional<FairRefusal> MakeRoom(const FairItem& item, std::vector<Evicted>* evicted);
  // Drops the newest waiting item of the range that holds the most of `tenant`. False: that is
  // `newcomer`, a range, or nothing of it waits.
  bool EvictFrom(Tenant* tenant, uint64_t newcomer, const Breach& breach,
                 std::vector<Evicted>* evicted);
  static Heaviest::Entry HeaviestRange(Tenant* tenant, bool of_bytes);
  Tenant* HeaviestTenant(bool of_bytes);
  // Keeps what is built up to date: the item's range, and collection, hold more.
  void Raise(const FairItem& item, Tenant* tenant);
  FairRefusal Refuse(const Breach& breach, const Lane* lane) const;
  static consensus::Duration ExpectedWait(const Lane& lane);
  // Gives the first of the round what it may spend in its visit.
  void Credit(int64_t cost, Tenant* tenant);
  // The visit of the first of the round is over, which leaves `unspent` of its credit behind.
  void EndVisit(int64_t unspent);
  // Brings the deficit of a tenant that is not active up to this virtual time.
  void Age(Tenant* tenant) const;
  static int64_t PaidAt(const Tenant& tenant) { return tenant.as_of - tenant.deficit; }
  void ForgetIfIdle(uint64_t collection, Tenant* tenant, LaneKey key);
  // The tenant itself, or only its debt, if it holds nothing.
  void ForgetTenantIfIdle(uint64_t collection, Tenant* tenant);

  const FairOptions options_;
  std::map<uint64_t, Tenant> tenants_;  // By collection.
  std::deque<uint64_t> active_;         // Round of tenants of which something may leave.
  // Collections that hold nothing and owe something, by when they owe nothing any more.
  std::set<std::pair<int64_t, uint64_t>> debtors_;
  // What each collection in the round has spent, on average: start-time fair queueing's clock.
  int64_t virtual_time_ = 0;
  int64_t spent_ = 0;     // Not in it yet: less than one for each.
  int64_t credited_ = 0;  // In the visit that is under way.
  int64_t turn_left_ = 0;
  uint64_t waiting_ = 0;
  Held held_;
  Heaviest by_requests_;  // Collections; built while the node is full.
  Heaviest by_bytes_;
};

// What a request is thought to cost before it is executed: `bytes` of the request, or what earlier
// answers of its kind had.
int64_t CostOfRead(uint64_t answer_bytes);
int64_t CostOfWrite(uint64_t request_bytes);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_FAIR_QUEUE_H_
