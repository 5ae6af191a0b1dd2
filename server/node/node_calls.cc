// What a node answers by itself: initialisation, the unary calls of peers, and its pages.

#include <random>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/clock/clock.h"
#include "server/metrics/load_text.h"
#include "server/node/call_result.h"
#include "server/node/node.h"
#include "server/peer/peer_client.h"

namespace rasputin::server {
namespace {

constexpr char kPeerService[] = "/rasputin.peer.v1.PeerService/";
// Opening a store for the first time writes its log segments.
constexpr consensus::Duration kPeerCallTimeout = std::chrono::seconds(20);
constexpr consensus::Duration kProbeTimeout = std::chrono::seconds(3);
// How long Init waits for the first ranges to be led before it answers nevertheless.
constexpr consensus::Duration kFirstLeadersWait = std::chrono::seconds(10);
// How long a page waits for the shard: /healthz, on the same thread, waits for the page.
constexpr consensus::Duration kPageWaitMax = std::chrono::milliseconds(200);

uint64_t NewClusterId() {
  std::random_device device;
  // 63 bits, so that it prints alike everywhere.
  const uint64_t id = ((uint64_t{device()} << 32) | device()) >> 1;
  return id != 0 ? id : 1;
}

std::string EscapeHtml(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

ClusterInit::Ports Node::InitPorts() {
  ClusterInit::Ports ports;
  ports.call_peer = [](const std::string& address, const std::string& method,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response) {
    return CallPeer(address, kPeerService + method, request, response,
                    method == "Probe" ? kProbeTimeout : kPeerCallTimeout);
  };
  ports.manifest = [this] { return Manifest(); };
  ports.adopt = [this](const storage::v1::StoreManifest& manifest) { return Adopt(manifest); };
  ports.is_complete = [this] { return storage_dir_->IsInitializationComplete(); };
  ports.mark_complete = [this] { return storage_dir_->MarkInitializationComplete(); };
  ports.new_cluster_id = [] { return NewClusterId(); };
  return ports;
}

// One at a time: the dispatch starts another only after FinishInit.
void Node::RunInit() {
  const absl::StatusOr<ClusterInit::Result> result = cluster_init_.Init();
  CallResult answer;
  if (result.ok()) {
    if (!AwaitLeaders()) LOG(WARNING) << "the first ranges are not led yet";
    admin::v1::InitResponse response;
    response.set_cluster_id(result->cluster_id);
    response.set_already_initialized(result->already_initialized);
    answer = ToResult(response);
  } else {
    LOG(WARNING) << "initialisation refused: " << result.status().message();
    answer = ToResult(result.status());
  }
  RunInShard([this, &answer] {
    dispatch_.SetLost(LostText());
    dispatch_.FinishInit(answer);
  });
}

bool Node::AwaitLeaders() {
  for (const consensus::Instant end = Now() + kFirstLeadersWait; Now() < end;) {
    bool led = false;
    RunInShard([this, &led] {
      if (!shard_.attached()) return;
      led = true;
      for (const range::ReplicaStatus& replica : shard_.store()->ListReplicas(ReadClocks())) {
        led = led && replica.leader_store.IsSet();
      }
    });
    if (led) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

std::vector<InboundCallMethod> Node::PeerCalls() {
  using Done = std::function<void(CallResult)>;
  auto slowly = [this](const Done& done, std::function<CallResult()> work) {
    if (!slow_work_.Add([done, work = std::move(work)] { done(work()); })) {
      done(ToResult(absl::UnavailableError("too many calls of this kind wait already")));
    }
  };
  std::vector<InboundCallMethod> calls;
  calls.push_back(
      {absl::StrCat(kPeerService, "Probe"),
       [this](const absl::Cord&, const Done& done) { done(ToResult(cluster_init_.Probe())); }});
  calls.push_back({absl::StrCat(kPeerService, "Initialize"),
                   [this, slowly](const absl::Cord&, const Done& done) {
                     slowly(done, [this] {
                       const absl::StatusOr<ClusterInit::Result> result =
                           cluster_init_.Initialize();
                       if (!result.ok()) return ToResult(result.status());
                       peer::v1::InitializeResponse response;
                       response.set_cluster_id(result->cluster_id);
                       for (const auto& store : result->stores) *response.add_stores() = store;
                       return ToResult(response);
                     });
                   }});
  calls.push_back({absl::StrCat(kPeerService, "Bootstrap"),
                   [this, slowly](const absl::Cord& body, const Done& done) {
                     peer::v1::BootstrapRequest request;
                     if (!request.ParseFromString(std::string(body))) {
                       done(ToResult(absl::InvalidArgumentError("not a BootstrapRequest")));
                       return;
                     }
                     slowly(done, [this, request] {
                       const absl::Status status = cluster_init_.Bootstrap(request.manifest());
                       if (!status.ok()) return ToResult(status);
                       return ToResult(peer::v1::BootstrapResponse());
                     });
                   }});
  calls.push_back(
      {absl::StrCat(kPeerService, "Join"), [this](const absl::Cord& request, const Done& done) {
         // Not here: this thread keeps the leases and must not wait for the shard.
         if (!slow_work_.Add([this, request, done] { AnswerJoin(request, done); })) {
           done(ToResult(absl::UnavailableError("too much slow work waits already")));
         }
       }});
  for (InboundCallMethod& call : OperatorCallsOfPeers()) calls.push_back(std::move(call));
  return calls;
}

void Node::AddLogMetrics() {
  consensus::log::SharedLog* log = shard_.store()->log();
  registry_.AddCounterSource("rasputin_log_syncs_total", "Syncs of the shared log.",
                             [log] { return static_cast<double>(log->stats().syncs); });
  registry_.AddCounterSource("rasputin_log_written_bytes_total", "Bytes written to the shared log.",
                             [log] { return static_cast<double>(log->stats().bytes_written); });
  registry_.AddCounterSource("rasputin_log_records_total", "Records written to the shared log.",
                             [log] { return static_cast<double>(log->stats().records); });
  registry_.AddGauge("rasputin_log_segments", "Segment files of the shared log.",
                     [log] { return static_cast<double>(log->stats().segments); });
  registry_.AddGauge("rasputin_log_live_bytes", "Bytes of the shared log that are still needed.",
                     [log] { return static_cast<double>(log->stats().bytes_live); });
  registry_.AddGauge(
      "rasputin_disk_full", "1 while the disk is full, so that writes led here are refused.",
      [this, log] { return log->OutOfSpace() || engine_->OutOfSpace() ? 1.0 : 0.0; });
  registry_.AddGauge("rasputin_disk_stalled",
                     "1 while the disk has not completed a write of the log for half a lease.",
                     [this] { return disk_watch_.Trouble(Now()).empty() ? 0.0 : 1.0; });
  registry_.AddGauge(
      "rasputin_shard_hung",
      "1 while no turn of the shard has ended for half a lease although one was due.",
      [this] { return turn_watch_.Trouble(Now()).empty() ? 0.0 : 1.0; });
  registry_.AddGauge("rasputin_replicas", "Replicas of this store.",
                     [this] { return static_cast<double>(replicas_.load()); });
  registry_.AddGauge("rasputin_ranges_led", "Ranges that this store leads with a valid lease.",
                     [this] { return static_cast<double>(ranges_led_.load()); });
  registry_.AddCounterSource("rasputin_directory_reads_total",
                             "Reads of the meta range by this node's front end.",
                             [this] { return static_cast<double>(directory_reads_.load()); });
  registry_.AddGauge("rasputin_engine_unflushed_bytes", "State that is not flushed yet.",
                     [this] { return static_cast<double>(engine_->UnflushedBytes()); });
}

ReplicateLink::Dropped Node::DroppedCounters() {
  const auto add = [this](const char* kind) {
    return registry_.AddCounter(
        "rasputin_peer_dropped_total",
        "What did not leave for another store because its stream was down or too much waited.",
        absl::StrCat("kind=\"", kind, "\""));
  };
  return {add("message"), add("request"), add("reply")};
}

bool Node::LookIntoShard(const std::function<void()>& work) {
  if (!shard_.RunWithin(kPageWaitMax, work)) return false;
  executor_.WakeBefore(shard_.due());
  return true;
}

// What the shard counts is as it was last time while the shard is busy.
HttpResponse Node::MetricsPage() {
  LookIntoShard([this] {
    if (!shard_.attached()) return;
    const range::ReplicaCounts counts = shard_.store()->CountReplicas(ReadClocks());
    replicas_ = counts.replicas;
    ranges_led_ = counts.serving;
    directory_reads_ = shard_.front()->counters().directory_reads;
    StoreActivity activity;
    activity.total = shard_.store()->TotalLoad(ReadClocks());
    activity.ranges = shard_.store()->ListLoads(ReadClocks(), kRangesShown);
    activity.operations = shard_.store()->ListOperations();
    std::string text = RenderActivity(activity);
    std::lock_guard<std::mutex> lock(activity_mutex_);
    activity_text_ = std::move(text);
  });
  std::lock_guard<std::mutex> lock(activity_mutex_);
  return {200, "text/plain; version=0.0.4; charset=utf-8",
          absl::StrCat(registry_.Render(), activity_text_)};
}

std::string Node::Trouble() const {
  if (retired_) return RetiredText();
  const std::string disk = disk_watch_.Trouble(Now());
  return disk.empty() ? turn_watch_.Trouble(Now()) : disk;
}

HttpResponse Node::ReadyPage() const {
  const std::string trouble = Trouble();
  if (ready_ && trouble.empty()) return {200, "text/plain; charset=utf-8", "ok\n"};
  if (ready_) return {503, "text/plain; charset=utf-8", absl::StrCat(trouble, "\n")};
  const std::string lost = LostText();
  return {503, "text/plain; charset=utf-8",
          lost.empty() ? "not initialised or not recovered yet\n" : absl::StrCat(lost, "\n")};
}

HttpResponse Node::StatusPage() {
  std::string rows;
  const bool looked = LookIntoShard([this, &rows] {
    if (!shard_.attached()) return;
    for (const range::ReplicaStatus& replica : shard_.store()->ListReplicas(ReadClocks())) {
      absl::StrAppendFormat(&rows, "<tr><td>%d<td>%d<td>%d<td>%s<td>%d<td>%d<td>%d<td>%d</tr>\n",
                            replica.descriptor.range_id(), replica.descriptor.generation(),
                            replica.leader_store.value(), replica.serving ? "serving" : "",
                            replica.term.value(), replica.last.value(), replica.committed.value(),
                            replica.applied.value());
    }
  });
  if (!looked) {
    return {503, "text/plain; charset=utf-8", "the store is busy: load this page again\n"};
  }
  const std::optional<storage::v1::StoreManifest> manifest = Manifest();
  std::string page =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Rasputin</title>\n"
      "<h1>Rasputin node</h1>\n";
  absl::StrAppend(&page, "<p>Peers: ", EscapeHtml(peer_address_),
                  ", clients: ", EscapeHtml(client_address_), ".</p>\n");
  const std::string lost = ready_ ? RetiredText() : LostText();
  if (!lost.empty()) {
    absl::StrAppend(&page, "<p>Not in service: ", EscapeHtml(lost), ".</p>\n");
  } else if (!manifest.has_value()) {
    absl::StrAppend(&page, "<p>Not initialised: run <code>rasputin cluster init</code>.</p>\n");
  } else {
    absl::StrAppend(&page, "<p>Store ", manifest->store_id(), " of cluster ",
                    manifest->cluster_id(), ".</p>\n<table border=\"1\"><tr><th>range",
                    "<th>generation<th>leader store<th>this replica<th>term<th>last index",
                    "<th>committed<th>applied</tr>\n", rows, "</table>\n");
  }
  absl::StrAppend(&page, "<p><a href=\"/metrics\">metrics</a></p></html>\n");
  return {200, "text/html; charset=utf-8", page};
}

}  // namespace rasputin::server
