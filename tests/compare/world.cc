// Machines, their pauses and their disks; see world.h.

#include "tests/compare/world.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace rasputin::compare {

using consensus::ClockReading;
using consensus::Instant;

World::World(const WorldOptions& options, Hooks hooks)
    : options_(options),
      hooks_(std::move(hooks)),
      random_(options.seed),
      disk_random_(random_.Fork(1)),
      network_(&scheduler_, random_.Fork(2), options.replicas) {
  network_.SetBehaviour(options.links);
  sim::Random draw = random_.Fork(3);
  for (int i = 0; i < options.replicas; ++i) {
    sim::ClockErrors errors;
    if (!options.clocks.empty()) {
      errors = options.clocks[static_cast<size_t>(i)];
    } else {
      errors.boot_ppm = draw.Between(-options.rate_error_ppm, options.rate_error_ppm);
      errors.raw_ppm = draw.Between(-options.rate_error_ppm, options.rate_error_ppm);
    }
    machines_.emplace_back(errors);
  }
}

ClockReading World::Now(int replica) const { return machine(replica).clock.At(now()); }

void World::Send(int from, int to, std::function<void()> deliver) {
  network_.Send(from, to, "message", /*may_repeat=*/true,
                [this, to, deliver = std::move(deliver)] { RunIn(to, deliver); });
}

void World::RunIn(int replica, const std::function<void()>& run) {
  Machine& at = machine(replica);
  if (!at.up) return;
  if (at.paused) {
    at.waiting.push_back(run);
  } else {
    run();
  }
}

void World::InProcess(int replica, RealTime delay, std::function<void()> run) {
  scheduler_.After(delay, "process", static_cast<uint64_t>(replica),
                   [this, replica, life = machine(replica).life, run = std::move(run)] {
                     if (machine(replica).life == life) RunIn(replica, run);
                   });
}

void World::After(RealTime delay, std::function<void()> run) {
  scheduler_.After(delay, "world", 0, std::move(run));
}

// ---- Timers. An event that comes early looks at the wish again.

void World::WakeAt(int replica, Instant at) {
  Machine& of = machine(replica);
  if (of.wish == at && of.wake_scheduled >= 0) return;
  of.wish = at;
  if (at == Instant::max()) return;
  const RealTime real = std::max(of.clock.RealAt(at), now());
  if (of.wake_scheduled < 0 || real < of.wake_scheduled) ScheduleWake(replica, real);
}

void World::ScheduleWake(int replica, RealTime at) {
  machine(replica).wake_scheduled = at;
  InProcess(replica, at - now(), [this, replica, at] {
    Machine& of = machine(replica);
    if (of.wake_scheduled != at) return;
    of.wake_scheduled = -1;
    if (of.wish == Instant::max()) return;
    const RealTime wished = of.clock.RealAt(of.wish);
    if (wished > now()) return ScheduleWake(replica, wished);
    of.wish = Instant::max();
    hooks_.wake(replica);
  });
}

// ---- Processes.

void World::Isolate(int replica) {
  for (int i = 0; i < options_.replicas; ++i) {
    if (i != replica) network_.CutBoth(i, replica);
  }
}

void World::Pause(int replica, RealTime length) {
  Machine& of = machine(replica);
  if (!of.up) return;
  of.paused = true;
  of.pause_ends = std::max(of.pause_ends, now() + length);
  scheduler_.After(length, "resume", static_cast<uint64_t>(replica),
                   [this, replica, life = of.life] {
                     Machine& it = machine(replica);
                     if (it.life == life && it.paused && it.pause_ends <= now()) Resume(replica);
                   });
}

void World::Resume(int replica) {
  Machine& of = machine(replica);
  of.paused = false;
  const std::vector<std::function<void()>> waiting = std::exchange(of.waiting, {});
  hooks_.resumed(replica);
  for (const std::function<void()>& run : waiting) RunIn(replica, run);
}

void World::Kill(int replica) {
  Machine& of = machine(replica);
  if (!of.up) return;
  std::vector<Job> jobs = std::exchange(of.syncing, {});
  for (Job& job : of.queued) jobs.push_back(std::move(job));
  of.queued.clear();
  const size_t written = disk_random_.Below(jobs.size() + 1);
  for (size_t i = 0; i < written; ++i) jobs[i].persist();
  of.up = false;
  of.paused = false;
  of.waiting.clear();
  of.wish = Instant::max();
  of.wake_scheduled = -1;
  of.sync_overdue = false;
  ++of.life;
  hooks_.died(replica);
}

void World::Revive(int replica) {
  CHECK(!IsUp(replica));
  machine(replica).up = true;
}

// ---- Disks.

void World::Write(int replica, std::function<void()> persist,
                  std::function<void(const ClockReading&)> done) {
  machine(replica).queued.push_back({std::move(persist), std::move(done)});
  StartSync(replica);
}

void World::StallDisk(int replica, bool stalled) {
  Machine& of = machine(replica);
  of.disk_stalled = stalled;
  if (stalled) return;
  if (std::exchange(of.sync_overdue, false)) FinishSync(replica);
  StartSync(replica);
}

void World::StartSync(int replica) {
  Machine& of = machine(replica);
  if (!of.up || of.disk_stalled || !of.syncing.empty() || of.queued.empty()) return;
  of.syncing = std::exchange(of.queued, {});
  of.sync_began = Now(replica);
  const RealTime takes = disk_random_.Between(options_.sync_min, options_.sync_max);
  scheduler_.After(takes, "sync", static_cast<uint64_t>(replica), [this, replica, life = of.life] {
    if (machine(replica).life == life) FinishSync(replica);
  });
}

void World::FinishSync(int replica) {
  Machine& of = machine(replica);
  if (of.disk_stalled) {
    of.sync_overdue = true;
    return;
  }
  if (of.disk_failed) return Kill(replica);
  const std::vector<Job> jobs = std::exchange(of.syncing, {});
  for (const Job& job : jobs) job.persist();
  for (const Job& job : jobs) {
    RunIn(replica, [done = job.done, began = of.sync_began] { done(began); });
  }
  StartSync(replica);
}

}  // namespace rasputin::compare
