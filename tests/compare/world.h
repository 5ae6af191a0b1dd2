// The world that every protocol is measured in: machines with clocks, disks and processes, joined
// by a network, in simulated real time under one seed.
//
// Knows no protocol. What reaches a process (a message, a finished write, a timer) is lost if the
// process has died meanwhile and waits while it is paused. Clocks, network and queue are those of
// tests/sim. One thread; the same seed gives the same run.

#ifndef RASPUTIN_TESTS_COMPARE_WORLD_H_
#define RASPUTIN_TESTS_COMPARE_WORLD_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "consensus/core/types.h"
#include "tests/sim/network.h"
#include "tests/sim/random.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_clock.h"

namespace rasputin::compare {

using sim::kMicrosecond;
using sim::kMillisecond;
using sim::RealTime;

struct WorldOptions {
  int replicas = 5;
  uint64_t seed = 1;
  sim::LinkBehaviour links;
  // A sync takes uniformly so long; what is handed over meanwhile shares the next one.
  RealTime sync_min = 300 * kMicrosecond;
  RealTime sync_max = 3 * kMillisecond;
  // Rate errors of both monotonic clocks, drawn uniformly from +- this, unless `clocks` states
  // them.
  int64_t rate_error_ppm = 9'900;
  std::vector<sim::ClockErrors> clocks;
};

class World {
 public:
  // What the world calls: the timer of a process is due; a process has died (its memory is to be
  // dropped); a process runs again after a pause (called before anything that waited).
  struct Hooks {
    std::function<void(int replica)> wake;
    std::function<void(int replica)> died;
    std::function<void(int replica)> resumed;
  };

  World(const WorldOptions& options, Hooks hooks);

  int replicas() const { return options_.replicas; }
  RealTime now() const { return scheduler_.now(); }
  sim::Scheduler& scheduler() { return scheduler_; }
  // A generator of its own per concern.
  sim::Random Fork(uint64_t tag) const { return random_.Fork(tag); }

  // ---- For processes.
  consensus::ClockReading Now(int replica) const;
  void Send(int from, int to, std::function<void()> deliver);
  // `persist` runs when the data is on the disk, whether or not the process still lives; then
  // `done`, in the process, with the reading of its clocks when that sync began.
  void Write(int replica, std::function<void()> persist,
             std::function<void(const consensus::ClockReading& began)> done);
  // The one timer of a process: Hooks::wake once its clock reads `at`. Replaces the wish before.
  void WakeAt(int replica, consensus::Instant at);
  void InProcess(int replica, RealTime delay, std::function<void()> run);

  // ---- For whoever runs it. Processes are up from the beginning.
  void RunFor(RealTime length) { scheduler_.RunUntil(now() + length); }
  void After(RealTime delay, std::function<void()> run);
  bool IsUp(int replica) const { return machine(replica).up; }
  bool IsPaused(int replica) const { return machine(replica).paused; }

  // ---- Faults.
  sim::Network& network() { return network_; }
  void Isolate(int replica);
  void Pause(int replica, RealTime length);
  // Of what was being written any prefix reaches the disk.
  void Kill(int replica);
  // The machine may run a process again; whoever calls starts it.
  void Revive(int replica);
  void StallDisk(int replica, bool stalled);
  // The next sync fails, which ends the process [H-18].
  void FailDisk(int replica) { machine(replica).disk_failed = true; }
  void StepWall(int replica, int64_t by_us) { machine(replica).clock.StepWall(by_us); }

 private:
  struct Job {
    std::function<void()> persist;
    std::function<void(const consensus::ClockReading&)> done;
  };
  struct Machine {
    explicit Machine(const sim::ClockErrors& errors) : clock(errors) {}

    sim::SimClock clock;
    bool up = true;
    bool paused = false;
    uint64_t life = 0;  // Grows at each death: what belongs to an earlier life is void.
    std::vector<std::function<void()>> waiting;  // For the end of the pause.
    RealTime pause_ends = 0;
    consensus::Instant wish = consensus::Instant::max();
    RealTime wake_scheduled = -1;  // -1: none.
    std::vector<Job> queued;
    std::vector<Job> syncing;
    consensus::ClockReading sync_began;
    bool sync_overdue = false;  // Would have ended, but for the stall.
    bool disk_stalled = false;
    bool disk_failed = false;
  };

  Machine& machine(int replica) { return machines_[static_cast<size_t>(replica)]; }
  const Machine& machine(int replica) const { return machines_[static_cast<size_t>(replica)]; }
  void RunIn(int replica, const std::function<void()>& run);
  void Resume(int replica);
  void ScheduleWake(int replica, RealTime at);
  void StartSync(int replica);
  void FinishSync(int replica);

  const WorldOptions options_;
  const Hooks hooks_;
  sim::Random random_;
  sim::Random disk_random_;
  sim::Scheduler scheduler_;
  sim::Network network_;
  std::vector<Machine> machines_;
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_WORLD_H_
