// The loop; see the header.

#include "server/shard/executor.h"

#include <pthread.h>

#include <algorithm>

#include "server/clock/clock.h"

namespace rasputin::server {
namespace {

constexpr consensus::Duration kWaitMax = std::chrono::milliseconds(50);
// What waits outside is all alike: the calls of a busy range, and what its answers still cost, hide
// its neighbours' calls and the messages of peers until they are taken in, and the sockets are not
// even looked at before. So, as a rule, everything there is is taken in before the next turn.
constexpr int kEventsPerTurn = 1024;
constexpr consensus::Duration kFeedTimeMax = std::chrono::milliseconds(4);

}  // namespace

Executor::~Executor() { Stop(); }

void Executor::Start(EventQueue* queue) {
  queue_ = queue;
  thread_ = std::thread([this] { Run(); });
}

void Executor::Wake() { queue_->Interrupt(); }

void Executor::WakeBefore(consensus::Instant due) {
  const int64_t wakes_at = wakes_at_ns_.load();
  if (wakes_at != 0 && due.time_since_epoch().count() < wakes_at) queue_->Interrupt();
}

std::optional<consensus::Instant> Executor::BusySince(consensus::Instant now) const {
  std::optional<consensus::Instant> since = shard_->BusySince();
  const consensus::Instant wakes_at{consensus::Duration(wakes_at_ns_.load())};
  const bool overdue = wakes_at != consensus::Instant{} && wakes_at < now;
  if (overdue && (!since.has_value() || wakes_at < *since)) since = wakes_at;
  return since;
}

void Executor::Stop() {
  stopping_.store(true);
  if (!thread_.joinable()) return;
  Wake();
  thread_.join();
}

consensus::Duration Executor::TimeToWait(consensus::Instant now) const {
  const consensus::Instant due = shard_->due();
  if (due <= now) return consensus::Duration::zero();
  return std::min<consensus::Duration>(kWaitMax, due - now);
}

void Executor::Run() {
  pthread_setname_np(pthread_self(), "executor-0");
  while (!stopping_.load()) {
    const consensus::Instant now = Now();
    consensus::Duration wait = TimeToWait(now);
    wakes_at_ns_.store((now + wait).time_since_epoch().count());
    // A turn elsewhere may have brought the deadline nearer before it could see when we wake.
    wait = std::min(wait, TimeToWait(now));
    Event* event = nullptr;
    bool ok = false;
    EventQueue::Result result = queue_->Poll(wait, &event, &ok);
    wakes_at_ns_.store(0);
    if (result == EventQueue::Result::kEnd) return;
    shard_->Run([&] {
      const consensus::Instant feed_ends = Now() + kFeedTimeMax;
      for (int n = 0; result == EventQueue::Result::kEvent; ++n) {
        event->OnEvent(ok);
        if (n + 1 == kEventsPerTurn || Now() >= feed_ends) break;
        result = queue_->Poll(consensus::Duration::zero(), &event, &ok);
      }
    });
  }
}

}  // namespace rasputin::server
