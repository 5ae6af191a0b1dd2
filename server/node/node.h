// A node: ports, threads, store, assembled and taken apart in the right order.
//
// Start listens first (so that a port in use touches nothing), then opens the directory and, if it
// belongs to a cluster, the store; otherwise the node waits to be initialised, or joins the cluster
// of its seeds. Stop hands leaderships over. The object is never destroyed: after Stop the process
// exits. For the main thread.

#ifndef RASPUTIN_SERVER_NODE_NODE_H_
#define RASPUTIN_SERVER_NODE_NODE_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "kv/engine.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "server/disk/posix_directory.h"
#include "server/flags/flags.h"
#include "server/http/http_server.h"
#include "server/metrics/event_recorder.h"
#include "server/metrics/metrics.h"
#include "server/node/call_dispatch.h"
#include "server/node/cluster_init.h"
#include "server/node/cluster_join.h"
#include "server/node/quarantine.h"
#include "server/node/slow_work.h"
#include "server/node/storage_dir.h"
#include "server/node/store_replacer.h"
#include "server/peer/peer_listener.h"
#include "server/recovery/way_out.h"
#include "server/rpc/client_port.h"
#include "server/services/catalog.h"
#include "server/shard/disk_watch.h"
#include "server/shard/executor.h"
#include "server/shard/lease_thread.h"
#include "server/shard/log_writer.h"
#include "server/shard/shard.h"
#include "server/shard/turn_watch.h"

namespace rasputin::server {

class Node {
 public:
  // `fatal` must end the process [H-18]; called in any thread.
  Node(const Flags& flags, std::function<void(const absl::Status&)> fatal);
  ~Node() = delete;

  // One sentence for the user if it fails; then the process must exit.
  absl::Status Start();
  // Hands leaderships over, answers what is under way, cuts off what has no answer, writes and
  // flushes everything. Bounded.
  void Stop();

 private:
  absl::Status Listen();
  absl::Status OpenDirectory();
  // NOT_FOUND: there is none.
  absl::StatusOr<storage::v1::StoreManifest> ReadManifest();
  void SayWhatIsMissing(bool has_manifest) const;
  absl::Status CheckManifest(const storage::v1::StoreManifest& manifest) const;
  // What the directory knows of the cluster's stores: read last, else as of the manifest.
  storage::v1::StoreBook ReadBook(const storage::v1::StoreManifest& manifest) const;
  // Makes this node the store of the manifest and serves it; idempotent.
  absl::Status Adopt(const storage::v1::StoreManifest& manifest);
  absl::Status OpenStore(const storage::v1::StoreManifest& manifest);
  // ---- A damaged store: node_rejoin.cc.
  // Marks the store, if the process ends because of damage, and ends it.
  void OnFatal(const absl::Status& status);
  // The store is damaged (`damage` says how), or was set aside ("") and its successor has not
  // joined. `manifest`: of the damaged store, if it can be read.
  absl::Status BeginRejoin(const std::string& damage,
                           const std::optional<storage::v1::StoreManifest>& manifest);
  void RejoinLater(std::chrono::milliseconds wait);
  void Rejoin();
  absl::Status PrepareReplacement();
  // Sets the damaged store aside and becomes the store of the manifest.
  absl::Status AdoptInstead(const storage::v1::StoreManifest& manifest);
  void SayDamage(const std::string& state);
  // Why this node has no store, if it had one; empty: it had none, or has it.
  std::string LostText() const;
  void SayWhatIsKept() const;
  // Reads the next table of the engine, again and again.
  void Scrub();
  // Once the store is open: scrubs, and replaces what it is to replace.
  void BeginUpkeep();
  void ReplaceNext();
  // A call of an operator, carried out by this node's front end. Blocks.
  CallResult CallFront(Method method, const google::protobuf::MessageLite& request);
  void AddQuarantineMetrics();
  // ---- Joining and the list of stores: node_stores.cc.
  ClusterJoin::Self JoinSelf() const;
  ClusterJoin::Ports JoinPorts();
  void JoinLater(std::chrono::milliseconds wait);
  void TryToJoin();
  type::v1::StoreDescriptor OwnDescriptor() const;
  // What the flags say about placement, and how full the disk is.
  void SetPlacement(FrontOptions* front) const;
  consensus::wire::Hello HelloTo(StoreId store) const;
  std::unique_ptr<ReplicateLink> MakeLink(StoreId store, const std::string& address);
  // Links to all stores of the book; before the store is attached.
  std::map<StoreId, std::unique_ptr<ReplicateLink>> FirstLinks(
      const storage::v1::StoreBook& book, std::vector<LeaseThread::Peer>* lease_peers);
  // Inside the shard.
  void OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                const range::RangeDescriptor& meta_range);
  // Whether the list of stores lacks this one. Inside the shard.
  void SetRetired(bool retired);
  // Empty: it is on the list, as far as is known.
  std::string RetiredText() const;
  // Asks another node for the list if this one could not read it for long; then again and again.
  void WatchListing();
  void AskForListing();
  void OnGreeted(StoreId store, const std::string& address);
  void Connect(StoreId store, const std::string& address);
  void SaveBook(const std::vector<type::v1::StoreDescriptor>& stores,
                const range::RangeDescriptor& meta_range);
  // PeerService.Join: carried out by the front end.
  void AnswerJoin(const absl::Cord& request, const std::function<void(CallResult)>& done);

  // ---- What operators do against the protocol's own judgement: node_operators.cc.
  WayOut::Ports WayOutPorts();
  bool StartOperatorCall(uint64_t number, const std::string& path, const absl::Cord& request);
  std::vector<InboundCallMethod> OperatorCallsOfPeers();
  void LogAudit() const;
  // An operator declared this store lost when ranges were recovered elsewhere.
  absl::Status CheckNotForgotten(const storage::v1::StoreManifest& manifest) const;
  // This store was told to have nothing to do with that one any more.
  bool IsForgotten(StoreId store) const;

  void StopPorts();
  std::optional<storage::v1::StoreManifest> Manifest() const;
  void StartThreads();
  void RunInShard(const std::function<void()>& work);
  // For the pages: not done (false) if the shard is busy for so long that probes would wait.
  bool LookIntoShard(const std::function<void()>& work);
  void OnLogDurable(const consensus::DualInstant& started, consensus::log::Lsn durable);
  void RunInit();
  bool AwaitLeaders();
  // What keeps a store that is open from working; empty: nothing.
  std::string Trouble() const;
  ClusterInit::Ports InitPorts();
  std::vector<InboundCallMethod> PeerCalls();
  void AddLogMetrics();
  ReplicateLink::Dropped DroppedCounters();
  HttpResponse MetricsPage();
  HttpResponse ReadyPage() const;
  HttpResponse StatusPage();

  const Flags flags_;
  const std::function<void(const absl::Status&)> end_process_;
  const std::function<void(const absl::Status&)> fatal_;  // OnFatal.
  const std::string peer_address_;
  const std::string client_address_;
  const std::vector<std::string> seeds_;

  Catalog catalog_;
  MetricsRegistry registry_;
  EventRecorder recorder_;
  DiskWatch disk_watch_;
  TurnWatch turn_watch_;
  Shard shard_;
  Executor executor_;  // From the start: the HTTP thread wakes it before it runs.
  CallDispatch dispatch_;
  LeaseThread lease_thread_;
  ClusterInit cluster_init_;
  ClusterJoin cluster_join_;
  WayOut way_out_;
  SlowWork slow_work_;

  std::unique_ptr<StorageDir> storage_dir_;
  std::unique_ptr<Quarantine> quarantine_;
  std::unique_ptr<PosixDirectory> log_directory_;
  std::unique_ptr<kv::Engine> engine_;
  std::unique_ptr<LogWriter> log_writer_;
  std::unique_ptr<ClientPort> client_port_;
  std::unique_ptr<PeerListener> peer_listener_;
  std::unique_ptr<HttpServer> http_server_;

  // Where another store is: as the meta range says, and as it said itself when it last connected.
  struct KnownStore {
    std::string listed;
    std::string used;
  };
  // Inside the shard, once the store is attached.
  std::map<StoreId, KnownStore> known_stores_;
  std::string saved_book_;
  consensus::Instant list_trusted_until_ = consensus::Instant::min();
  std::optional<ReplicateLink::Dropped> dropped_;
  std::string join_text_;  // What the last attempt to join said; of the slow work.

  // The damaged store; of the start and then of the slow work.
  struct Damaged {
    std::string reason;       // Empty: it is set aside already.
    uint64_t cluster_id = 0;  // 0: not known.
    uint64_t store_id = 0;    // 0: not known.
    std::vector<std::string> contacts;
  };
  Damaged damage_;
  std::unique_ptr<ClusterJoin> rejoin_;
  std::unique_ptr<StoreReplacer> replacer_;
  std::string replace_text_;
  std::mutex scrub_mutex_;  // The engine is in use by Scrub.
  std::string scrubbed_;    // The last table that was read.
  std::atomic<uint64_t> scrubbed_bytes_{0};
  std::atomic<uint64_t> ranges_replaced_{0};
  std::atomic<bool> rejoining_{false};  // No store may be adopted but one that replaces the old.
  mutable std::mutex damage_mutex_;
  std::string damage_text_;  // For pages.

  std::mutex adopt_mutex_;  // One store is opened at a time.
  mutable std::mutex manifest_mutex_;
  std::optional<storage::v1::StoreManifest> manifest_;  // On disk; the store may not be open.
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> retired_{false};  // The list of stores lacks this one.
  size_t listings_asked_ = 0;         // Of the slow work.
  // As of the last metrics page.
  std::atomic<uint64_t> replicas_{0};
  std::atomic<uint64_t> ranges_led_{0};
  std::atomic<uint64_t> directory_reads_{0};  // As the page of metrics saw it last.
  std::mutex activity_mutex_;
  std::string activity_text_;  // Of the ranges, as the shard said last.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_NODE_H_
