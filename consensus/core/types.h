// Strong types of the consensus layer: ids, terms, indexes and instants that cannot be mixed up.
//
// Not responsible for encoding (consensus/wire, consensus/log) nor for reading clocks (server).
// Everything here is a value: copyable, comparable, hashable, thread-compatible.

#ifndef RASPUTIN_CONSENSUS_CORE_TYPES_H_
#define RASPUTIN_CONSENSUS_CORE_TYPES_H_

#include <chrono>
#include <cstdint>
#include <ostream>
#include <utility>

namespace rasputin::consensus {

// A 64-bit number that belongs to exactly one domain. Zero means "none" in every domain.
template <typename Tag>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(uint64_t value) : value_(value) {}

  constexpr uint64_t value() const { return value_; }
  constexpr bool IsSet() const { return value_ != 0; }
  constexpr StrongId Next() const { return StrongId(value_ + 1); }
  constexpr StrongId Previous() const { return StrongId(value_ - 1); }  // Caller: value() > 0.
  constexpr StrongId Plus(uint64_t n) const { return StrongId(value_ + n); }

  friend constexpr bool operator==(StrongId a, StrongId b) { return a.value_ == b.value_; }
  friend constexpr bool operator!=(StrongId a, StrongId b) { return a.value_ != b.value_; }
  friend constexpr bool operator<(StrongId a, StrongId b) { return a.value_ < b.value_; }
  friend constexpr bool operator<=(StrongId a, StrongId b) { return a.value_ <= b.value_; }
  friend constexpr bool operator>(StrongId a, StrongId b) { return a.value_ > b.value_; }
  friend constexpr bool operator>=(StrongId a, StrongId b) { return a.value_ >= b.value_; }
  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, StrongId id) { return os << id.value_; }

 private:
  uint64_t value_ = 0;
};

using ClusterId = StrongId<struct ClusterIdTag>;
using StoreId = StrongId<struct StoreIdTag>;        // One storage directory of one node.
using RangeId = StrongId<struct RangeIdTag>;        // Also the id of the range's Harpoon group.
using ReplicaId = StrongId<struct ReplicaIdTag>;    // One member of one group; never reused.
using Generation = StrongId<struct GenerationTag>;  // Of a range descriptor; grows at each change.
using Term = StrongId<struct TermTag>;
using Index = StrongId<struct IndexTag>;  // Of a log entry; the first entry has index 1.
using Epoch = StrongId<struct EpochTag>;  // Of a store lease, per ordered pair of stores [S-5].
using Round = StrongId<struct RoundTag>;  // Of a lease request [S-1].
using Nonce = StrongId<struct NonceTag>;  // Proof that a peer heard us [S-2], [H-5].

using Duration = std::chrono::nanoseconds;

// A reading of a suspend-aware monotonic clock of *this* store (CLOCK_BOOTTIME). Instants of
// different stores must never be compared.
struct StoreClock {
  using duration = Duration;
};
using Instant = std::chrono::time_point<StoreClock, Duration>;

// One reading of all clocks that lease rules look at [S-8]. `raw` is CLOCK_MONOTONIC_RAW; `wall`
// is CLOCK_REALTIME in microseconds since the Unix epoch and serves only versions and the
// self-check.
struct ClockReading {
  Instant boot;
  Instant raw;
  int64_t wall_us = 0;
};

// An instant on both monotonic clocks. The holder of a lease must treat it as over when *either*
// clock says so, the grantor of a promise only when *both* do [S-8].
struct DualInstant {
  Instant boot;
  Instant raw;

  static DualInstant At(const ClockReading& now) { return {now.boot, now.raw}; }
  DualInstant Plus(Duration d) const { return {boot + d, raw + d}; }
  bool EndedForHolder(const ClockReading& now) const { return now.boot >= boot || now.raw >= raw; }
  bool EndedForGrantor(const ClockReading& now) const { return now.boot >= boot && now.raw >= raw; }
  friend bool operator==(const DualInstant& a, const DualInstant& b) {
    return a.boot == b.boot && a.raw == b.raw;
  }
};

// Position of the last entry of a log; ordered by Raft's up-to-date rule [H-3].
struct LogPosition {
  Term term;
  Index index;

  friend bool operator==(const LogPosition& a, const LogPosition& b) {
    return a.term == b.term && a.index == b.index;
  }
  friend bool operator<(const LogPosition& a, const LogPosition& b) {
    return a.term != b.term ? a.term < b.term : a.index < b.index;
  }
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_TYPES_H_
