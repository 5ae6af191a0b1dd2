// See key_picker.h.

#include "tests/growth/key_picker.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rasputin::growth {
namespace {

constexpr double kExponent = 0.99;
// About the golden ratio: neighbouring ranks lie far apart.
constexpr double kSpread = 0.618;

}  // namespace

Zipfian::Zipfian(uint64_t count) {
  CHECK_GT(count, 0u);
  cumulated_.reserve(count);
  double sum = 0;
  for (uint64_t rank = 0; rank < count; ++rank) {
    sum += 1 / std::pow(static_cast<double>(rank + 1), kExponent);
    cumulated_.push_back(sum);
  }
  for (double& value : cumulated_) value /= sum;
  step_ = std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(count) * kSpread));
  while (std::gcd(step_, count) != 1) ++step_;
}

uint64_t Zipfian::KeyAt(double point) const {
  const auto found = std::upper_bound(cumulated_.begin(), cumulated_.end(), point);
  const auto rank = static_cast<uint64_t>(found - cumulated_.begin());
  return KeyOf(std::min(rank, count() - 1));
}

uint64_t Zipfian::KeyOf(uint64_t rank) const { return rank * step_ % count(); }

KeyPicker::KeyPicker(Distribution distribution, uint64_t keys, const Zipfian* zipfian,
                     uint64_t seed)
    : distribution_(distribution), keys_(keys), zipfian_(zipfian), random_(seed) {
  CHECK(distribution != Distribution::kZipfian || (zipfian != nullptr && zipfian->count() == keys));
}

uint64_t KeyPicker::Next() {
  const double point = std::uniform_real_distribution<double>(0, 1)(random_);
  if (distribution_ == Distribution::kZipfian) return zipfian_->KeyAt(point);
  if (distribution_ == Distribution::kOneKey && point < 0.9) return keys_ / 2;
  return random_() % keys_;
}

}  // namespace rasputin::growth
