// The byte behind the range id in a key of the range-local space. Never renumbered.

#ifndef RASPUTIN_KV_RANGE_ROW_KIND_H_
#define RASPUTIN_KV_RANGE_ROW_KIND_H_

#include <cstdint>

namespace rasputin::kv {

// Of replicas that were removed; not part of the range's state: neither sent nor replaced with it.
inline constexpr uint8_t kTombstoneRow = 0x00;
// Behind kTombstoneRow: the range was absorbed by another one. Outlives the range in the same way.
inline constexpr uint8_t kAbsorbedSuffix = 0x01;
inline constexpr uint8_t kAppliedRow = 0x01;
inline constexpr uint8_t kDescriptorRow = 0x02;
inline constexpr uint8_t kHighestAbsorbedRow = 0x03;
// The session table (session_table.h), in one contiguous part.
inline constexpr uint8_t kSessionRowsBegin = 0x10;
inline constexpr uint8_t kSessionQueueRow = 0x10;
inline constexpr uint8_t kSessionQueueEntryRow = 0x11;
inline constexpr uint8_t kSessionClientRow = 0x12;
inline constexpr uint8_t kSessionOutcomeRow = 0x13;
inline constexpr uint8_t kSessionRowsEnd = 0x20;

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_RANGE_ROW_KIND_H_
