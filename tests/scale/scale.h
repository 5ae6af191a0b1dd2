// What many idle ranges cost: three real servers, R ranges, everything measured.
//
// One run starts a cluster, measures it with its first two ranges, splits until there are R, and
// measures: memory, processor, wire and disk while nobody asks anything; a restart of one node;
// the loss of a store; a restart of all. The clocks are those of the machine: the figures say
// something only if it has nothing else to do. See README.md for what each figure is.

#ifndef RASPUTIN_TESTS_SCALE_SCALE_H_
#define RASPUTIN_TESTS_SCALE_SCALE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace rasputin::scale {

struct ScaleOptions {
  std::string binary;        // Path of rasputind.
  std::string directory;     // Existing; data and logs go to a new folder in it.
  int ranges = 1000;         // All in all, the meta range included; at least 8.
  int idle_seconds = 60;     // Of each measurement of idleness.
  int samples = 100;         // Keys, in different ranges, that are written to see that they can be.
  int callers = 48;          // Splits under way at once.
  bool own_network = false;  // EnterOwnNetwork succeeded: the wire can be measured.
  std::vector<std::string> flags;  // For every server.
};

// Of one node, per second, or per range.
struct IdleCost {
  double memory_mib = 0;     // Anonymous resident memory, mean of the nodes.
  double cpu_percent = 0;    // Of one core, mean of the nodes.
  double wire_bytes = 0;     // Per second, all nodes together; negative: not measured.
  double wire_packets = 0;   // Likewise.
  double written_bytes = 0;  // Per second, mean of the nodes.
  double log_records = 0;    // Likewise: appended to the shared log.
  double turns = 0;          // Likewise: turns of the shard.
};

// Times in seconds.
struct ScaleReport {
  int ranges = 0;
  IdleCost first;  // Two ranges.
  IdleCost grown;  // All ranges, in the processes that made them.
  IdleCost again;  // All ranges, after a restart of all.
  double made_in = 0;
  double stop = 0;   // SIGTERM to a node that leads a third, until its process has ended.
  double start = 0;  // Until that node is ready again.
  uint64_t lost_leaderships = 0;  // What the store that was killed led.
  double half_led = 0;            // After the kill, until half of these are led by the others,
  double all_led = 0;             // and until all are.
  double sample_written = 0;      // After the kill, until all samples are written.
  double ready_after_all = 0;     // After kill and start of all: until all are ready,
  double led_after_all = 0;       // until all ranges are led,
  double written_after_all = 0;   // and until all samples are written.

  // Bytes of memory of a node per range more.
  double BytesPerRange(const IdleCost& cost) const;
};

// CHECK-fails if a step takes unreasonably long (ten minutes), or a call is refused.
ScaleReport RunScale(const ScaleOptions& options);

// A table, one column per report.
std::string ToString(const std::vector<ScaleReport>& reports);

}  // namespace rasputin::scale

#endif  // RASPUTIN_TESTS_SCALE_SCALE_H_
