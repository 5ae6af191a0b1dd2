// Gives versions: hybrid logical timestamps of 48 bits wall milliseconds and 16 bits counter.
//
// Wall time comes with the caller's clock readings, and is judged by those of the other stores: a
// store alone cannot tell a clock that is wrong from one that is put right. While none is known,
// the first reading is believed and a jump against the monotonic clock of more than 60 s is not
// followed: the clock runs on from where it was. Deterministic; not thread-safe.

#ifndef RASPUTIN_RANGE_VERSION_CLOCK_H_
#define RASPUTIN_RANGE_VERSION_CLOCK_H_

#include <cstdint>
#include <map>

#include "consensus/core/types.h"

namespace rasputin::range {

class VersionClock {
 public:
  // Between an own clock that is followed and the others; also a jump that is followed when no
  // other is known.
  static constexpr int64_t kJumpMaxUs = 60'000'000;

  explicit VersionClock(const consensus::ClockReading& now)
      : boot_(now.boot), wall_us_(now.wall_us) {}

  // Store `peer` had `wall_us` when it was `boot` here, by the boot clock; replaces what was known
  // of it. What its message took on the way makes it seem behind by as much. Unsettable times (0,
  // or beyond 48 bits of milliseconds) are ignored.
  void OnPeer(consensus::StoreId peer, consensus::Instant boot, uint64_t wall_us);

  // Takes a reading. If the own clock is more than kJumpMaxUs from the lower median of all, its own
  // included, that median is shown instead. Lower, because a clock ahead does lasting harm: no
  // version of the range is ever below what it gave; one behind gives versions just above the last.
  //
  // Returns by how many microseconds the own clock differs from what is shown, when that begins to
  // be too much; 0 otherwise. Without peers each refusal is returned once: later readings are
  // compared with what this clock then shows.
  int64_t Observe(const consensus::ClockReading& now);

  // A version greater than `floor` and not before the wall time observed last.
  uint64_t Next(uint64_t floor) const;

  int64_t wall_us() const { return wall_us_; }

 private:
  // The wall clock minus the boot clock: does not change while both run as they should.
  int64_t LowerMedian(int64_t own) const;

  consensus::Instant boot_;
  int64_t wall_us_;
  bool refused_ = false;
  // Wall clocks minus the own boot clock: a step of the own wall clock leaves them as they are.
  // Kept for stores that went silent: forgetting them would give the last word to whoever still
  // speaks.
  std::map<consensus::StoreId, int64_t> peers_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_VERSION_CLOCK_H_
