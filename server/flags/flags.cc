// The table of flags and its parser. Each flag is a row: name, placeholder, sentence, setter; the
// defaults shown are read from a default Flags value by the row's own getter.

#include "server/flags/flags.h"

#include <fstream>
#include <functional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rasputin::server {
namespace {

struct Flag {
  std::string name;
  std::string value;  // Placeholder; empty: takes no value.
  std::string sentence;
  std::function<std::string(const Flags&)> get;
  // Empty: taken. Otherwise what is wrong, as "must be ...".
  std::function<std::string(const std::string&, Flags*)> set;
};

Flag Text(const char* name, const char* value, std::string Flags::*field, const char* sentence) {
  return {name, value, sentence, [field](const Flags& flags) { return flags.*field; },
          [field](const std::string& text, Flags* flags) -> std::string {
            if (text.empty()) return "must not be empty";
            flags->*field = text;
            return "";
          }};
}

Flag Port(const char* name, int Flags::*field, const char* sentence) {
  return {name, "PORT", sentence,
          [field](const Flags& flags) { return absl::StrCat(flags.*field); },
          [field](const std::string& text, Flags* flags) -> std::string {
            int port = 0;
            if (!absl::SimpleAtoi(text, &port) || port < 1 || port > 65535) {
              return "must be a port from 1 to 65535";
            }
            flags->*field = port;
            return "";
          }};
}

Flag Number(const char* name, const char* unit, uint64_t Flags::*field, uint64_t min, uint64_t max,
            const char* sentence) {
  return {name, unit, sentence, [field](const Flags& flags) { return absl::StrCat(flags.*field); },
          [field, min, max](const std::string& text, Flags* flags) -> std::string {
            uint64_t number = 0;
            if (!absl::SimpleAtoi(text, &number) || number < min || number > max) {
              return absl::StrCat("must be a number from ", min, " to ", max);
            }
            flags->*field = number;
            return "";
          }};
}

Flag Switch(const char* name, bool Flags::*field, const char* sentence) {
  return {name, "", sentence, [](const Flags&) { return std::string(); },
          [field](const std::string& text, Flags* flags) -> std::string {
            if (!text.empty() && text != "true" && text != "false") return "must be true or false";
            flags->*field = text != "false";
            return "";
          }};
}

bool IsHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 1 && port <= 65535;
}

Flag SeedPeers() {
  return {"seed-peers", "HOST:PORT,...",
          "Peer addresses of the first nodes, the same list on each of them; a node that is not "
          "among them joins their cluster.",
          [](const Flags& flags) { return absl::StrJoin(flags.seed_peers, ","); },
          [](const std::string& text, Flags* flags) -> std::string {
            flags->seed_peers.clear();
            for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
              part = absl::StripAsciiWhitespace(part);
              if (!IsHostPort(part)) {
                return "must be a list like node1:7770,node2:7770,node3:7770";
              }
              flags->seed_peers.emplace_back(part);
            }
            return "";
          }};
}

Flag Locality() {
  return {"locality", "LABEL=VALUE,...", "Failure domains of this node, for example zone=a,rack=b.",
          [](const Flags& flags) {
            return absl::StrJoin(flags.locality, ",", absl::PairFormatter("="));
          },
          [](const std::string& text, Flags* flags) -> std::string {
            flags->locality.clear();
            for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
              const std::pair<std::string, std::string> label =
                  absl::StrSplit(part, absl::MaxSplits('=', 1));
              if (label.first.empty() || label.second.empty()) return "must be like zone=a,rack=b";
              flags->locality.insert(label);
            }
            return "";
          }};
}

Flag ClockRateError() {
  return {
      "clock-rate-error-max", "RATIO",
      "Largest rate error of any clock that leases must survive; must be the same on all nodes.",
      [](const Flags& flags) { return absl::StrCat(flags.clock_rate_error_max); },
      [](const std::string& text, Flags* flags) -> std::string {
        double ratio = 0;
        if (!absl::SimpleAtod(text, &ratio) || !(ratio >= 0 && ratio <= 0.2)) {
          return "must be a ratio from 0 to 0.2";
        }
        flags->clock_rate_error_max = ratio;
        return "";
      }};
}

std::vector<Flag> AddressFlags() {
  return {
      Port("peer-port", &Flags::peer_port, "Port for other nodes."),
      Port("cli-port", &Flags::cli_port, "Port for clients (gRPC)."),
      Port("http-port", &Flags::http_port,
           "Port for /metrics, /healthz, /readyz and the status page."),
      SeedPeers(),
      Number("first-replicas", "COUNT", &Flags::first_replicas, 1, 9,
             "On how many of the seeds `cluster init` places the first ranges; what the first of "
             "the sorted seeds says counts."),
      Text("advertise-host", "HOST", &Flags::advertise_host,
           "Name or address at which others reach this node (default: the host name)."),
      Text(
          "listen-host", "HOST", &Flags::listen_host,
          "Address to listen on (default: 127.0.0.1 if --advertise-host is of the loopback or with "
          "--dev, otherwise 0.0.0.0)."),
      Locality(),
  };
}

std::vector<Flag> SizeFlags() {
  return {
      Number("log-segment-bytes", "BYTES", &Flags::log_segment_bytes, 1 << 20, 1 << 30,
             "Size of a segment file of the shared log."),
      Number("log-reserve-bytes", "BYTES", &Flags::log_reserve_bytes, 0, uint64_t{1} << 40,
             "Log files kept in reserve: when the disk is full, writes are refused and votes and "
             "leases go there."),
      Number("log-cache-bytes", "BYTES", &Flags::log_cache_bytes, 1 << 20, uint64_t{1} << 40,
             "Recent log entries kept in memory."),
      Number("log-live-bytes-max", "BYTES", &Flags::log_live_bytes_max, 64 << 20, uint64_t{1} << 42,
             "Size of the log beyond which state is flushed so that the log can be cut."),
      Number("flush-bytes", "BYTES", &Flags::flush_bytes, 1 << 20, uint64_t{1} << 36,
             "Unflushed state beyond which it is flushed."),
      Number("scrub-bytes-per-second", "BYTES", &Flags::scrub_bytes_per_second, 0,
             uint64_t{1} << 36,
             "How fast the engine's tables are read to find damage before it matters; 0: never."),
      Number("block-cache-bytes", "BYTES", &Flags::block_cache_bytes, 1 << 20, uint64_t{1} << 42,
             "Memory for blocks of the state engine."),
      Number("message-bytes-max", "BYTES", &Flags::message_bytes_max, 1 << 20, 256 << 20,
             "Largest message taken on any port."),
      Number("client-memory-bytes", "BYTES", &Flags::client_memory_bytes, 16 << 20,
             uint64_t{1} << 42, "Memory that client connections may take."),
      Number("peer-memory-bytes", "BYTES", &Flags::peer_memory_bytes, 16 << 20, uint64_t{1} << 42,
             "Memory that peer connections may take."),
  };
}

// What ranges do for themselves.
std::vector<Flag> RangeFlags() {
  return {
      Switch("autopilot", &Flags::autopilot,
             "Splits and merges ranges by itself where they are too large, too busy, or too small "
             "(default: true; what is decided is in the log, `rasputin explain` and `top`)."),
      Number("autopilot-splits-max", "COUNT", &Flags::autopilot_splits_max, 0, 1000,
             "Splits under way at a time on this store; 0: none by itself."),
      Number("autopilot-merges-max", "COUNT", &Flags::autopilot_merges_max, 0, 1000,
             "Merges under way at a time on this store; 0: none by itself."),
      Number("merge-age-seconds", "SECONDS", &Flags::merge_age_seconds, 1, 1000000,
             "Age since its last split below which a range is not merged by itself."),
  };
}

std::vector<Flag> SplitFlags() {
  constexpr uint64_t kMost = uint64_t{1} << 42;
  return {
      Number("split-size-bytes", "BYTES", &Flags::split_size_bytes, 1 << 10, kMost,
             "Data of a range beyond which it splits; beyond twice as much it takes no more. A "
             "collection may have its own, as of the next four."),
      Number("split-requests-per-second", "COUNT", &Flags::split_requests_per_second, 1, kMost,
             "Reads and writes of a range beyond which it splits."),
      Number("split-cpu-millicores", "MILLICORES", &Flags::split_cpu_millicores, 1, 1 << 20,
             "Time of a processor for a range, in thousandths of a core, beyond which it splits."),
      Number("split-read-bytes-per-second", "BYTES", &Flags::split_read_bytes_per_second, 1, kMost,
             "What reads of a range return beyond which it splits."),
      Number("split-written-bytes-per-second", "BYTES", &Flags::split_written_bytes_per_second, 1,
             kMost, "What writes of a range bring beyond which it splits."),
      Number("split-small-size-bytes", "BYTES", &Flags::split_small_size_bytes, 1 << 10, kMost,
             "While there are few ranges, one splits at so many bytes for each that there is, up "
             "to --split-size-bytes."),
      Number("split-sustained-seconds", "SECONDS", &Flags::split_sustained_seconds, 2, 10,
             "For how long a load must last before its range splits."),
      Number("split-pause-seconds", "SECONDS", &Flags::split_pause_seconds, 0, 86400,
             "From one attempt to split a range to the next."),
  };
}

std::vector<Flag> PlacementFlags() {
  return {
      Switch("placement", &Flags::placement,
             "While this node's store leads the meta range, it moves replicas and leaderships to "
             "where they belong (default: true). To stop that for a while in the whole cluster: "
             "`rasputin plan pause`."),
      Number("store-dead-after-seconds", "S", &Flags::store_dead_after_seconds, 1, 86400 * 7,
             "A store that was silent for so long is given up: its replicas are made anew on other "
             "stores."),
      Number("moves-max", "COUNT", &Flags::moves_max, 1, 1000,
             "Replicas that are moved at once in the whole cluster."),
      Number("moves-per-store-max", "COUNT", &Flags::moves_per_store_max, 1, 100,
             "Replicas that are moved at once to a store, and from a store."),
      Number("transfers-max", "COUNT", &Flags::transfers_max, 1, 1000,
             "Leaderships that are handed over at once in the whole cluster."),
  };
}

std::vector<Flag> QueueFlags() {
  constexpr uint64_t kRequestsMax = 1 << 24;
  constexpr uint64_t kBytesMax = uint64_t{1} << 40;
  return {
      Number("range-requests-max", "COUNT", &Flags::range_requests_max, 1, kRequestsMax,
             "Requests to one range led here that wait or are under way; more are refused."),
      Number("range-request-bytes-max", "BYTES", &Flags::range_request_bytes_max, 1, kBytesMax,
             "The same in bytes of requests."),
      Number("collection-requests-max", "COUNT", &Flags::collection_requests_max, 1, kRequestsMax,
             "Requests to all ranges of one collection led here that wait or are under way; beyond "
             "it, those of the range with the most are refused."),
      Number("collection-request-bytes-max", "BYTES", &Flags::collection_request_bytes_max, 1,
             kBytesMax, "The same in bytes of requests."),
      Number("node-requests-max", "COUNT", &Flags::node_requests_max, 1, kRequestsMax,
             "Requests to all ranges led here that wait or are under way; beyond it, those of the "
             "collection with the most are refused."),
      Number("node-request-bytes-max", "BYTES", &Flags::node_request_bytes_max, 1, kBytesMax,
             "The same in bytes of requests."),
      Number("queue-wait-ms-max", "MS", &Flags::queue_wait_ms_max, 10, 600000,
             "A request is refused if its range would need longer than this for what waits before "
             "it."),
      Number("calls-max", "COUNT", &Flags::calls_max, 1, kRequestsMax,
             "Calls of clients without an answer at this node, for whatever range; more are "
             "refused."),
      Number("call-bytes-max", "BYTES", &Flags::call_bytes_max, 1, kBytesMax,
             "The same in bytes of requests."),
  };
}

std::vector<Flag> AllFlags() {
  std::vector<Flag> flags = AddressFlags();
  flags.push_back(Text("storage-dir", "DIR", &Flags::storage_dir,
                       "Where log and state are kept; made if it is missing."));
  flags.push_back(
      Text("logfile", "FILE", &Flags::logfile, "Where messages go (default: standard error)."));
  flags.push_back({"config", "FILE",
                   "Reads flags from a file of lines 'name = value'; the command line wins.",
                   [](const Flags&) { return std::string(); }, nullptr});
  flags.push_back(Switch("join-as-new-store", &Flags::join_as_new_store,
                         "Joins the cluster of --seed-peers as another store though it names this "
                         "node: for a seed that lost its directory for good. Without effect once "
                         "there is a store in --storage-dir."));
  flags.push_back(Switch("quarantine-rejoin", &Flags::quarantine_rejoin,
                         "Sets a damaged store aside and joins the cluster as a new store that "
                         "replaces it (default: true; if false, the node waits for an operator)."));
  flags.push_back(Switch("dev", &Flags::dev,
                         "One node, initialised, on the loopback; in a temporary directory unless "
                         "--storage-dir is given."));
  flags.push_back(
      Number("lease-duration-ms", "MS", &Flags::lease_duration_ms, 100, 60000,
             "Length D of a leader's lease; must be the same on all nodes, or no leases "
             "are exchanged between them."));
  flags.push_back(ClockRateError());
  for (Flag& flag : SizeFlags()) flags.push_back(std::move(flag));
  for (Flag& flag : RangeFlags()) flags.push_back(std::move(flag));
  for (Flag& flag : SplitFlags()) flags.push_back(std::move(flag));
  for (Flag& flag : PlacementFlags()) flags.push_back(std::move(flag));
  for (Flag& flag : QueueFlags()) flags.push_back(std::move(flag));
  flags.push_back(Number("connection-streams-max", "COUNT", &Flags::connection_streams_max, 1,
                         65536, "Calls in flight on one connection of a client; more wait."));
  flags.push_back(Number("shutdown-timeout-ms", "MS", &Flags::shutdown_timeout_ms, 0, 60000,
                         "How long a stop waits for leaderships to be handed over."));
  flags.push_back(Switch("help", &Flags::help, "Shows this text."));
  flags.push_back(Switch("version", &Flags::version, "Shows the version."));
  return flags;
}

using Assignment = std::pair<std::string, std::string>;  // Name without dashes, value.

const Flag* FindFlag(const std::vector<Flag>& table, const std::string& name) {
  for (const Flag& flag : table) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

absl::Status Unknown(const std::string& name) {
  return absl::InvalidArgumentError(
      absl::StrCat("unknown flag --", name, "; see rasputind --help"));
}

absl::StatusOr<std::vector<Assignment>> SplitArguments(const std::vector<Flag>& table,
                                                       const std::vector<std::string>& arguments) {
  std::vector<Assignment> assignments;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view text = arguments[i];
    if (!absl::ConsumePrefix(&text, "--") || text.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument '", arguments[i], "'; see rasputind --help"));
    }
    const Assignment split = absl::StrSplit(text, absl::MaxSplits('=', 1));
    const Flag* flag = FindFlag(table, split.first);
    if (flag == nullptr) return Unknown(split.first);
    if (text.find('=') != absl::string_view::npos || flag->value.empty()) {
      assignments.push_back(split);
      continue;
    }
    if (++i == arguments.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", flag->name, " takes a value: --", flag->name, "=", flag->value));
    }
    assignments.emplace_back(flag->name, arguments[i]);
  }
  return assignments;
}

absl::StatusOr<std::vector<Assignment>> ReadConfig(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read --config file ", path));
  std::vector<Assignment> assignments;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text[0] == '#') continue;
    const Assignment split = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (text.find('=') == absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": expected a line 'name = value'"));
    }
    assignments.emplace_back(absl::StripAsciiWhitespace(split.first),
                             absl::StripAsciiWhitespace(split.second));
  }
  return assignments;
}

absl::Status Assign(const std::vector<Flag>& table, const std::vector<Assignment>& assignments,
                    Flags* flags) {
  for (const auto& [name, value] : assignments) {
    const Flag* flag = FindFlag(table, name);
    if (flag == nullptr) return Unknown(name);
    if (flag->set == nullptr) continue;
    const std::string problem = flag->set(value, flags);
    if (!problem.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", name, " ", problem, ", not '", value, "'"));
    }
  }
  return absl::OkStatus();
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

absl::Status Complete(Flags* flags) {
  if (flags->dev && flags->advertise_host.empty()) flags->advertise_host = "127.0.0.1";
  if (flags->listen_host.empty()) {
    flags->listen_host = IsLoopback(flags->advertise_host) ? "127.0.0.1" : "0.0.0.0";
  }
  if (flags->peer_port == flags->cli_port || flags->peer_port == flags->http_port ||
      flags->cli_port == flags->http_port) {
    return absl::InvalidArgumentError(
        absl::StrCat("--peer-port, --cli-port and --http-port must differ, not ", flags->peer_port,
                     ", ", flags->cli_port, " and ", flags->http_port));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments) {
  const std::vector<Flag> table = AllFlags();
  absl::StatusOr<std::vector<Assignment>> given = SplitArguments(table, arguments);
  if (!given.ok()) return given.status();
  Flags flags;
  const std::string unnamed = flags.storage_dir;
  flags.storage_dir.clear();
  for (const auto& [name, value] : *given) {
    if (name != "config") continue;
    absl::StatusOr<std::vector<Assignment>> read = ReadConfig(value);
    if (!read.ok()) return read.status();
    const absl::Status status = Assign(table, *read, &flags);
    if (!status.ok())
      return absl::InvalidArgumentError(absl::StrCat(value, ": ", status.message()));
  }
  absl::Status status = Assign(table, *given, &flags);
  // A development node takes a temporary directory unless one is named.
  if (flags.storage_dir.empty() && !flags.dev) flags.storage_dir = unnamed;
  if (status.ok()) status = Complete(&flags);
  if (!status.ok()) return status;
  return flags;
}

std::string DescribeFlags() {
  std::string text =
      "rasputind, the server of Rasputin.\n\n"
      "  rasputind --seed-peers=node1:7770,node2:7770,node3:7770 --storage-dir=DIR\n"
      "  rasputind --dev\n"
      "  rasputind recover --help    (for ranges whose majority is lost for good; the node stopped)"
      "\n\nFlags (--name=value or --name value):\n";
  const Flags defaults;
  for (const Flag& flag : AllFlags()) {
    const std::string value = flag.get(defaults);
    absl::StrAppend(&text, "  --", flag.name, flag.value.empty() ? "" : "=" + flag.value,
                    "\n      ", flag.sentence,
                    value.empty() ? "" : absl::StrCat(" Default: ", value, "."), "\n");
  }
  return text;
}

}  // namespace rasputin::server
