// See scale.h.

#include "tests/scale/scale.h"

#include <glog/logging.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/client.h"
#include "tests/process/server_cluster.h"
#include "tests/scale/process_meter.h"
#include "tests/scale/range_maker.h"

namespace rasputin::scale {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kNodes = 3;
constexpr auto kPatience = std::chrono::minutes(10);
constexpr double kMebibyte = 1 << 20;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds after `start` at which `done` was first seen to be true.
double Await(Clock::time_point start, const std::string& what, const std::function<bool()>& done,
             milliseconds period = milliseconds(50)) {
  while (!done()) {
    CHECK(Clock::now() < start + kPatience) << "waited ten minutes until " << what;
    std::this_thread::sleep_for(period);
  }
  return SecondsSince(start);
}

class Run {
 public:
  explicit Run(const ScaleOptions& options)
      : options_(options),
        cluster_({kNodes, options.binary, options.directory, options.flags, 0}) {}

  ScaleReport Execute() {
    report_.ranges = options_.ranges;
    for (int node = 0; node < kNodes; ++node) cluster_.Start(node);
    cluster_.Init();
    Say("two ranges");
    AwaitLed(Clock::now(), {0, 1, 2}, 2);
    report_.first = MeasureIdle();
    Grow();
    report_.grown = MeasureIdle();
    RestartOne();
    LoseOne();
    RestartAll();
    report_.again = MeasureIdle();
    return report_;
  }

 private:
  void Say(const std::string& what) const {
    std::fprintf(stderr, "[%d ranges] %s\n", options_.ranges, what.c_str());
  }

  double Metric(int node, const std::string& name) const {
    return MetricOn(HttpGet(cluster_.HttpPort(node), "/metrics"), name);
  }

  uint64_t Led(const std::vector<int>& nodes) const {
    double led = 0;
    for (const int node : nodes) led += Metric(node, "rasputin_ranges_led");
    return static_cast<uint64_t>(led);
  }

  double AwaitLed(Clock::time_point start, const std::vector<int>& nodes, uint64_t count) const {
    return Await(start, absl::StrCat(count, " ranges are led"),
                 [&] { return Led(nodes) >= count; });
  }

  double AwaitReady(Clock::time_point start, int node) const {
    return Await(
        start, "a node is ready",
        [&] { return absl::StrContains(HttpGet(cluster_.HttpPort(node), "/readyz"), " 200 "); },
        milliseconds(10));
  }

  // Nothing is asked of the servers meanwhile, not even how they are.
  IdleCost MeasureIdle() {
    Settle();
    struct Counts {
      double records = 0;
      double turns = 0;
    };
    const auto counts = [this] {
      Counts sum;
      for (int node = 0; node < kNodes; ++node) {
        sum.records += Metric(node, "rasputin_log_records_total");
        sum.turns += Metric(node, "rasputin_turns_total");
      }
      return sum;
    };
    const Counts counts_before = counts();
    std::this_thread::sleep_for(milliseconds(500));  // The questions themselves cost something.
    const Clock::time_point start = Clock::now();
    const NetworkReading wire_before = ReadLoopback();
    std::vector<ProcessReading> before;
    for (int node = 0; node < kNodes; ++node) before.push_back(ReadProcess(cluster_.pid(node)));
    std::this_thread::sleep_for(std::chrono::seconds(options_.idle_seconds));
    IdleCost cost;
    const double seconds = SecondsSince(start);
    const NetworkReading wire = ReadLoopback();
    cost.wire_bytes = cost.wire_packets = -1;
    if (options_.own_network) {
      cost.wire_bytes = static_cast<double>(wire.bytes - wire_before.bytes) / seconds;
      cost.wire_packets = static_cast<double>(wire.packets - wire_before.packets) / seconds;
    }
    for (int node = 0; node < kNodes; ++node) {
      const ProcessReading now = ReadProcess(cluster_.pid(node));
      const ProcessReading& then = before[static_cast<size_t>(node)];
      cost.memory_mib += static_cast<double>(now.resident_private_bytes) / kMebibyte / kNodes;
      cost.cpu_percent += 100 * (now.cpu_seconds - then.cpu_seconds) / seconds / kNodes;
      cost.written_bytes +=
          static_cast<double>(now.written_bytes - then.written_bytes) / seconds / kNodes;
    }
    const Counts counts_after = counts();
    cost.log_records = (counts_after.records - counts_before.records) / seconds / kNodes;
    cost.turns = (counts_after.turns - counts_before.turns) / seconds / kNodes;
    return cost;
  }

  // What making the ranges left to be done (the directory, the cutting of logs, flushes) is done:
  // until nothing but leases is logged.
  void Settle() const {
    Say("waits until nothing is logged but leases");
    const Clock::time_point start = Clock::now();
    double last = -1;
    Await(
        start, "the servers are idle",
        [&] {
          double records = 0;
          for (int node = 0; node < kNodes; ++node) {
            records += Metric(node, "rasputin_log_records_total");
          }
          const bool idle = last >= 0 && records - last < 40 * kNodes;
          last = records;
          return idle;
        },
        milliseconds(2000));
  }

  void Grow() {
    Say("makes ranges");
    const Clock::time_point start = Clock::now();
    MakeRanges(&cluster_, options_.ranges - 1, options_.callers);
    report_.made_in = SecondsSince(start);
    AwaitLed(start, {0, 1, 2}, static_cast<uint64_t>(options_.ranges));
    Say(absl::StrFormat("made in %.1f s", report_.made_in));
  }

  // Writes `samples` keys, eight at a time, from a client that knows nothing yet; seconds after
  // `start`.
  double WriteSamples(Clock::time_point start, const std::vector<int>& nodes) const {
    client::ClientOptions client_options;
    for (const int node : nodes) client_options.endpoints.push_back(cluster_.ClientAddress(node));
    client_options.deadline = std::chrono::minutes(2);
    client::Client client(client_options);
    std::atomic<int> next{0};
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 8; ++writer) {
      writers.emplace_back([&] {
        for (int i; (i = next.fetch_add(1)) < options_.samples;) {
          kv::v1::SetRequest set;
          set.set_key(KeyInRange((options_.ranges - 1) * i / options_.samples));
          set.set_value("x");
          const auto written = client.Set(set);
          CHECK(written.ok()) << written.status();
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    return SecondsSince(start);
  }

  void RestartOne() {
    Say("restarts one node");
    Clock::time_point start = Clock::now();
    CHECK_EQ(cluster_.Stop(1), 0);
    report_.stop = SecondsSince(start);
    start = Clock::now();
    cluster_.Start(1);
    report_.start = AwaitReady(start, 1);
    Settle();
    AwaitLed(Clock::now(), {0, 1, 2}, static_cast<uint64_t>(options_.ranges));
  }

  // The store that leads most is lost: a third of the ranges at least.
  void LoseOne() {
    int victim = 0;
    for (int node = 1; node < kNodes; ++node) {
      if (Led({node}) > Led({victim})) victim = node;
    }
    std::vector<int> others;
    for (int node = 0; node < kNodes; ++node) {
      if (node != victim) others.push_back(node);
    }
    report_.lost_leaderships = Led({victim});
    const uint64_t kept = Led(others);
    Say(absl::StrCat("kills a store that leads ", report_.lost_leaderships, " ranges"));
    const Clock::time_point start = Clock::now();
    cluster_.Kill(victim);
    std::thread writer([&] { report_.sample_written = WriteSamples(start, others); });
    report_.half_led = AwaitLed(start, others, kept + report_.lost_leaderships / 2);
    report_.all_led = AwaitLed(start, others, static_cast<uint64_t>(options_.ranges));
    writer.join();
    cluster_.Start(victim);
    AwaitReady(Clock::now(), victim);
    Settle();
  }

  void RestartAll() {
    Say("kills and starts all");
    for (int node = 0; node < kNodes; ++node) cluster_.Kill(node);
    const Clock::time_point start = Clock::now();
    for (int node = 0; node < kNodes; ++node) cluster_.Start(node);
    for (int node = 0; node < kNodes; ++node) report_.ready_after_all = AwaitReady(start, node);
    std::thread writer([&] { report_.written_after_all = WriteSamples(start, {0, 1, 2}); });
    report_.led_after_all = AwaitLed(start, {0, 1, 2}, static_cast<uint64_t>(options_.ranges));
    writer.join();
  }

  const ScaleOptions options_;
  process::ServerCluster cluster_;
  ScaleReport report_;
};

}  // namespace

double ScaleReport::BytesPerRange(const IdleCost& cost) const {
  return (cost.memory_mib - first.memory_mib) * kMebibyte / std::max(1, ranges - 2);
}

ScaleReport RunScale(const ScaleOptions& options) {
  CHECK_GE(options.ranges, 8);
  return Run(options).Execute();
}

std::string ToString(const std::vector<ScaleReport>& reports) {
  using Column = std::function<std::string(const ScaleReport&)>;
  const auto number = [](const char* form, std::function<double(const ScaleReport&)> value) {
    return Column([form, value](const ScaleReport& report) {
      char text[64];
      std::snprintf(text, sizeof(text), form, value(report));
      return std::string(text);
    });
  };
  std::vector<std::pair<std::string, Column>> rows = {
      {"ranges", number("%.0f", [](const auto& r) { return r.ranges; })},
      {"made in, s", number("%.1f", [](const auto& r) { return r.made_in; })},
  };
  const auto add_idle = [&](const std::string& when, IdleCost ScaleReport::*idle) {
    const auto of = [&](const std::string& what, const char* form, double IdleCost::*value) {
      rows.emplace_back(absl::StrCat(what, ", ", when),
                        number(form, [=](const ScaleReport& r) { return r.*idle.*value; }));
    };
    of("memory of a node, MiB", "%.1f", &IdleCost::memory_mib);
    rows.emplace_back(
        absl::StrCat("memory of a node per range, KiB, ", when),
        number("%.2f", [=](const ScaleReport& r) { return r.BytesPerRange(r.*idle) / 1024; }));
    of("CPU of a node, % of a core", "%.2f", &IdleCost::cpu_percent);
    of("wire, all nodes, bytes/s", "%.0f", &IdleCost::wire_bytes);
    of("wire, all nodes, packets/s", "%.0f", &IdleCost::wire_packets);
    of("written by a node, bytes/s", "%.0f", &IdleCost::written_bytes);
    of("log records of a node, 1/s", "%.1f", &IdleCost::log_records);
    of("turns of a node, 1/s", "%.1f", &IdleCost::turns);
  };
  add_idle("two ranges", &ScaleReport::first);
  add_idle("after making them", &ScaleReport::grown);
  add_idle("after a restart", &ScaleReport::again);
  const auto add = [&](const std::string& what, const char* form, auto value) {
    rows.emplace_back(what, number(form, value));
  };
  add("stop of a node, s", "%.2f", [](const auto& r) { return r.stop; });
  add("start of a node until ready, s", "%.2f", [](const auto& r) { return r.start; });
  add("leaderships of the store lost", "%.0f", [](const auto& r) { return r.lost_leaderships; });
  add("half of them elsewhere after, s", "%.2f", [](const auto& r) { return r.half_led; });
  add("all of them elsewhere after, s", "%.2f", [](const auto& r) { return r.all_led; });
  add("sample of all ranges written after, s", "%.2f",
      [](const auto& r) { return r.sample_written; });
  add("restart of all: ready after, s", "%.2f", [](const auto& r) { return r.ready_after_all; });
  add("restart of all: all led after, s", "%.2f", [](const auto& r) { return r.led_after_all; });
  add("restart of all: sample written after, s", "%.2f",
      [](const auto& r) { return r.written_after_all; });
  std::string out;
  for (size_t i = 0; i < rows.size(); ++i) {
    absl::StrAppend(&out, "| ", rows[i].first);
    for (const ScaleReport& report : reports) absl::StrAppend(&out, " | ", rows[i].second(report));
    absl::StrAppend(&out, " |\n");
    if (i == 0) {
      absl::StrAppend(&out, "|---");
      for (size_t column = 0; column < reports.size(); ++column) absl::StrAppend(&out, "|---:");
      absl::StrAppend(&out, "|\n");
    }
  }
  return out;
}

}  // namespace rasputin::scale
