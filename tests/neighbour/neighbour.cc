// See neighbour.h.

#include "tests/neighbour/neighbour.h"

#include <arpa/inet.h>
#include <glog/logging.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/admin.h"
#include "client/bench/process_cpu.h"
#include "client/bench/workload.h"
#include "client/client.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "tests/process/server_cluster.h"

namespace rasputin::neighbour {
namespace {

constexpr char kHot[] = "hot";
constexpr char kNear[] = "near";
constexpr uint64_t kKeys = 4096;
constexpr size_t kValueBytes = 256;
constexpr size_t kLargeBytes = 256 << 10;
constexpr int kBatchOperations = 100;
constexpr int kScanRows = 500;
constexpr int kRequests = 512;       // Different ones of a stream.
constexpr uint32_t kFullLoop = 256;  // Calls under way that show the capacity.
// Lower than what else the machine does, if the system lets us; the near range's clients come
// first, as they measure, and the hot one's last, as they would be on other machines.
constexpr int kServerNiceness = -10;
constexpr int kHotNiceness = -5;
constexpr int kNearNiceness = -15;
constexpr std::chrono::seconds kSettle(2);

std::string MethodOf(Hot hot) {
  const char* name = hot == Hot::kGet     ? "Get"
                     : hot == Hot::kBatch ? "Batch"
                     : hot == Hot::kScan  ? "Scan"
                                          : "Set";
  return absl::StrCat("/rasputin.kv.v1.KvService/", name);
}

std::string GetOf(const std::string& collection, uint64_t key) {
  kv::v1::GetRequest get;
  get.set_collection(collection);
  get.set_key(client::BenchKey(key));
  return get.SerializeAsString();
}

std::string SetOf(const std::string& collection, uint64_t key, size_t bytes) {
  kv::v1::SetRequest set;
  set.set_collection(collection);
  set.set_key(client::BenchKey(key));
  set.set_value(client::BenchValue(key, bytes));
  return set.SerializeAsString();
}

std::string BatchOf(const std::string& collection, uint64_t first, int operations) {
  kv::v1::BatchRequest batch;
  batch.set_collection(collection);
  for (int i = 0; i < operations; ++i) {
    const uint64_t key = (first + static_cast<uint64_t>(i)) % kKeys;
    auto* set = batch.add_operations()->mutable_set();
    set->set_key(client::BenchKey(key));
    set->set_value(client::BenchValue(key, kValueBytes));
  }
  return batch.SerializeAsString();
}

std::string ScanOf(uint64_t first) {
  kv::v1::ScanRequest scan;
  scan.set_collection(kHot);
  scan.set_start(client::BenchKey(first % (kKeys - kScanRows)));
  scan.set_limit(kScanRows);
  return scan.SerializeAsString();
}

std::vector<std::string> HotRequests(Hot hot) {
  std::vector<std::string> requests;
  for (int i = 0; i < (hot == Hot::kLarge ? 16 : kRequests); ++i) {
    const uint64_t key = static_cast<uint64_t>(i) * 7919 % kKeys;
    requests.push_back(hot == Hot::kGet     ? GetOf(kHot, key)
                       : hot == Hot::kSet   ? SetOf(kHot, key, kValueBytes)
                       : hot == Hot::kBatch ? BatchOf(kHot, key, kBatchOperations)
                       : hot == Hot::kScan  ? ScanOf(key)
                                            : SetOf(kHot, key, kLargeBytes));
  }
  return requests;
}

// The body of GET /metrics; "" if nobody answers.
std::string Metrics(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  PCHECK(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string text;
  const std::string request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return text;
}

// Value of the first line that begins with `name`; 0: there is none.
double MetricOf(const std::string& metrics, const std::string& name) {
  const size_t at = metrics.find("\n" + name + " ");
  return at == std::string::npos ? 0 : std::strtod(metrics.c_str() + at + name.size() + 2, nullptr);
}

// What the process of the hot range's clients is told.
struct Driver {
  std::string address;
  Hot hot = Hot::kGet;
  uint32_t connections = 1;
  uint32_t outstanding = 1;
  double rate = 0;
  bool heeds_advice = false;
  std::chrono::milliseconds warmup{0};
  std::chrono::milliseconds duration{0};
};

std::string ToArguments(const Driver& driver) {
  return absl::StrCat("drive ", driver.address, " ", NameOf(driver.hot), " ", driver.connections,
                      " ", driver.outstanding, " ", driver.rate, " ", driver.heeds_advice ? 1 : 0,
                      " ", driver.warmup.count(), " ", driver.duration.count());
}

double Ms(const StreamResult& result, double share) {
  return static_cast<double>(result.latency.Percentile(share)) / 1e6;
}

// One binary's servers, and the two collections.
class Bench {
 public:
  Bench(const NeighbourOptions& options, const std::string& binary)
      : options_(options),
        binary_(binary),
        cluster_({3, binary, options.directory, options.flags}) {
    setpriority(PRIO_PROCESS, 0, kServerNiceness);  // What is started inherits it.
    for (int node = 0; node < 3; ++node) cluster_.Start(node);
    cluster_.Init();
    client::ClientOptions client_options;
    client_options.endpoints = cluster_.ClientAddresses();
    client_options.deadline = std::chrono::seconds(30);
    client::Admin admin(client_options);
    for (const char* name : {kHot, kNear}) {
      admin::v1::CreateCollectionRequest request;
      request.set_name(name);
      request.set_type(type::v1::COLLECTION_TYPE_KV);
      const auto created = admin.CreateCollection(request);
      CHECK(created.ok()) << created.status();
    }
    Fill(client_options);
    Gather(&admin);
  }

  NeighbourRow Run(Hot hot) {
    NeighbourRow row;
    row.binary = binary_;
    row.hot = hot;
    std::this_thread::sleep_for(kSettle);
    const uint64_t before = LeadersChanged();
    row.alone = MeasureNear([] {});
    Driver driver;
    driver.address = options_.hot_by_other_node ? other_ : leader_;
    driver.hot = hot;
    driver.connections = options_.hot_connections;
    driver.outstanding = kFullLoop;
    driver.warmup = options_.warmup;
    driver.duration = options_.duration;
    row.capacity = End(Begin(driver)).answered;
    std::this_thread::sleep_for(kSettle);
    driver.outstanding = options_.hot_outstanding;
    driver.heeds_advice = options_.hot_heeds_advice;
    if (!options_.hot_heeds_advice) row.asked = driver.rate = options_.factor * row.capacity;
    // From before the first call of the near range until after its last.
    driver.duration += 2 * options_.warmup;
    FILE* process = Begin(driver);
    row.beside = MeasureNear([&row, this] { row.others_share = OthersShare(); });
    row.driven = End(process);
    row.leaders_changed = LeadersChanged() - before;
    return row;
  }

 private:
  void Fill(const client::ClientOptions& client_options) {
    client::Client client(client_options);
    for (const char* name : {kHot, kNear}) {
      for (uint64_t key = 0; key < kKeys; key += 256) {
        kv::v1::BatchRequest batch;
        CHECK(batch.ParseFromString(BatchOf(name, key, 256)));
        const auto written = client.Batch(batch);
        CHECK(written.ok()) << written.status();
      }
    }
  }

  // Both ranges under one leader: store 1, whose node is found.
  void Gather(client::Admin* admin) {
    const auto stores = admin->ListStores();
    CHECK(stores.ok()) << stores.status();
    const auto& leader = stores->stores(0);
    leader_ = leader.client_address();
    for (int node = 0; node < 3; ++node) {
      if (cluster_.ClientAddress(node) != leader_) other_ = cluster_.ClientAddress(node);
    }
    for (const char* name : {kHot, kNear}) {
      const auto routes = admin->ListRanges(name);
      CHECK(routes.ok()) << routes.status();
      for (const admin::v1::RangeRoute& route : *routes) {
        if (route.leader_store_id() == leader.store_id()) continue;
        const auto moved = admin->TransferLease(route.range().range_id(), leader.store_id());
        CHECK(moved.ok()) << moved.status();
      }
    }
  }

  FILE* Begin(const Driver& driver) {
    FILE* process =
        popen(absl::StrCat("exec ", options_.self, " ", ToArguments(driver)).c_str(), "r");
    PCHECK(process != nullptr);
    return process;
  }

  static Driven End(FILE* process) {
    std::string text;
    char buffer[4096];
    while (fgets(buffer, sizeof(buffer), process) != nullptr) text += buffer;
    CHECK_EQ(pclose(process), 0) << text;
    std::istringstream words(text);
    Driven driven;
    words >> driven.offered >> driven.answered >> driven.refused >> driven.failed >> driven.p50_ms;
    CHECK(words) << text;
    std::getline(words >> std::ws, driven.first_error);
    return driven;
  }

  NearResult MeasureNear(const std::function<void()>& meanwhile) {
    StreamOptions options;
    options.address = leader_;
    options.connections = 4;
    options.niceness = kNearNiceness;
    options.outstanding_max = 4096;
    options.warmup = 2 * options_.warmup;
    options.duration = options_.duration;
    options.seed = 2;
    StreamOptions sets = options;
    options.method = MethodOf(Hot::kGet);
    options.rate = options_.near_gets;
    sets.method = MethodOf(Hot::kSet);
    sets.rate = options_.near_sets;
    for (uint64_t i = 0; i < kRequests; ++i) {
      options.requests.push_back(GetOf(kNear, i * 7919 % kKeys));
      sets.requests.push_back(SetOf(kNear, i * 7919 % kKeys, kValueBytes));
    }
    CallStream get_stream(options);
    CallStream set_stream(sets);
    get_stream.Start();
    set_stream.Start();
    std::this_thread::sleep_for(options.warmup);
    meanwhile();
    return {get_stream.Finish(), set_stream.Finish()};
  }

  double OursSeconds() const {
    double seconds = client::OwnCpuSeconds();
    for (int node = 0; node < 3; ++node) {
      seconds += client::ProcessCpuSeconds(cluster_.pid(node)).value_or(0);
    }
    return seconds;
  }

  // Takes half of the duration.
  double OthersShare() const {
    const double machine = client::MachineBusySeconds();
    const double ours = OursSeconds();
    const auto time = options_.duration / 2;
    std::this_thread::sleep_for(time);
    const double others = client::MachineBusySeconds() - machine - (OursSeconds() - ours);
    return std::max(0.0, others) / std::chrono::duration<double>(time).count() /
           std::thread::hardware_concurrency();
  }

  uint64_t LeadersChanged() const {
    double changed = 0;
    for (int node = 0; node < 3; ++node) {
      const std::string metrics = Metrics(cluster_.HttpPort(node));
      CHECK(!metrics.empty());
      for (const char* type : {"became-leader", "lease-ended"}) {
        changed +=
            MetricOf(metrics, absl::StrCat("rasputin_protocol_events_total{type=\"", type, "\"}"));
      }
    }
    return static_cast<uint64_t>(changed);
  }

  const NeighbourOptions& options_;
  const std::string binary_;
  process::ServerCluster cluster_;
  std::string leader_;
  std::string other_;
};

std::string NearLine(const char* what, const StreamResult& alone, const StreamResult& beside) {
  std::string line = absl::StrFormat("  near %-4s", what);
  for (const double share : {0.5, 0.99, 0.999}) {
    absl::StrAppendFormat(&line, "  p%-4g %7.2f -> %8.2f ms (x%.1f)", share * 100, Ms(alone, share),
                          Ms(beside, share), Ms(beside, share) / std::max(1e-3, Ms(alone, share)));
  }
  absl::StrAppendFormat(&line, "  refused %d failed %d not sent %d of %d\n", beside.refused,
                        beside.failed, beside.not_sent,
                        beside.answered + beside.refused + beside.failed + beside.not_sent);
  return line;
}

}  // namespace

const char* NameOf(Hot hot) {
  switch (hot) {
    case Hot::kGet:
      return "get";
    case Hot::kSet:
      return "set";
    case Hot::kBatch:
      return "batch";
    case Hot::kScan:
      return "scan";
    case Hot::kLarge:
      return "large";
  }
  LOG(FATAL) << "no such load: " << static_cast<int>(hot);
}

bool ParseHot(const std::string& name, Hot* hot) {
  for (const Hot one : {Hot::kGet, Hot::kSet, Hot::kBatch, Hot::kScan, Hot::kLarge}) {
    if (name != NameOf(one)) continue;
    *hot = one;
    return true;
  }
  return false;
}

std::string NeighbourTable(const std::vector<NeighbourRow>& rows) {
  std::string table;
  for (const NeighbourRow& row : rows) {
    absl::StrAppendFormat(
        &table,
        "hot %-5s by %s\n  capacity %.0f/s, asked for %s, sent %.0f/s (x%.1f), answered %.0f/s, "
        "refused %.0f/s, failed %d; p50 %.1f ms; leaders changed %d; others took %.0f%% of the "
        "machine\n",
        NameOf(row.hot), row.binary, row.capacity,
        row.asked > 0 ? absl::StrFormat("%.0f/s", row.asked) : std::string("a closed loop"),
        row.driven.offered, row.driven.offered / std::max(1.0, row.capacity), row.driven.answered,
        row.driven.refused, row.driven.failed, row.driven.p50_ms, row.leaders_changed,
        100 * row.others_share);
    table += NearLine("get", row.alone.gets, row.beside.gets);
    table += NearLine("set", row.alone.sets, row.beside.sets);
    for (const std::string& error :
         {row.driven.first_error, row.beside.gets.first_error, row.beside.sets.first_error}) {
      if (!error.empty()) absl::StrAppend(&table, "  error: ", error, "\n");
    }
  }
  return table;
}

int DriveHot(const std::vector<std::string>& arguments) {
  StreamOptions options;
  Hot hot = Hot::kGet;
  int heeds = 0;
  int64_t warmup_ms = 0;
  int64_t duration_ms = 0;
  if (arguments.size() != 8 || !ParseHot(arguments[1], &hot) ||
      !absl::SimpleAtoi(arguments[2], &options.connections) ||
      !absl::SimpleAtoi(arguments[3], &options.outstanding_max) ||
      !absl::SimpleAtod(arguments[4], &options.rate) || !absl::SimpleAtoi(arguments[5], &heeds) ||
      !absl::SimpleAtoi(arguments[6], &warmup_ms) ||
      !absl::SimpleAtoi(arguments[7], &duration_ms)) {
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Nothing is left running if the program dies.
  options.address = arguments[0];
  options.method = MethodOf(hot);
  options.requests = HotRequests(hot);
  options.heeds_advice = heeds != 0;
  options.niceness = kHotNiceness;
  options.warmup = std::chrono::milliseconds(warmup_ms);
  options.duration = std::chrono::milliseconds(duration_ms);
  CallStream stream(options);
  stream.Start();
  const StreamResult result = stream.Finish();
  std::cout << result.Offered() << " " << result.Rate() << " "
            << static_cast<double>(result.refused) / result.seconds << " " << result.failed << " "
            << Ms(result, 0.5) << " " << result.first_error << std::endl;
  return 0;
}

std::vector<NeighbourRow> RunNeighbour(const NeighbourOptions& options) {
  std::vector<NeighbourRow> rows;
  for (const Hot hot : options.hot) {
    for (const std::string& binary : options.binaries) {
      Bench bench(options, binary);
      rows.push_back(bench.Run(hot));
      std::cout << NeighbourTable({rows.back()}) << std::flush;
    }
  }
  return rows;
}

}  // namespace rasputin::neighbour
