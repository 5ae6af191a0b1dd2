// The flags of rasputind: one table with defaults, units and sentences; file and command line.
//
// Pure: reads nothing but its arguments, except that a --config file is read. The command line wins
// over the file. Errors are one sentence for the user.

#ifndef RASPUTIN_SERVER_FLAGS_FLAGS_H_
#define RASPUTIN_SERVER_FLAGS_FLAGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rasputin::server {

// What rasputind was asked to do. The defaults are those of the flags.
struct Flags {
  // Addresses.
  int peer_port = 7770;
  int cli_port = 8880;
  int http_port = 9090;
  std::string listen_host;     // After parsing never empty; see DescribeFlags().
  std::string advertise_host;  // Empty: the host name of this machine.
  std::vector<std::string> seed_peers;
  std::map<std::string, std::string> locality;

  // Files.
  std::string storage_dir = "rasputin-data";
  std::string logfile;  // Empty: standard error.

  // Protocol.
  uint64_t lease_duration_ms = 2000;
  double clock_rate_error_max = 0.01;

  // Sizes in bytes.
  uint64_t log_segment_bytes = 16 << 20;
  uint64_t log_reserve_bytes = 64 << 20;
  uint64_t log_cache_bytes = 64 << 20;
  uint64_t log_live_bytes_max = 1 << 30;
  uint64_t flush_bytes = 32 << 20;
  uint64_t scrub_bytes_per_second = 8 << 20;
  uint64_t block_cache_bytes = 128 << 20;
  uint64_t message_bytes_max = 20 << 20;
  uint64_t client_memory_bytes = 1 << 30;
  uint64_t peer_memory_bytes = 1 << 30;

  // When ranges split; see range/load/split_rules.h.
  uint64_t split_size_bytes = 256 << 20;
  uint64_t split_small_size_bytes = 16 << 20;
  uint64_t split_requests_per_second = 2500;
  uint64_t split_cpu_millicores = 500;
  uint64_t split_read_bytes_per_second = 30 << 20;
  uint64_t split_written_bytes_per_second = 8 << 20;
  uint64_t split_sustained_seconds = 10;
  uint64_t split_pause_seconds = 60;

  // Counts and times.
  uint64_t connection_streams_max = 1024;

  // Back-pressure: what may wait, or be under way, at this node.
  uint64_t range_requests_max = 4096;
  uint64_t range_request_bytes_max = 32 << 20;
  uint64_t collection_requests_max = 8192;
  uint64_t collection_request_bytes_max = 64 << 20;
  uint64_t node_requests_max = 16384;
  uint64_t node_request_bytes_max = 256 << 20;
  uint64_t queue_wait_ms_max = 500;
  uint64_t calls_max = 65536;
  uint64_t call_bytes_max = 512 << 20;

  uint64_t shutdown_timeout_ms = 3000;
  uint64_t first_replicas = 3;

  // What ranges do for themselves.
  bool autopilot = true;
  uint64_t autopilot_splits_max = 4;
  uint64_t autopilot_merges_max = 1;
  uint64_t merge_age_seconds = 600;

  // Placement.
  uint64_t store_dead_after_seconds = 300;
  uint64_t moves_max = 8;
  uint64_t moves_per_store_max = 2;
  uint64_t transfers_max = 16;

  bool placement = true;
  bool join_as_new_store = false;
  bool quarantine_rejoin = true;
  bool dev = false;
  bool help = false;
  bool version = false;
};

// `arguments` without the program's name. INVALID_ARGUMENT names the flag and what it takes.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments);

// The text of --help: every flag with default, unit and a sentence.
std::string DescribeFlags();

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FLAGS_FLAGS_H_
