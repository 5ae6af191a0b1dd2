// See the header.

#include "server/node/slow_work.h"

#include <pthread.h>

#include <string>
#include <utility>

namespace rasputin::server {
namespace {

constexpr int kThreads = 2;

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

void SlowWork::Run(int number) {
  pthread_setname_np(pthread_self(), ("slow-" + std::to_string(number)).c_str());
  while (true) {
    std::function<void()> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace rasputin::server
