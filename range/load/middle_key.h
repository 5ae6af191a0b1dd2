// The key that halves the data of a range, found without reading it.
//
// Asks the engine how many bytes lie before a few dozen keys and seeks a few times; no row is read
// beyond its key. A pure function over the engine.

#ifndef RASPUTIN_RANGE_LOAD_MIDDLE_KEY_H_
#define RASPUTIN_RANGE_LOAD_MIDDLE_KEY_H_

#include <optional>
#include <string>

#include "kv/engine.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::range {

// At most so many questions of Engine::ApproximateBytes.
inline constexpr int kMiddleAsksMax = 128;

// A full key inside the range, not its start, near the middle of its data by the engine's estimate;
// it need not exist, and is as short as its neighbours allow. nullopt: nothing lies on one of the
// sides of every key that was tried (no data, one row).
std::optional<std::string> MiddleKey(const type::v1::RangeDescriptor& range,
                                     const kv::Engine& engine);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_MIDDLE_KEY_H_
