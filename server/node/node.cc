// Start and stop of a node; its pages and the calls of bootstrap are in node_calls.cc.

#include "server/node/node.h"

#include <glog/logging.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/rocks_engine.h"
#include "range/load/split_rules.h"
#include "server/clock/clock.h"
#include "server/node/bootstrap_plan.h"
#include "server/peer/peer_client.h"

namespace rasputin::server {
namespace {

AutopilotOptions AutopilotOptionsOf(const Flags& flags) {
  AutopilotOptions options;
  options.enabled = flags.autopilot;
  options.splits_max = static_cast<uint32_t>(flags.autopilot_splits_max);
  options.merges_max = static_cast<uint32_t>(flags.autopilot_merges_max);
  options.merge_rules.age_min = std::chrono::seconds(flags.merge_age_seconds);
  options.merge_rules.observed_min =
      std::min(options.merge_rules.observed_min, options.merge_rules.age_min);
  return options;
}

range::SplitRules SplitRulesOf(const Flags& flags) {
  range::SplitRules rules;
  rules.size_bytes = flags.split_size_bytes;
  rules.small_size_bytes = flags.split_small_size_bytes;
  rules.requests_per_second = flags.split_requests_per_second;
  rules.cpu_millicores = flags.split_cpu_millicores;
  rules.read_bytes_per_second = flags.split_read_bytes_per_second;
  rules.written_bytes_per_second = flags.split_written_bytes_per_second;
  rules.sustained = std::chrono::seconds(flags.split_sustained_seconds);
  rules.pause = std::chrono::seconds(flags.split_pause_seconds);
  return rules;
}

constexpr char kReplicatePath[] = "/rasputin.peer.v1.PeerService/Replicate";
constexpr char kLeasesPath[] = "/rasputin.peer.v1.PeerService/Leases";
constexpr char kProbePath[] = "/rasputin.peer.v1.PeerService/Probe";
constexpr consensus::Duration kProbeAtStart = std::chrono::milliseconds(300);
// Patient: what answers there must not be overlooked. Where nothing runs the answer comes at once.
constexpr consensus::Duration kProbeOldAddress = std::chrono::seconds(5);
// How often the list of stores is read.
constexpr consensus::Duration kStoresPeriod = std::chrono::seconds(10);
constexpr consensus::Duration kDirectoryPeriod = std::chrono::seconds(1);
// Calls under way get so long to be answered after leaderships were handed over.
constexpr consensus::Duration kGraceForCalls = std::chrono::milliseconds(500);
// Between our own answer to calls that are cut off and the end of their connections.
constexpr consensus::Duration kGraceForCutOff = std::chrono::milliseconds(250);
// How long a port may take to close after everything on it was cancelled.
constexpr consensus::Duration kShutdownWaitMax = std::chrono::seconds(1);

uint64_t Random() {
  std::random_device device;
  const uint64_t random = (uint64_t{device()} << 32) | device();
  return random != 0 ? random : 1;
}

FairOptions FairOptionsOf(const Flags& flags) {
  FairOptions fair;
  fair.range_requests_max = flags.range_requests_max;
  fair.range_bytes_max = flags.range_request_bytes_max;
  fair.collection_requests_max = flags.collection_requests_max;
  fair.collection_bytes_max = flags.collection_request_bytes_max;
  fair.node_requests_max = flags.node_requests_max;
  fair.node_bytes_max = flags.node_request_bytes_max;
  fair.wait_max = std::chrono::milliseconds(flags.queue_wait_ms_max);
  return fair;
}

FrontOptions FrontOptionsOf(const Flags& flags) {
  FrontOptions front;
  front.seed = Random();
  front.fair = FairOptionsOf(flags);
  front.stores_period = kStoresPeriod;
  front.directory_period = kDirectoryPeriod;
  front.autopilot = AutopilotOptionsOf(flags);
  return front;
}

// What the seeds say of themselves wins over the book: a book that was lost or damaged names stores
// that others have replaced at the same addresses, and with these alone none would ever be met.
void AddSeedsThatAnswer(const std::vector<std::string>& seeds, uint64_t own_store,
                        storage::v1::StoreBook* book) {
  for (const std::string& seed : seeds) {
    peer::v1::ProbeResponse probe;
    const absl::Status answered =
        CallPeer(seed, kProbePath, peer::v1::ProbeRequest(), &probe, kProbeAtStart);
    if (!answered.ok() || probe.cluster_id() != book->cluster_id()) continue;
    if (probe.store_id() == 0 || probe.store_id() == own_store) continue;
    auto* stores = book->mutable_stores();
    const auto gone = std::remove_if(stores->begin(), stores->end(), [&probe](const auto& store) {
      return store.store_id() == probe.store_id() || store.peer_address() == probe.peer_address();
    });
    stores->erase(gone, stores->end());
    type::v1::StoreDescriptor* store = stores->Add();
    store->set_store_id(probe.store_id());
    store->set_peer_address(probe.peer_address());
    store->set_client_address(probe.client_address());
  }
}

}  // namespace

Node::Node(const Flags& flags, std::function<void(const absl::Status&)> fatal)
    : flags_(flags),
      end_process_(std::move(fatal)),
      fatal_([this](const absl::Status& status) { OnFatal(status); }),
      peer_address_(absl::StrCat(flags.advertise_host, ":", flags.peer_port)),
      client_address_(absl::StrCat(flags.advertise_host, ":", flags.cli_port)),
      seeds_(NormalizedSeeds(flags.seed_peers, peer_address_)),
      recorder_(&registry_),
      disk_watch_(flags.storage_dir, std::chrono::milliseconds(flags.lease_duration_ms) / 2),
      turn_watch_(flags.storage_dir, std::chrono::milliseconds(flags.lease_duration_ms) / 2),
      shard_(&registry_, &recorder_, fatal_),
      executor_(&shard_),
      dispatch_(&catalog_, &registry_, &shard_,
                [this] { return slow_work_.Add([this] { RunInit(); }); }),
      lease_thread_({&recorder_,
                     [this](std::vector<consensus::lease::LeaseUpdate> updates) {
                       shard_.PostLeaseUpdates(std::move(updates));
                       executor_.Wake();
                     },
                     [this](StoreId peer, consensus::Instant received, uint64_t wall_us) {
                       shard_.PostPeerClock(peer, received, wall_us);
                     },
                     [this] { log_writer_->Wake(); },
                     [this](consensus::Instant now) { return executor_.BusySince(now); },
                     [this] {
                       const consensus::Instant now = Now();
                       disk_watch_.Look(now);
                       turn_watch_.Look(now, executor_.BusySince(now));
                     }},
                    MakeLeaseRules(std::chrono::milliseconds(flags.lease_duration_ms),
                                   flags.clock_rate_error_max)),
      cluster_init_(
          [this] {
            ClusterInit::Self self;
            self.seeds = seeds_;
            self.storage_dir = flags_.storage_dir;
            self.first_replicas = static_cast<int>(flags_.first_replicas);
            self.probe.set_peer_address(peer_address_);
            self.probe.set_client_address(client_address_);
            self.probe.set_version("0.1.0");
            for (const std::string& seed : seeds_) self.probe.add_seed_peers(seed);
            for (const auto& [label, value] : flags_.locality) {
              (*self.probe.mutable_locality())[label] = value;
            }
            return self;
          }(),
          InitPorts()),
      cluster_join_(JoinSelf(), JoinPorts()),
      way_out_(flags.storage_dir, WayOutPorts()) {
  dispatch_.SetLimits(flags.calls_max, flags.call_bytes_max);
  dispatch_.SetStartSlow(
      [this](uint64_t number, const std::string& path, const absl::Cord& request) {
        return StartOperatorCall(number, path, request);
      });
}

absl::StatusOr<storage::v1::StoreManifest> Node::ReadManifest() {
  if (log_directory_ == nullptr) return absl::NotFoundError("the store was set aside");
  absl::StatusOr<storage::v1::StoreManifest> manifest =
      range::Store::ReadManifest(log_directory_.get());
  if (manifest.ok() || absl::IsNotFound(manifest.status())) return manifest;
  // Damage names its file within the directory.
  const char* separator = absl::IsDataLoss(manifest.status()) ? "/" : ": ";
  return absl::Status(
      manifest.status().code(),
      absl::StrCat("--storage-dir ", flags_.storage_dir, separator, manifest.status().message()));
}

void Node::SayWhatIsMissing(bool has_manifest) const {
  if (std::find(seeds_.begin(), seeds_.end(), peer_address_) == seeds_.end()) {
    LOG(INFO)
        << "this node, " << peer_address_
        << ", is not in --seed-peers: it joins the cluster of these nodes; to be a first node, "
           "--advertise-host:--peer-port must be written there exactly like this";
  }
  if (flags_.seed_peers.empty() && !has_manifest && !flags_.dev) {
    LOG(INFO) << "no --seed-peers: `cluster init` here makes a cluster of this node alone";
  }
}

absl::Status Node::Start() {
  absl::Status status = Listen();
  if (status.ok()) status = OpenDirectory();
  if (!status.ok()) return status;
  const absl::StatusOr<storage::v1::StoreManifest> read = ReadManifest();
  std::optional<storage::v1::StoreManifest> manifest;
  if (read.ok()) manifest = *read;
  std::string damage = quarantine_->Damage().value_or("");
  if (damage.empty() && absl::IsDataLoss(read.status()))
    damage = std::string(read.status().message());
  if (!read.ok() && !absl::IsNotFound(read.status()) && !absl::IsDataLoss(read.status())) {
    return read.status();
  }
  if (manifest.has_value()) status = CheckManifest(*manifest);
  if (manifest.has_value() && status.ok()) status = CheckNotForgotten(*manifest);
  if (!status.ok()) return status;
  const absl::StatusOr<std::optional<Replacement>> replacement = quarantine_->ReadReplacement();
  const bool was_set_aside = !manifest.has_value() && replacement.ok() && replacement->has_value();
  bool rejoins = !damage.empty() || was_set_aside;
  if (manifest.has_value() || rejoins) dispatch_.ExpectStore();
  SayWhatIsMissing(manifest.has_value());
  StartThreads();
  if (manifest.has_value() && !rejoins) {
    status = Adopt(*manifest);
    if (absl::IsDataLoss(status)) {
      damage = std::string(status.message());
      rejoins = true;
    }
  }
  if (rejoins) {
    status = BeginRejoin(damage, manifest);
  } else if (!manifest.has_value() && flags_.dev) {
    status = cluster_init_.Init().status();
  }
  if (!status.ok()) return status;
  if (!ready_ && !rejoins && !flags_.seed_peers.empty()) JoinLater(std::chrono::milliseconds(0));
  LOG(INFO) << "node " << peer_address_ << " serves clients at " << client_address_
            << (ready_ ? "" : "; it waits to be initialised or to join");
  return absl::OkStatus();
}

absl::Status Node::Listen() {
  PortOptions client;
  client.host = flags_.listen_host;
  client.port = flags_.cli_port;
  client.port_flag = "--cli-port";
  client.message_bytes_max = flags_.message_bytes_max;
  client.memory_bytes = flags_.client_memory_bytes;
  client.streams_max = flags_.connection_streams_max;
  absl::StatusOr<std::unique_ptr<ClientPort>> client_port =
      ClientPort::Listen(client, catalog_.frequent(), catalog_.others(), &dispatch_);
  if (!client_port.ok()) return client_port.status();
  client_port_ = *std::move(client_port);

  PortOptions peer = client;
  peer.port = flags_.peer_port;
  peer.port_flag = "--peer-port";
  peer.memory_bytes = flags_.peer_memory_bytes;
  absl::StatusOr<std::unique_ptr<PeerListener>> listener = PeerListener::Listen(
      peer,
      {{kReplicatePath, &shard_, client_port_->queue()}, {kLeasesPath, &lease_thread_, nullptr}},
      PeerCalls());
  if (!listener.ok()) return listener.status();
  peer_listener_ = *std::move(listener);

  absl::StatusOr<std::unique_ptr<HttpServer>> http =
      HttpServer::Start(flags_.listen_host, flags_.http_port,
                        {{"/healthz",
                          [] {
                            return HttpResponse{200, "text/plain; charset=utf-8", "ok\n"};
                          }},
                         {"/readyz", [this] { return ReadyPage(); }},
                         {"/metrics", [this] { return MetricsPage(); }},
                         {"/", [this] { return StatusPage(); }}});
  if (!http.ok()) return http.status();
  http_server_ = *std::move(http);
  return absl::OkStatus();
}

absl::Status Node::OpenDirectory() {
  absl::StatusOr<std::unique_ptr<StorageDir>> directory = StorageDir::Open(flags_.storage_dir);
  if (!directory.ok()) return directory.status();
  storage_dir_ = *std::move(directory);
  quarantine_ = std::make_unique<Quarantine>(flags_.storage_dir);
  absl::Status status = quarantine_->FinishSetAside();
  if (!status.ok()) return status;
  AddQuarantineMetrics();
  SayWhatIsKept();
  LogAudit();
  if (quarantine_->Damage().has_value()) {
    if (quarantine_->IsSetAside()) return absl::OkStatus();
  } else {
    status = storage_dir_->CheckManifestIsThere();
    if (status.ok()) status = storage_dir_->CheckStateIsThere();
  }
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<PosixDirectory>> log =
      PosixDirectory::At(storage_dir_->log_path());
  if (!log.ok()) {
    return absl::Status(log.status().code(),
                        absl::StrCat("--storage-dir cannot be used: ", log.status().message()));
  }
  log_directory_ = *std::move(log);
  return absl::OkStatus();
}

// Also asks the seeds: a directory of another cluster at the same addresses looks right by itself,
// and one whose nodes have all moved looks wrong.
absl::Status Node::CheckManifest(const storage::v1::StoreManifest& manifest) const {
  const storage::v1::StoreBook book = ReadBook(manifest);
  absl::Status known =
      CheckDirectory(manifest, {book.stores().begin(), book.stores().end()}, seeds_);
  for (const std::string& seed : seeds_) {
    if (seed == peer_address_) continue;
    peer::v1::ProbeResponse probe;
    const absl::Status answered =
        CallPeer(seed, kProbePath, peer::v1::ProbeRequest(), &probe, kProbeAtStart);
    if (!answered.ok() || probe.cluster_id() == 0) continue;
    if (probe.cluster_id() == manifest.cluster_id()) {
      known = absl::OkStatus();
      continue;
    }
    return absl::FailedPreconditionError(
        absl::StrCat("--storage-dir ", flags_.storage_dir, " belongs to cluster ",
                     manifest.cluster_id(), ", but seed ", seed, " to cluster ", probe.cluster_id(),
                     "; use the directory of this cluster"));
  }
  if (!known.ok()) return known;
  for (const auto& store : book.stores()) {
    const std::string& address = store.peer_address();
    if (store.store_id() != manifest.store_id() || address == peer_address_) continue;
    // Two processes with one identity would vote twice [S-6].
    peer::v1::ProbeResponse probe;
    const absl::Status answered =
        CallPeer(address, kProbePath, peer::v1::ProbeRequest(), &probe, kProbeOldAddress);
    if (answered.ok() && probe.cluster_id() == manifest.cluster_id() &&
        probe.store_id() == manifest.store_id()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "--storage-dir ", flags_.storage_dir, " belongs to store ", manifest.store_id(),
          " of cluster ", manifest.cluster_id(), ", which runs at ", address,
          ": a directory must not be used by two nodes; stop the other, or use another one"));
    }
    LOG(WARNING) << "store " << manifest.store_id() << " was at " << address << " and is at "
                 << peer_address_ << " now; the others will be told";
  }
  return absl::OkStatus();
}

void Node::StartThreads() {
  RunInShard([this] { client_port_->Serve(); });
  peer_listener_->Serve();
  executor_.Start(client_port_->queue());
  lease_thread_.Start(peer_listener_->queue());
}

void Node::RunInShard(const std::function<void()>& work) {
  shard_.Run(work);
  executor_.WakeBefore(shard_.due());
}

std::optional<storage::v1::StoreManifest> Node::Manifest() const {
  std::lock_guard<std::mutex> lock(manifest_mutex_);
  return manifest_;
}

absl::Status Node::Adopt(const storage::v1::StoreManifest& manifest) {
  std::lock_guard<std::mutex> lock(adopt_mutex_);
  if (rejoining_) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store of this node in ", flags_.storage_dir,
                     " is damaged: it is replaced, or restored, before the node serves again"));
  }
  const absl::Status status = range::Store::Bootstrap(log_directory_.get(), manifest);
  if (!status.ok()) return status;
  if (ready_) return absl::OkStatus();
  absl::StatusOr<storage::v1::StoreManifest> written =
      range::Store::ReadManifest(log_directory_.get());
  if (!written.ok()) return written.status();
  {
    // From now on this node belongs to the cluster, whether the store can be opened or not.
    std::lock_guard<std::mutex> manifest_lock(manifest_mutex_);
    manifest_ = *written;
  }
  absl::Status opened = quarantine_->NoteOpened(written->store_id(), Random());
  if (opened.ok()) opened = OpenStore(*written);
  // It holds the lock of its directory, which the next attempt needs.
  if (!opened.ok()) engine_.reset();
  return opened;
}

absl::Status Node::OpenStore(const storage::v1::StoreManifest& manifest) {
  if (absl::Status status = storage_dir_->PrepareState(); !status.ok()) return status;
  kv::RocksOptions rocks;
  rocks.path = storage_dir_->state_path();
  rocks.block_cache_bytes = flags_.block_cache_bytes;
  absl::StatusOr<std::unique_ptr<kv::Engine>> engine = kv::OpenRocksEngine(rocks);
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);

  range::StoreOptions options;
  options.lease_duration = std::chrono::milliseconds(flags_.lease_duration_ms);
  options.clock_rate_error_max = flags_.clock_rate_error_max;
  options.seed = Random();
  options.log_segment_bytes = flags_.log_segment_bytes;
  options.log_reserve_bytes = flags_.log_reserve_bytes;
  options.log_cache_bytes = flags_.log_cache_bytes;
  options.flush_bytes = flags_.flush_bytes;
  options.log_live_bytes_max = flags_.log_live_bytes_max;
  options.split = SplitRulesOf(flags_);
  range::Ports ports;
  ports.directory = log_directory_.get();
  ports.engine = engine_.get();
  ports.transport = &shard_;
  ports.observer = &shard_;
  ports.clock = &shard_;
  absl::StatusOr<std::unique_ptr<range::Store>> opened =
      range::Store::Open(options, ports, ReadClocks());
  if (!opened.ok()) {
    return absl::Status(opened.status().code(), absl::StrCat("--storage-dir ", flags_.storage_dir,
                                                             ": ", opened.status().message()));
  }
  range::Store* store = opened->get();

  FrontOptions front = FrontOptionsOf(flags_);
  front.own_store = OwnDescriptor();
  front.own_store.set_store_id(manifest.store_id());
  front.book = ReadBook(manifest);
  SetPlacement(&front);
  AddSeedsThatAnswer(seeds_, manifest.store_id(), &front.book);
  std::vector<LeaseThread::Peer> lease_peers;
  std::map<StoreId, std::unique_ptr<ReplicateLink>> links = FirstLinks(front.book, &lease_peers);
  log_writer_ = std::make_unique<LogWriter>(
      store->log(), &disk_watch_,
      LogWriter::Sink{[this](const consensus::DualInstant& started, consensus::log::Lsn durable) {
                        OnLogDurable(started, durable);
                      },
                      fatal_});
  Shard::Hooks hooks;
  hooks.wake_log_writer = [this] { log_writer_->Wake(); };
  hooks.lease_peers = [this](const std::vector<StoreId>& peers) {
    lease_thread_.SetLeasePeers(peers);
  };
  hooks.stores = [this](const std::vector<type::v1::StoreDescriptor>& stores,
                        const range::RangeDescriptor& meta_range) { OnStores(stores, meta_range); };
  hooks.greeted = [this](StoreId store, const std::string& address) { OnGreeted(store, address); };
  RunInShard([&] {
    shard_.Attach(*std::move(opened), front, std::move(links), std::move(hooks));
    dispatch_.SetServing(true);
  });
  lease_thread_.Attach(store, lease_peers);
  AddLogMetrics();
  ready_ = true;
  executor_.Wake();
  LOG(INFO) << "store " << manifest.store_id() << " of cluster " << manifest.cluster_id()
            << " is open";
  BeginUpkeep();
  return absl::OkStatus();
}

// The turn after a sync runs here if the executor is idle, which saves a hop to its thread; whoever
// is in the shard otherwise takes it along.
void Node::OnLogDurable(const consensus::DualInstant& started, consensus::log::Lsn durable) {
  lease_thread_.OnLogDurable(started, durable);
  shard_.PostDurable(durable);
  if (shard_.RunIfFree()) executor_.WakeBefore(shard_.due());
}

// What hangs here for ever, a call that waits for a quorum that is gone, must not keep the process.
void Node::StopPorts() {
  client_port_->BeginShutdown(kGraceForCalls + kGraceForCutOff);
  if (!client_port_->AwaitShutdown(kGraceForCalls)) {
    size_t cut = 0;
    RunInShard([this, &cut] { cut = client_port_->CutOff(); });
    LOG(WARNING) << "cut off " << cut << " calls that had no answer "
                 << kGraceForCalls.count() / 1000000
                 << " ms after the end was announced, and every open stream";
    if (!client_port_->AwaitShutdown(kShutdownWaitMax)) {
      LOG(WARNING) << "the client port does not close; it is left to the system";
    }
  }
  if (!peer_listener_->Shutdown(kShutdownWaitMax)) {
    LOG(WARNING) << "calls of other nodes have not ended; they are left to the system";
  }
}

void Node::Stop() {
  LOG(INFO) << "stopping";
  stopping_ = true;
  const consensus::Instant deadline = Now() + std::chrono::milliseconds(flags_.shutdown_timeout_ms);
  RunInShard([this] {
    dispatch_.SetServing(false);
    shard_.BeginShutdown();
  });
  while (shard_.leads_any() && Now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    RunInShard([] {});
  }
  if (shard_.leads_any()) LOG(WARNING) << "nobody took over in time; leaderships were given up";
  StopPorts();
  http_server_.reset();
  lease_thread_.Stop();
  executor_.Stop();
  if (log_writer_ != nullptr) log_writer_->Stop();
  shard_.Run([this] { shard_.Detach(); });
  std::lock_guard<std::mutex> scrub_lock(scrub_mutex_);
  engine_.reset();
  LOG(INFO) << "stopped";
}

}  // namespace rasputin::server
