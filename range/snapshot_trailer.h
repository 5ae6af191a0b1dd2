// The last chunk of a snapshot, which vouches for all others, and the checksum that chunks carry.
//
// Format: format byte, CRC-32C of all data before it (4 bytes), number of chunks before it (8),
// big-endian. Pure functions.

#ifndef RASPUTIN_RANGE_SNAPSHOT_TRAILER_H_
#define RASPUTIN_RANGE_SNAPSHOT_TRAILER_H_

#include <cstdint>
#include <optional>

#include "absl/strings/cord.h"

namespace rasputin::range {

struct SnapshotTrailer {
  uint32_t crc32c = 0;
  uint64_t chunks = 0;

  friend bool operator==(const SnapshotTrailer& a, const SnapshotTrailer& b) {
    return a.crc32c == b.crc32c && a.chunks == b.chunks;
  }
};

absl::Cord EncodeTrailer(const SnapshotTrailer& trailer);
// nullopt: not one, or of a newer format.
std::optional<SnapshotTrailer> DecodeTrailer(const absl::Cord& data);

// CRC-32C (Castagnoli) of `data`, continuing from `crc`.
uint32_t ChecksumOf(const absl::Cord& data, uint32_t crc = 0);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_SNAPSHOT_TRAILER_H_
