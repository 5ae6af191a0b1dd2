// A queue that is empty or short nearly always: empty it costs 32 bytes and no allocation.
//
// For the state of a replica, of which a store may hold a hundred thousand that have nothing to do:
// a std::deque costs 600 bytes when it is empty. What it grew to in a burst is given back when it
// is empty again. All operations take amortised constant time. Not thread-safe; references are
// valid until the next change.

#ifndef RASPUTIN_CONSENSUS_CORE_SHORT_QUEUE_H_
#define RASPUTIN_CONSENSUS_CORE_SHORT_QUEUE_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace rasputin::consensus {

template <typename T>
class ShortQueue {
 public:
  using const_iterator = typename std::vector<T>::const_iterator;

  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& operator[](size_t i) { return items_[head_ + i]; }
  const T& operator[](size_t i) const { return items_[head_ + i]; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  auto begin() { return items_.begin() + static_cast<ptrdiff_t>(head_); }
  auto end() { return items_.end(); }
  const_iterator begin() const { return items_.begin() + static_cast<ptrdiff_t>(head_); }
  const_iterator end() const { return items_.end(); }

  void push_back(T item) { items_.push_back(std::move(item)); }
  void pop_back() {
    items_.pop_back();
    if (empty()) clear();
  }
  void pop_front() {
    ++head_;
    if (empty()) {
      clear();
    } else if (head_ >= kGapMax && head_ > items_.size() / 2) {
      items_.erase(items_.begin(), begin());
      head_ = 0;
    }
  }
  void clear() {
    head_ = 0;
    items_.clear();
    if (items_.capacity() > kCapacityKept) std::vector<T>().swap(items_);
  }

 private:
  static constexpr size_t kCapacityKept = 4;
  static constexpr size_t kGapMax = 32;  // Items taken from the front before the rest moves up.

  std::vector<T> items_;  // From head_ on.
  size_t head_ = 0;
};

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_SHORT_QUEUE_H_
