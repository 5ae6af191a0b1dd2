// See bench.h.

#include "client/bench/bench.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/clusters.h"

namespace rasputin::client {
namespace {

using Line = std::function<void(const std::string&)>;

constexpr uint32_t kLoadOutstanding = 256;

struct System {
  std::unique_ptr<Cluster> cluster;
  std::unique_ptr<Load> load;
  std::vector<ServerProcess> processes;
};

std::vector<ServerProcess> ProcessesOf(const BenchOptions& options, const System& system) {
  std::vector<ServerProcess> processes;
  const bool is_etcd = system.cluster->name() == "etcd";
  for (const ServerProcess& process : options.processes) {
    if (absl::StartsWith(process.name, "etcd") == is_etcd) processes.push_back(process);
  }
  if (!options.processes.empty()) return processes;
  for (const std::string& address : system.load->addresses()) {
    const std::optional<int> pid = FindListener(address);
    if (pid.has_value()) processes.push_back({address, *pid});
  }
  return processes;
}

std::vector<double> CpuOf(const std::vector<ServerProcess>& processes) {
  std::vector<double> seconds;
  for (const ServerProcess& process : processes) {
    seconds.push_back(ProcessCpuSeconds(process.pid).value_or(0));
  }
  return seconds;
}

// CPU of everybody at one moment.
struct CpuSample {
  double machine = 0;
  double own = 0;
  std::vector<double> servers;
};

CpuSample TakeSample(const System& system) {
  return {MachineBusySeconds(), OwnCpuSeconds(), CpuOf(system.processes)};
}

void SetCpu(const System& system, const CpuSample& from, const CpuSample& to,
            Measurement* measurement) {
  measurement->client_cpu_seconds = to.own - from.own;
  double others = to.machine - from.machine - measurement->client_cpu_seconds;
  for (size_t i = 0; i < system.processes.size(); ++i) {
    const double seconds = std::max(0.0, to.servers[i] - from.servers[i]);
    measurement->server_cpu_seconds.emplace_back(system.processes[i].name, seconds);
    others -= seconds;
  }
  const double available =
      measurement->loop.seconds * static_cast<double>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L));
  measurement->others_share = std::clamp(others / available, 0.0, 1.0);
}

Measurement Measure(const BenchOptions& options, System* system, BenchOperation operation,
                    uint32_t outstanding, const std::string& label, const Line& live) {
  LoopOptions loop;
  loop.operation = operation;
  loop.outstanding = outstanding;
  loop.keys = options.workload.keys;
  loop.warmup = options.warmup;
  loop.duration = options.duration;
  CpuSample from;
  CpuSample to;
  LoopEvents events;
  events.counting_begins = [&] { from = TakeSample(*system); };
  events.counting_ends = [&] { to = TakeSample(*system); };
  events.progress = [&](uint64_t operations) {
    if (live) live(absl::StrCat(label, ": ", operations, " operations"));
  };
  Measurement measurement;
  measurement.loop = system->load->Run(loop, events);
  SetCpu(*system, from, to, &measurement);
  return measurement;
}

// Writes every key once, so that gets find something and cas knows what to expect.
absl::Status Fill(const BenchOptions& options, System* system, const Line& live) {
  LoopOptions loop;
  loop.operation = BenchOperation::kSet;
  loop.outstanding = kLoadOutstanding;
  loop.keys = options.workload.keys;
  loop.every_key_once = true;
  LoopEvents events;
  events.progress = [&](uint64_t operations) {
    if (live) {
      live(absl::StrCat("loading ", system->cluster->name(), ": ", operations, " of ", loop.keys,
                        " keys"));
    }
  };
  const LoopResult result = system->load->Run(loop, events);
  if (result.errors * 2 <= loop.keys) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("loading ", system->cluster->name(), " failed for ",
                                             result.errors, " of ", loop.keys,
                                             " keys: ", result.first_error));
}

absl::StatusOr<std::vector<System>> Prepare(const BenchOptions& options, const Line& live) {
  std::vector<System> systems;
  if (!options.rasputin.empty()) {
    systems.emplace_back();
    systems.back().cluster = RasputinCluster(options.workload, options.rasputin);
  }
  if (!options.etcd.empty()) {
    systems.emplace_back();
    systems.back().cluster = EtcdCluster(options.workload, options.etcd);
  }
  for (System& system : systems) {
    system.load = std::make_unique<Load>(options.load, system.cluster.get());
    absl::Status status = system.load->Connect();
    if (status.ok()) status = Fill(options, &system, live);
    if (!status.ok()) return status;
    system.processes = ProcessesOf(options, system);
  }
  return systems;
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunBench(const BenchOptions& options, const Line& live,
                                               const Line& done) {
  absl::StatusOr<std::vector<System>> systems = Prepare(options, live);
  if (!systems.ok()) return systems.status();
  std::vector<BenchRow> rows;
  for (const BenchOperation operation : options.operations) {
    for (const uint32_t outstanding : options.outstanding) {
      for (const System& system : *systems) {
        rows.push_back({system.cluster->name(), operation, outstanding, {}});
      }
    }
  }
  const size_t loops = rows.size() * options.rounds;
  size_t finished = 0;
  for (uint32_t round = 1; round <= options.rounds; ++round) {
    for (size_t i = 0; i < rows.size(); ++i) {
      BenchRow& row = rows[i];
      const std::string label =
          absl::StrFormat("[%d/%d] %s %s, %d outstanding, round %d", ++finished, loops, row.system,
                          NameOf(row.operation), row.outstanding, round);
      row.rounds.push_back(Measure(options, &(*systems)[i % systems->size()], row.operation,
                                   row.outstanding, label, live));
      const LoopResult& loop = row.rounds.back().loop;
      if (done) {
        done(absl::StrFormat(
            "%s: %.0f/s, p50 %.2f ms, %d errors%s", label,
            static_cast<double>(loop.operations) / loop.seconds,
            static_cast<double>(loop.latency.Percentile(0.5)) / 1e6, loop.errors,
            loop.first_error.empty() ? "" : absl::StrCat(" (", loop.first_error, ")")));
      }
    }
  }
  return rows;
}

}  // namespace rasputin::client
