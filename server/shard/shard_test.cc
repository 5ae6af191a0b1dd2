// Whether a shard makes progress can be seen from outside while it does not [S-7].

#include "server/shard/shard.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/clock/clock.h"
#include "server/metrics/event_recorder.h"
#include "server/metrics/metrics.h"

namespace rasputin::server {
namespace {

// Holds the shard up, inside, until it is let go.
class Hang {
 public:
  void Enter() {
    std::unique_lock<std::mutex> lock(mutex_);
    entered_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return over_; });
  }
  void AwaitEntered() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return entered_; });
  }
  void End() {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool entered_ = false;
  bool over_ = false;
};

TEST(Shard, SaysSinceWhenATurnHangsWithoutWaitingForIt) {
  MetricsRegistry registry;
  EventRecorder recorder(&registry);
  Shard shard(&registry, &recorder, [](const absl::Status&) {});
  EXPECT_FALSE(shard.BusySince().has_value());
  const consensus::Instant before = Now();
  Hang hang;
  std::thread inside([&] { shard.Run([&] { hang.Enter(); }); });
  hang.AwaitEntered();
  const std::optional<consensus::Instant> since = shard.BusySince();
  ASSERT_TRUE(since.has_value());
  EXPECT_GE(*since, before);
  EXPECT_LE(*since, Now());
  EXPECT_FALSE(shard.RunIfFree()) << "leaves a mark";
  EXPECT_EQ(shard.BusySince(), since) << "of the turn in progress, whoever else knocks";
  hang.End();
  inside.join();
  EXPECT_FALSE(shard.BusySince().has_value());
}

}  // namespace
}  // namespace rasputin::server
