// Whether the bytes behind the last whole frame are a write that was torn, or a write that was
// whole and has lost a bit since.
//
// Both leave a frame whose checksum does not match, and nothing behind it. A tear leaves each
// sector as it was before or as it was written, so what one flipped bit makes whole again was
// written whole: damage. Pure functions of the bytes; they take any bytes whatever. Costs are
// linear in the frame's size. Limits: README.md, "Torn tail or corruption".

#ifndef RASPUTIN_CONSENSUS_LOG_LAST_FRAME_H_
#define RASPUTIN_CONSENSUS_LOG_LAST_FRAME_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace rasputin::consensus::log {

// Disks write sectors of at least so many bytes as a whole.
inline constexpr uint64_t kTornSectorBytes = 512;

// `bytes`: the whole file of segment `sequence`. The offset of the byte of which one bit is
// flipped, if that explains all that is wrong with the frame at `at`, whose predecessor (or segment
// header) has the checksum `chain`, and a tear does not.
std::optional<uint64_t> FindFlippedBit(absl::string_view bytes, uint64_t sequence, uint64_t at,
                                       uint32_t chain);

// The same for the header of the segment itself; its first frame must be whole.
std::optional<uint64_t> FindFlippedBitInSegmentHeader(absl::string_view bytes, uint64_t sequence);

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_LAST_FRAME_H_
