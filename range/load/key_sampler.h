// Where in a range its requests go: a few keys drawn from them, each counting what lies left of it,
// right of it and across it.
//
// The keys are a reservoir over the last thousand or so requests that were looked at; at most about
// 256 a second are, so the cost of a busy range is bounded. Counts are halved as they grow: old
// requests fade. Draws come from a seed. Deterministic; not thread-safe.

#ifndef RASPUTIN_RANGE_LOAD_KEY_SAMPLER_H_
#define RASPUTIN_RANGE_LOAD_KEY_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "consensus/core/types.h"

namespace rasputin::range {

// A key and the requests since it was drawn.
struct KeySample {
  std::string key;
  uint32_t left = 0;    // Touched only keys before it.
  uint32_t right = 0;   // Touched only it or keys behind it.
  uint32_t across = 0;  // Touched keys on both sides: no split there serves them by one range.
  uint32_t same = 0;    // Of `right`: touched this key alone.

  uint32_t total() const { return left + right + across; }
};

class KeySampler {
 public:
  static constexpr size_t kKeys = 20;
  // A key is drawn cut to so many bytes; as a split key it does as well.
  static constexpr size_t kKeyBytesMax = 128;

  explicit KeySampler(uint64_t seed) : state_(seed * 2 + 1) {}

  // Whether the request that comes now is to be observed.
  bool Wants(consensus::Instant now);
  // A request that touched the keys from `first` to `last`, both included.
  void Observe(absl::string_view first, absl::string_view last);

  const std::vector<KeySample>& samples() const { return samples_; }

 private:
  uint64_t Random();

  uint64_t state_;
  std::vector<KeySample> samples_;
  uint32_t observed_ = 0;  // At most kReach.
  int64_t second_ = -1;
  uint32_t in_second_ = 0;
  uint32_t stride_ = 1;  // One request of so many is observed.
  uint32_t skip_ = 0;
};

// What the samples say about a split by load.
struct LoadDivision {
  enum class Kind : uint8_t {
    kUnknown = 0,   // No key has counted enough requests yet.
    kBalanced = 1,  // `key` divides the load.
    kHotKey = 2,    // More than half of the requests are for `key`, and that is all of it.
    kTail = 3,      // Requests move on beyond the highest keys there are; `key` is among these.
    kHead = 4,      // The same downwards.
    kCrossed = 5,   // Too many requests touch keys on both sides of half of the samples.
    kUneven = 6,    // Every sample has too little on one of its sides.
  };
  Kind kind = Kind::kUnknown;
  std::string key;
  // Of the requests, by `key`: with kUneven that of the best balance, with kCrossed the median of
  // those that are crossed.
  double left = 0;
  double right = 0;
  double across = 0;
  double same = 0;
};

// So many requests a sample must have counted to be believed.
inline constexpr uint32_t kObservationsMin = 100;
// A split is balanced where |left - right| / (left + right) is below this, and across / all too.
inline constexpr double kImbalanceMax = 0.25;
inline constexpr double kAcrossMax = 0.25;
// A key is hot that draws more than this share.
inline constexpr double kHotShare = 0.5;
// Requests follow a tail (or head) where this share of the samples has more than this share of the
// requests beyond it.
inline constexpr double kTailShare = 0.8;

LoadDivision DivideLoad(const std::vector<KeySample>& samples);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_KEY_SAMPLER_H_
