// See key_sampler.h.

#include "range/load/key_sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace rasputin::range {
namespace {

constexpr uint32_t kPerSecond = 256;
// The reservoir draws as if it had seen so many requests at most: a key stays for about as many.
constexpr uint32_t kReach = 1000;
constexpr uint32_t kHalvedAt = 2048;

double Share(uint32_t part, uint32_t all) {
  return static_cast<double>(part) / static_cast<double>(all);
}

double Imbalance(const KeySample& sample) {
  const double sides = static_cast<double>(sample.left) + static_cast<double>(sample.right);
  if (sides == 0) return 1;
  return std::abs(static_cast<double>(sample.left) - static_cast<double>(sample.right)) / sides;
}

LoadDivision At(LoadDivision::Kind kind, const KeySample& sample) {
  LoadDivision division;
  division.kind = kind;
  division.key = sample.key;
  division.left = Share(sample.left, sample.total());
  division.right = Share(sample.right, sample.total());
  division.across = Share(sample.across, sample.total());
  division.same = Share(sample.same, sample.total());
  return division;
}

// Those with enough observations, by key.
std::vector<const KeySample*> Believed(const std::vector<KeySample>& samples) {
  std::vector<const KeySample*> believed;
  for (const KeySample& sample : samples) {
    if (sample.total() >= kObservationsMin) believed.push_back(&sample);
  }
  std::sort(believed.begin(), believed.end(), [](const KeySample* a, const KeySample* b) {
    return a->key != b->key ? a->key < b->key : a->total() > b->total();
  });
  return believed;
}

}  // namespace

uint64_t KeySampler::Random() {  // xorshift64*.
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return (state_ * 2685821657736338717u) >> 16;
}

bool KeySampler::Wants(consensus::Instant now) {
  const int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second != second_) {
    stride_ = std::max<uint32_t>(1, in_second_ / kPerSecond);
    in_second_ = 0;
    second_ = second;
  }
  ++in_second_;
  if (skip_ > 0) {
    --skip_;
    return false;
  }
  // Between 0 and twice the mean, so that a rhythm of the requests meets none of ours.
  skip_ = static_cast<uint32_t>(Random() % (2 * stride_ - 1));
  return true;
}

void KeySampler::Observe(absl::string_view first, absl::string_view last) {
  if (last < first) last = first;
  for (KeySample& sample : samples_) {
    const absl::string_view key(sample.key);
    if (last < key) {
      ++sample.left;
    } else if (key <= first) {
      ++sample.right;
      if (first == key && last == key) ++sample.same;
    } else {
      ++sample.across;
    }
    if (sample.total() < kHalvedAt) continue;
    sample.left /= 2;
    sample.right /= 2;
    sample.across /= 2;
    sample.same /= 2;
  }
  observed_ = std::min(observed_ + 1, kReach);
  const size_t slot = samples_.size() < kKeys ? samples_.size() : Random() % observed_;
  if (slot >= kKeys) return;
  if (slot == samples_.size()) {
    samples_.reserve(kKeys);
    samples_.emplace_back();
  }
  const absl::string_view drawn = Random() % 2 == 0 ? first : last;
  samples_[slot] = KeySample();
  samples_[slot].key = std::string(drawn.substr(0, kKeyBytesMax));
}

LoadDivision DivideLoad(const std::vector<KeySample>& samples) {
  using Kind = LoadDivision::Kind;
  const std::vector<const KeySample*> believed = Believed(samples);
  if (believed.empty()) return {};
  const KeySample* hot = nullptr;
  const KeySample* balanced = nullptr;
  const KeySample* closest = believed[0];  // In balance, whatever crosses it.
  size_t before_tail = 0;
  size_t behind_head = 0;
  const auto crossed = [](const KeySample* s) { return Share(s->across, s->total()); };
  const auto score = [&](const KeySample* s) { return Imbalance(*s) + crossed(s); };
  for (const KeySample* s : believed) {
    if (Share(s->same, s->total()) > kHotShare &&
        (hot == nullptr || Share(s->same, s->total()) > Share(hot->same, hot->total()))) {
      hot = s;
    }
    if (Imbalance(*s) < kImbalanceMax && crossed(s) < kAcrossMax &&
        (balanced == nullptr || score(s) < score(balanced))) {
      balanced = s;
    }
    if (Imbalance(*s) < Imbalance(*closest)) closest = s;
    if (Share(s->right, s->total()) > kTailShare) ++before_tail;
    if (Share(s->left, s->total()) > kTailShare) ++behind_head;
  }
  if (hot != nullptr) return At(Kind::kHotKey, *hot);
  if (balanced != nullptr) return At(Kind::kBalanced, *balanced);
  std::vector<const KeySample*> by_crossing = believed;
  std::stable_sort(
      by_crossing.begin(), by_crossing.end(),
      [&crossed](const KeySample* a, const KeySample* b) { return crossed(a) < crossed(b); });
  const KeySample* median = by_crossing[(by_crossing.size() - 1) / 2];
  if (crossed(median) >= kAcrossMax) return At(Kind::kCrossed, *median);
  const double many = kTailShare * static_cast<double>(believed.size());
  if (static_cast<double>(before_tail) > many) {
    const auto last = std::find_if(believed.rbegin(), believed.rend(), [](const KeySample* s) {
      return Share(s->right, s->total()) > kTailShare;
    });
    return At(Kind::kTail, **last);
  }
  if (static_cast<double>(behind_head) > many) {
    const auto first = std::find_if(believed.begin(), believed.end(), [](const KeySample* s) {
      return Share(s->left, s->total()) > kTailShare;
    });
    return At(Kind::kHead, **first);
  }
  return At(Kind::kUneven, *closest);
}

}  // namespace rasputin::range
