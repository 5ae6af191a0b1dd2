// Threads for work that may block: initialising, joining, opening a store, calls that await other
// nodes.
//
// Nothing that serves clients or keeps leases waits for them. Thread-safe. Work that is still
// queued at the end is dropped.

#ifndef RASPUTIN_SERVER_NODE_SLOW_WORK_H_
#define RASPUTIN_SERVER_NODE_SLOW_WORK_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace rasputin::server {

class SlowWork {
 public:
  static constexpr size_t kQueuedMax = 64;

  SlowWork();
  ~SlowWork();  // Waits for what is under way.

  // False: too much is queued; the work will not be done.
  bool Add(std::function<void()> work);
  // The same, not before `wait` has passed. Dropped at the end.
  void AddAfter(std::chrono::milliseconds wait, std::function<void()> work);

 private:
  void Run(int number);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> later_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_SLOW_WORK_H_
