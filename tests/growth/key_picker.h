// Which key comes next: the patterns of load under which ranges are to look after themselves.
//
// Numbers only; keys are made of them elsewhere. A picker belongs to one thread; pickers of one
// pattern share what is costly (the table of a zipfian distribution), which is immutable.

#ifndef RASPUTIN_TESTS_GROWTH_KEY_PICKER_H_
#define RASPUTIN_TESTS_GROWTH_KEY_PICKER_H_

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace rasputin::growth {

// The popularity of `count` keys falls as 1 / rank^0.99, the exponent that is customary in
// benchmarks of key-value stores. Ranks are spread over the whole keyspace.
class Zipfian {
 public:
  explicit Zipfian(uint64_t count);

  // The key whose rank is at `point`, in [0, 1), of the cumulated popularity.
  uint64_t KeyAt(double point) const;
  // The key of a rank, from 0.
  uint64_t KeyOf(uint64_t rank) const;
  uint64_t count() const { return cumulated_.size(); }

 private:
  std::vector<double> cumulated_;
  uint64_t step_ = 1;  // Prime to the count: rank * step_ mod count visits every key once.
};

enum class Distribution : uint8_t {
  kUniform = 1,
  kZipfian = 2,
  kOneKey = 3,  // Nine of ten go to one key, the rest is uniform.
};

class KeyPicker {
 public:
  // `zipfian` is needed for kZipfian alone, outlives the picker, and has as many keys.
  KeyPicker(Distribution distribution, uint64_t keys, const Zipfian* zipfian, uint64_t seed);

  uint64_t Next();

 private:
  const Distribution distribution_;
  const uint64_t keys_;
  const Zipfian* const zipfian_;
  std::mt19937_64 random_;
};

}  // namespace rasputin::growth

#endif  // RASPUTIN_TESTS_GROWTH_KEY_PICKER_H_
