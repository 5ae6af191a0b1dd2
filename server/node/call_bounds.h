// How many calls of clients a node has at a time, and how many bytes of their requests.
//
// A stream that follows the directory lasts as long as its client likes. At most half of the calls
// are such, so that a node with many followers takes other calls. Not thread-safe, but for calls().

#ifndef RASPUTIN_SERVER_NODE_CALL_BOUNDS_H_
#define RASPUTIN_SERVER_NODE_CALL_BOUNDS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

namespace rasputin::server {

class CallBounds {
 public:
  enum class Breach : uint8_t { kCalls = 1, kFollowers = 2, kBytes = 3 };

  // Both at least 1. Before the first call.
  void Set(uint64_t calls_max, uint64_t bytes_max) {
    calls_max_ = calls_max;
    bytes_max_ = bytes_max;
  }
  uint64_t calls_max() const { return calls_max_; }
  // Half of them, and one at least.
  uint64_t followers_max() const { return std::max<uint64_t>(calls_max_ / 2, 1); }
  uint64_t bytes_max() const { return bytes_max_; }

  // What one more call would break; nullopt: nothing. The first one passes, however large.
  std::optional<Breach> BreachOf(bool follows, uint64_t bytes) const {
    if (calls() >= calls_max_) return Breach::kCalls;
    if (follows && followers_ >= followers_max()) return Breach::kFollowers;
    if (bytes_ > 0 && bytes_ + bytes > bytes_max_) return Breach::kBytes;
    return std::nullopt;
  }
  void Enter(bool follows, uint64_t bytes) {
    ++calls_;
    followers_ += follows ? 1 : 0;
    bytes_ += bytes;
  }
  // As the call entered.
  void Leave(bool follows, uint64_t bytes) {
    --calls_;
    followers_ -= follows ? 1 : 0;
    bytes_ -= bytes;
  }
  // Any thread.
  uint64_t calls() const { return calls_.load(); }

 private:
  std::atomic<uint64_t> calls_{0};
  uint64_t followers_ = 0;
  uint64_t bytes_ = 0;
  uint64_t calls_max_ = 65536;
  uint64_t bytes_max_ = 512 << 20;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_CALL_BOUNDS_H_
