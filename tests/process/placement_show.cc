// See placement_show.h. Polls the cluster as an operator would: what it waits for is an event of
// other processes.

#include "tests/process/placement_show.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/admin.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "tests/linearizability/checker.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr int kNodes = 4;
constexpr auto kLookPeriod = milliseconds(200);

class Show {
 public:
  explicit Show(const PlacementShowOptions& options);

  // Runs `done` until it is true or patience ends, under load.
  void Phase(const std::string& name, const std::function<bool()>& done);
  // So many seconds of load, to compare with.
  void Calm(const std::string& name);
  PlacementReport Finish();

  client::Admin* admin() { return admin_.get(); }
  ServerCluster* cluster() { return &cluster_; }
  std::vector<admin::v1::StoreStatus> Stores();
  int NodeOf(uint64_t store);
  // Ranges that have a replica there, or that have not three voters; nullopt: nobody answered.
  std::optional<size_t> RangesToMend(uint64_t gone);

 private:
  void SplitRanges();

  struct Span {
    PhaseFigures figures;
    int64_t begin_ns = 0;
    int64_t end_ns = 0;
  };

  const PlacementShowOptions options_;
  ServerCluster cluster_;
  std::unique_ptr<client::Admin> admin_;
  std::unique_ptr<Load> load_;
  std::map<uint64_t, int> nodes_;  // By store.
  std::vector<Span> spans_;
  PlacementReport report_;
};

ServerClusterOptions ClusterOf(const PlacementShowOptions& options) {
  ServerClusterOptions cluster;
  cluster.nodes = kNodes;
  cluster.binary = options.binary;
  cluster.directory = options.directory;
  cluster.flags = {"--first-replicas=3",
                   absl::StrCat("--store-dead-after-seconds=", options.dead_after)};
  cluster.placement = true;
  return cluster;
}

Show::Show(const PlacementShowOptions& options) : options_(options), cluster_(ClusterOf(options)) {
  for (int node = 0; node < kNodes; ++node) cluster_.Start(node);
  cluster_.Init();
  client::ClientOptions admin;
  admin.endpoints = cluster_.ClientAddresses();
  admin.deadline = seconds(60);
  admin_ = std::make_unique<client::Admin>(admin);
  SplitRanges();
  for (const admin::v1::StoreStatus& status : Stores()) {
    for (int node = 0; node < kNodes; ++node) {
      const bool here = status.store().client_address() == cluster_.ClientAddress(node);
      if (here) nodes_[status.store().store_id()] = node;
    }
  }
  CHECK_EQ(nodes_.size(), size_t{kNodes});
  LoadOptions load;
  load.endpoints = cluster_.ClientAddresses();
  load.workers = options_.workers;
  load_ = std::make_unique<Load>(load);
  load_->Start();
  load_->AwaitWrites(100, seconds(options_.patience));
}

// The load's keys are counter-N; ranges beyond their number hold keys behind each of them.
void Show::SplitRanges() {
  std::set<std::string> keys;
  for (int i = 1; i < options_.ranges; ++i) {
    const int counters = LoadOptions().counters;
    const std::string key = Load::Key(i % counters);
    keys.insert(i < counters ? key : absl::StrFormat("%s/%06d", key, i / counters));
  }
  for (const std::string& key : keys) {
    admin::v1::SplitRangeRequest request;
    request.set_split_key(key);
    const auto split = admin_->SplitRange(request);
    CHECK(split.ok()) << split.status();
  }
}

std::vector<admin::v1::StoreStatus> Show::Stores() {
  const auto response = admin_->ListStores();
  if (!response.ok()) return {};
  return {response->statuses().begin(), response->statuses().end()};
}

int Show::NodeOf(uint64_t store) { return nodes_.at(store); }

std::optional<size_t> Show::RangesToMend(uint64_t gone) {
  const auto routes = admin_->ListRanges("");
  if (!routes.ok()) return std::nullopt;
  size_t count = 0;
  for (const admin::v1::RangeRoute& route : *routes) {
    int voters = 0;
    bool there = false;
    for (const auto& replica : route.range().replicas()) {
      there |= replica.store_id() == gone;
      const bool plain = replica.role() == type::v1::REPLICA_ROLE_UNSPECIFIED ||
                         replica.role() == type::v1::REPLICA_ROLE_VOTER;
      voters += plain ? 1 : 0;
    }
    if (there || voters != 3) ++count;
  }
  return count;
}

void Show::Phase(const std::string& name, const std::function<bool()>& done) {
  Span span;
  span.figures.name = name;
  span.begin_ns = Load::NowNs();
  const auto end = Clock::now() + seconds(options_.patience);
  while (!span.figures.finished && Clock::now() < end) {
    span.figures.finished = done();
    if (!span.figures.finished) std::this_thread::sleep_for(kLookPeriod);
  }
  span.end_ns = Load::NowNs();
  if (!span.figures.finished) absl::StrAppend(&report_.unsettled, name, " did not end; ");
  spans_.push_back(std::move(span));
}

void Show::Calm(const std::string& name) {
  const auto end = Clock::now() + seconds(options_.calm);
  Phase(name, [end] { return Clock::now() >= end; });
}

PlacementReport Show::Finish() {
  load_->Stop();
  report_.failed = load_->failed();
  report_.counters = load_->JudgeCounters();
  const linearizability::Verdict verdict = linearizability::CheckLinearizable(load_->history());
  report_.linearizable = verdict.judgement == linearizability::Judgement::kLinearizable;
  report_.explanation = absl::StrCat(report_.counters.explanation, verdict.explanation);
  const std::vector<int64_t> writes = load_->WriteTimes();
  for (Span& span : spans_) {
    std::vector<double> took;
    for (const linearizability::Operation& one : load_->history()) {
      const bool inside = one.returned_ns >= span.begin_ns && one.returned_ns < span.end_ns;
      if (inside) took.push_back(static_cast<double>(one.returned_ns - one.called_ns) / 1e6);
    }
    std::sort(took.begin(), took.end());
    PhaseFigures& figures = span.figures;
    figures.seconds = static_cast<double>(span.end_ns - span.begin_ns) / 1e9;
    const auto written = std::count_if(writes.begin(), writes.end(), [&span](int64_t at) {
      return at >= span.begin_ns && at < span.end_ns;
    });
    figures.increments_per_second = static_cast<double>(written) / figures.seconds;
    if (!took.empty()) {
      figures.p50_ms = took[took.size() / 2];
      figures.p99_ms = took[took.size() * 99 / 100];
      figures.max_ms = took.back();
    }
    report_.phases.push_back(figures);
  }
  return report_;
}

}  // namespace

PlacementReport ShowLostStore(const PlacementShowOptions& options) {
  Show show(options);
  show.Phase("spread over four stores", [&show] {
    const auto stores = show.Stores();
    return stores.size() == size_t{kNodes} &&
           std::all_of(stores.begin(), stores.end(),
                       [](const auto& one) { return one.ranges() > 0; });
  });
  show.Calm("before");
  uint64_t lost = 0;
  for (const admin::v1::StoreStatus& one : show.Stores()) {
    if (one.leaders() > 0) lost = one.store().store_id();
  }
  CHECK_NE(lost, 0u) << "no store leads anything";
  show.cluster()->Kill(show.NodeOf(lost));
  show.Phase("a store is lost, until all is rebuilt",
             [&show, lost] { return show.RangesToMend(lost) == size_t{0}; });
  show.Calm("after");
  return show.Finish();
}

PlacementReport ShowDrainedStore(const PlacementShowOptions& options) {
  Show show(options);
  show.Calm("before");
  const auto plan = show.admin()->GetPlan();
  CHECK(plan.ok()) << plan.status();
  const uint64_t store = plan->controller_store_id();
  const auto drained = show.admin()->DrainStore(store, type::v1::STORE_STATE_DRAINING);
  CHECK(drained.ok()) << drained.status();
  show.Phase("drain of the store that leads the meta range", [&show, store] {
    for (const admin::v1::StoreStatus& one : show.Stores()) {
      if (one.store().store_id() == store) return one.reachable() && one.leaders() == 0;
    }
    return false;
  });
  show.Calm("drained");
  const auto leaving = show.admin()->DrainStore(store, type::v1::STORE_STATE_DECOMMISSIONING);
  CHECK(leaving.ok()) << leaving.status();
  show.Phase("decommission of it", [&show, store] {
    const auto stores = show.Stores();
    return !stores.empty() && std::none_of(stores.begin(), stores.end(), [store](const auto& one) {
      return one.store().store_id() == store;
    });
  });
  show.Calm("after");
  return show.Finish();
}

std::string ToString(const PlacementReport& report) {
  std::string text;
  for (const PhaseFigures& phase : report.phases) {
    absl::StrAppendFormat(
        &text, "%-45s %7.1f s%s %6.0f increments/s, p50 %.1f ms, p99 %.1f ms, max %.0f ms\n",
        phase.name, phase.seconds, phase.finished ? "," : " (not finished),",
        phase.increments_per_second, phase.p50_ms, phase.p99_ms, phase.max_ms);
  }
  absl::StrAppend(&text, report.counters.acknowledged, " increments, ", report.counters.lost,
                  " counters below and ", report.counters.doubled, " above what was acknowledged, ",
                  report.failed, " calls failed, ",
                  report.linearizable ? "linearizable" : "NOT linearizable", "\n",
                  report.explanation, report.unsettled);
  return text;
}

}  // namespace rasputin::process
