// Work that is put off, and several workers that wait for the same piece of it.
//
// Under the address sanitizer, the first test finds a worker that reads the due time of work which
// another worker has taken meanwhile.

#include "server/node/slow_work.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>

namespace rasputin::server {
namespace {

TEST(SlowWork, WorkThatWasPutOffIsDoneOnceWhileAllWorkersWaitForIt) {
  SlowWork workers;
  for (int i = 0; i < 20; ++i) {
    auto promise = std::make_shared<std::promise<void>>();
    std::future<void> done = promise->get_future();
    // A second call of set_value would throw.
    workers.AddAfter(std::chrono::milliseconds(5), [promise] { promise->set_value(); });
    done.wait();
  }
}

TEST(SlowWork, IsNotDoneBeforeItsTime) {
  using Time = std::chrono::steady_clock::time_point;
  SlowWork workers;
  const Time begin = std::chrono::steady_clock::now();
  for (const int wait_ms : {40, 10}) {
    auto at = std::make_shared<std::promise<Time>>();
    std::future<Time> done = at->get_future();
    workers.AddAfter(std::chrono::milliseconds(wait_ms),
                     [at] { at->set_value(std::chrono::steady_clock::now()); });
    EXPECT_GE(done.get(), begin + std::chrono::milliseconds(wait_ms));
  }
}

TEST(SlowWork, IsDroppedAtTheEndIfItIsNotDue) {
  bool done = false;
  {
    SlowWork workers;
    workers.AddAfter(std::chrono::hours(1), [&done] { done = true; });
  }
  EXPECT_FALSE(done);
}

}  // namespace
}  // namespace rasputin::server
