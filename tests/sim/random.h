// The only source of chance in the simulator: a small generator that is the same on every machine.
//
// (The standard library's distributions are not.) Not for anything outside tests. A value; one per
// concern (Fork), so that a draw more in one place does not change all others.

#ifndef RASPUTIN_TESTS_SIM_RANDOM_H_
#define RASPUTIN_TESTS_SIM_RANDOM_H_

#include <cmath>
#include <cstdint>

namespace rasputin::sim {

inline uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(MixBits(seed + 0x9e3779b97f4a7c15)) {}

  uint64_t Next() { return MixBits(state_ += 0x9e3779b97f4a7c15); }
  // Uniform in [0, n); n > 0. The bias is below n / 2^64.
  uint64_t Below(uint64_t n) { return Next() % n; }
  // Uniform in [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  bool Chance(double probability) { return Unit() < probability; }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // Integer steps only up to the last line, whose rounding of log() is the library's: cut to
  // microseconds so that a last bit does not matter.
  int64_t ExponentialNs(int64_t mean_ns) {
    const double micros = -std::log(1.0 - Unit()) * static_cast<double>(mean_ns) / 1000.0;
    return static_cast<int64_t>(micros) * 1000;
  }
  // A generator of its own for `tag`; does not move this one.
  Random Fork(uint64_t tag) const { return Random(state_ ^ MixBits(tag + 0x632be59bd9b4e019)); }

 private:
  uint64_t state_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_RANDOM_H_
