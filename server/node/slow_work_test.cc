// Work that is put off, and several workers that wait for the same piece of it.
//
// Under the address sanitizer, the first test finds a worker that reads the due time of work which
// another worker has taken meanwhile.

#include "server/node/slow_work.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

namespace rasputin::server {
namespace {

TEST(SlowWork, WorkThatWasPutOffIsDoneOnceWhileAllWorkersWaitForIt) {
  SlowWork workers;
  std::vector<std::future<void>> done;
  for (int i = 0; i < 20; ++i) {
    auto promise = std::make_shared<std::promise<void>>();
    done.push_back(promise->get_future());
    // A second call of set_value would throw.
    workers.AddAfter(std::chrono::milliseconds(5), [promise] { promise->set_value(); });
    done.back().wait();
  }
}

TEST(SlowWork, IsDoneInTheOrderOfItsTimesAndNotBefore) {
  SlowWork workers;
  const auto begin = std::chrono::steady_clock::now();
  std::promise<std::chrono::steady_clock::time_point> late;
  std::promise<std::chrono::steady_clock::time_point> early;
  workers.AddAfter(std::chrono::milliseconds(40),
                   [&] { late.set_value(std::chrono::steady_clock::now()); });
  workers.AddAfter(std::chrono::milliseconds(10),
                   [&] { early.set_value(std::chrono::steady_clock::now()); });
  EXPECT_GE(early.get_future().get(), begin + std::chrono::milliseconds(10));
  EXPECT_GE(late.get_future().get(), begin + std::chrono::milliseconds(40));
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
