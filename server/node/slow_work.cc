// See the header.

#include "server/node/slow_work.h"

#include <pthread.h>

#include <string>
#include <utility>

namespace rasputin::server {
namespace {

// A node that is asked to initialise, that looks for a cluster meanwhile, and that gets its
// identity by a call of another node, does three things at once, of which two wait for the third.
constexpr int kThreads = 3;

}  // namespace

SlowWork::SlowWork() {
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

SlowWork::~SlowWork() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool SlowWork::Add(std::function<void()> work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || queue_.size() >= kQueuedMax) return false;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

void SlowWork::AddAfter(std::chrono::milliseconds wait, std::function<void()> work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    later_.emplace(std::chrono::steady_clock::now() + wait, std::move(work));
  }
  wake_.notify_one();
}

void SlowWork::Run(int number) {
  pthread_setname_np(pthread_self(), ("slow-" + std::to_string(number)).c_str());
  while (true) {
    std::function<void()> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (!stopping_ && queue_.empty()) {
        if (later_.empty()) {
          wake_.wait(lock);
          continue;
        }
        // A copy: another worker may take this work, and its entry with it, during the wait.
        const auto due = later_.begin()->first;
        if (due > std::chrono::steady_clock::now()) {
          wake_.wait_until(lock, due);
        } else {
          queue_.push_back(std::move(later_.begin()->second));
          later_.erase(later_.begin());
        }
      }
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace rasputin::server
