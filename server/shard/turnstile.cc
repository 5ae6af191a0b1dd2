// One mutex, held for a few instructions; see the header for the protocol.

#include "server/shard/turnstile.h"

#include <glog/logging.h>

namespace rasputin::server {

void Turnstile::Enter() {
  std::unique_lock<std::mutex> lock(mutex_);
  ++waiting_;
  left_.wait(lock, [this] { return !occupied_; });
  --waiting_;
  occupied_ = true;
}

bool Turnstile::EnterWithin(std::chrono::nanoseconds wait) {
  std::unique_lock<std::mutex> lock(mutex_);
  ++waiting_;
  const bool entered = left_.wait_for(lock, wait, [this] { return !occupied_; });
  --waiting_;
  if (entered) occupied_ = true;
  return entered;
}

bool Turnstile::TryEnterOrMark() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (occupied_) {
    marked_ = true;
    return false;
  }
  occupied_ = true;
  return true;
}

bool Turnstile::Leave() {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    CHECK(occupied_);
    if (marked_) {
      marked_ = false;
      return false;
    }
    occupied_ = false;
    wake = waiting_ > 0;
  }
  if (wake) left_.notify_one();
  return true;
}

}  // namespace rasputin::server
