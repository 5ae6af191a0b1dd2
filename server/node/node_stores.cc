// How a node joins a cluster and keeps up with where its stores are.

#include <glog/logging.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/clock/clock.h"
#include "server/node/node.h"
#include "server/node/peer_call.h"
#include "server/peer/peer_client.h"

namespace rasputin::server {
namespace {

constexpr char kPeerService[] = "/rasputin.peer.v1.PeerService/";
constexpr char kReplicatePath[] = "/rasputin.peer.v1.PeerService/Replicate";
constexpr consensus::Duration kProbeTimeout = std::chrono::seconds(1);
constexpr consensus::Duration kJoinTimeout = std::chrono::seconds(20);
// A call of Join is answered in this time: less than the caller waits.
constexpr consensus::Duration kJoinAnswerTime = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kJoinPeriod = std::chrono::seconds(1);
// A list that was read is not asked for elsewhere for so long: longer than between two reads.
constexpr consensus::Duration kListTrust = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kListingPeriod = std::chrono::seconds(3);
constexpr consensus::Duration kListingProbeTimeout = std::chrono::milliseconds(300);
constexpr consensus::Duration kListingTimeout = std::chrono::seconds(2);
constexpr char kListStoresPath[] = "/rasputin.admin.v1.ClusterService/ListStores";

uint64_t RandomToken() {
  std::random_device device;
  const uint64_t random = (uint64_t{device()} << 32) | device();
  return random != 0 ? random : 1;
}

}  // namespace

type::v1::StoreDescriptor Node::OwnDescriptor() const {
  type::v1::StoreDescriptor store;
  store.set_peer_address(peer_address_);
  store.set_client_address(client_address_);
  for (const auto& [label, value] : flags_.locality) (*store.mutable_locality())[label] = value;
  return store;
}

ClusterJoin::Self Node::JoinSelf() const {
  ClusterJoin::Self self;
  self.store = OwnDescriptor();
  self.seeds = seeds_;
  self.as_new_store = flags_.join_as_new_store;
  self.token = RandomToken();
  return self;
}

ClusterJoin::Ports Node::JoinPorts() {
  ClusterJoin::Ports ports;
  ports.call_peer = [](const std::string& address, const std::string& method,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response) {
    return CallPeer(address, kPeerService + method, request, response,
                    method == "Probe" ? kProbeTimeout : kJoinTimeout);
  };
  ports.has_store = [this] { return Manifest().has_value(); };
  ports.adopt = [this](const storage::v1::StoreManifest& manifest) { return Adopt(manifest); };
  ports.finish_init = [this] { cluster_init_.Init().IgnoreError(); };
  ports.report_lost = [this](uint64_t cluster) { cluster_init_.ReportLost(cluster).IgnoreError(); };
  return ports;
}

void Node::JoinLater(std::chrono::milliseconds wait) {
  slow_work_.AddAfter(wait, [this] { TryToJoin(); });
}

void Node::TryToJoin() {
  if (stopping_ || ready_ || rejoining_) return;
  std::string text;
  const std::optional<storage::v1::StoreManifest> manifest = Manifest();
  if (manifest.has_value()) {
    // Joined, but the store could not be opened. A first store is opened by the next Init.
    if (!manifest->joined()) return;
    const absl::Status opened = Adopt(*manifest);
    if (absl::IsDataLoss(opened)) return OnFatal(opened);
    text = std::string(opened.message());
  } else {
    const ClusterJoin::Result result = cluster_join_.Try();
    text = result.text;
    if (result.outcome == ClusterJoin::Outcome::kHasStore && ready_) {
      LOG(INFO) << "this node belongs to cluster " << result.cluster_id << " now";
    }
  }
  if (!text.empty() && text != join_text_) LOG(WARNING) << "cannot join yet: " << text;
  join_text_ = text;
  if (const std::string lost = cluster_init_.lost(); !lost.empty()) {
    RunInShard([this, &lost] { dispatch_.SetLost(lost); });
  }
  JoinLater(kJoinPeriod);
}

void Node::AnswerJoin(const absl::Cord& request, const std::function<void(CallResult)>& done) {
  RunInShard([&] {
    if (!shard_.attached()) {
      CallResult result;
      result.code = absl::StatusCode::kUnavailable;
      result.message = "this node's store is not open";
      return done(std::move(result));
    }
    const ClockReading now = ReadClocks();
    ClientCall call;
    call.method = Method::kJoin;
    call.request = request;
    call.deadline = now.boot + kJoinAnswerTime;
    call.completion = new PeerCall(done);
    shard_.front()->Start(now, std::move(call));
  });
}

storage::v1::StoreBook Node::ReadBook(const storage::v1::StoreManifest& manifest) const {
  storage::v1::StoreBook book;
  const bool read = book.ParseFromString(storage_dir_->ReadStores());
  if (read && book.cluster_id() == manifest.cluster_id() && book.stores_size() > 0) return book;
  book.Clear();
  book.set_cluster_id(manifest.cluster_id());
  *book.mutable_stores() = manifest.bootstrap().stores();
  return book;
}

void Node::SaveBook(const std::vector<type::v1::StoreDescriptor>& stores,
                    const range::RangeDescriptor& meta_range) {
  storage::v1::StoreBook book;
  book.set_cluster_id(shard_.store()->manifest().cluster_id());
  *book.mutable_stores() = {stores.begin(), stores.end()};
  *book.mutable_meta_range() = meta_range;
  std::string encoded = book.SerializeAsString();
  if (encoded == saved_book_) return;
  // If it is not written, it is read again from the cluster; the next change tries again.
  if (slow_work_.Add([this, encoded] {
        const absl::Status status = storage_dir_->WriteStores(encoded);
        if (!status.ok()) LOG(WARNING) << "the list of stores is not saved: " << status.message();
      })) {
    saved_book_ = std::move(encoded);
  }
}

consensus::wire::Hello Node::HelloTo(StoreId store) const {
  const std::optional<storage::v1::StoreManifest> manifest = Manifest();
  const LeaseRules rules = MakeLeaseRules(std::chrono::milliseconds(flags_.lease_duration_ms),
                                          flags_.clock_rate_error_max);
  consensus::wire::Hello hello;
  hello.cluster = consensus::ClusterId(manifest->cluster_id());
  hello.store = StoreId(manifest->store_id());
  hello.to_store = store;
  hello.lease_duration = rules.lease_duration;
  hello.clock_rate_error_max_ppb = rules.clock_rate_error_max_ppb;
  return hello;
}

std::unique_ptr<ReplicateLink> Node::MakeLink(StoreId store, const std::string& address) {
  if (!dropped_.has_value()) dropped_ = DroppedCounters();
  consensus::wire::Hello hello = HelloTo(store);
  hello.peer_address = peer_address_;
  auto link = std::make_unique<ReplicateLink>(hello, *dropped_,
                                              [this, store](const std::vector<uint64_t>& not_sent) {
                                                shard_.OnPeerBroken(store, not_sent);
                                              });
  link->SetStream(OutboundStream::Make(address, kReplicatePath, client_port_->queue(), link.get()));
  return link;
}

std::map<StoreId, std::unique_ptr<ReplicateLink>> Node::FirstLinks(
    const storage::v1::StoreBook& book, std::vector<LeaseThread::Peer>* lease_peers) {
  std::map<StoreId, std::unique_ptr<ReplicateLink>> links;
  const uint64_t self = Manifest()->store_id();
  for (const auto& store : book.stores()) {
    const StoreId id(store.store_id());
    if (store.store_id() == self || IsForgotten(id)) continue;
    known_stores_[id] = {store.peer_address(), store.peer_address()};
    links.emplace(id, MakeLink(id, store.peer_address()));
    lease_peers->push_back({HelloTo(id), store.peer_address()});
  }
  return links;
}

void Node::OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                    const range::RangeDescriptor& meta_range) {
  const StoreId self(shard_.store()->manifest().store_id());
  std::set<StoreId> listed;
  for (const auto& store : stores) {
    const StoreId id(store.store_id());
    listed.insert(id);
    if (id == self || IsForgotten(id)) continue;
    KnownStore& known = known_stores_[id];
    if (known.listed == store.peer_address()) continue;
    known.listed = store.peer_address();
    if (known.used != known.listed) Connect(id, known.listed);
  }
  for (auto it = known_stores_.begin(); it != known_stores_.end();) {
    if (listed.count(it->first) > 0) {
      ++it;
      continue;
    }
    LOG(INFO) << "store " << it->first << " was taken off the list of stores";
    shard_.DropLink(it->first);
    lease_thread_.DropPeer(it->first);
    it = known_stores_.erase(it);
  }
  list_trusted_until_ = Now() + kListTrust;
  SetRetired(listed.count(self) == 0);
  SaveBook(stores, meta_range);
}

std::string Node::RetiredText() const {
  if (!retired_) return "";
  return absl::StrCat("store ", Manifest()->store_id(), " of this node, ", peer_address_,
                      ", was taken off the list of stores for good (`rasputin store forget`): stop "
                      "the node, or start it with an empty --storage-dir (a node that the cluster "
                      "began with: and --join-as-new-store), with which it joins as another store; "
                      "other nodes answer what this one refuses");
}

void Node::SetRetired(bool retired) {
  if (retired_.exchange(retired) == retired) return;
  const std::string text = RetiredText();
  if (retired) LOG(ERROR) << text;
  dispatch_.SetRetired(text);
  dispatch_.SetServing(!retired && !stopping_);
}

void Node::WatchListing() {
  if (stopping_) return;
  bool trusted = false;
  RunInShard([this, &trusted] { trusted = Now() < list_trusted_until_; });
  if (!trusted) AskForListing();
  slow_work_.AddAfter(kListingPeriod, [this] { WatchListing(); });
}

// A store that was taken off the list while it was down is let in by nobody, and so cannot read
// the list by itself. One node is asked at a time: what has no leader keeps the caller waiting.
void Node::AskForListing() {
  const std::optional<storage::v1::StoreManifest> manifest = Manifest();
  std::vector<std::string> addresses = seeds_;
  const storage::v1::StoreBook book = ReadBook(*manifest);
  for (const auto& store : book.stores()) addresses.push_back(store.peer_address());
  const size_t first = listings_asked_++;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const std::string& address = addresses[(first + i) % addresses.size()];
    if (address == peer_address_) continue;
    peer::v1::ProbeResponse probe;
    absl::Status answered = CallPeer(address, absl::StrCat(kPeerService, "Probe"),
                                     peer::v1::ProbeRequest(), &probe, kListingProbeTimeout);
    if (!answered.ok() || probe.cluster_id() != manifest->cluster_id()) continue;
    admin::v1::ListStoresResponse list;
    answered = CallPeer(probe.client_address(), kListStoresPath, admin::v1::ListStoresRequest(),
                        &list, kListingTimeout);
    if (!answered.ok() || list.stores_size() == 0) return;
    const auto& stores = list.stores();
    const bool listed = std::any_of(stores.begin(), stores.end(), [&manifest](const auto& store) {
      return store.store_id() == manifest->store_id();
    });
    return RunInShard([this, listed] { SetRetired(!listed); });
  }
}

void Node::OnGreeted(StoreId store, const std::string& address) {
  const auto known = known_stores_.find(store);
  if (address.empty() || IsForgotten(store)) return;
  if (known == known_stores_.end() || known->second.used != address) Connect(store, address);
}

void Node::Connect(StoreId store, const std::string& address) {
  LOG(INFO) << "store " << store << " is at " << address;
  known_stores_[store].used = address;
  shard_.SetLink(store, MakeLink(store, address));
  lease_thread_.SetPeer({HelloTo(store), address});
}

void Node::SetPlacement(FrontOptions* front) const {
  front->placement = flags_.placement;
  range::PlacementRules& rules = front->placement_rules;
  rules.replication_factor = static_cast<uint32_t>(flags_.first_replicas);
  rules.store_dead_after =
      std::chrono::seconds(static_cast<int64_t>(flags_.store_dead_after_seconds));
  rules.store_suspect_after = std::min(rules.store_suspect_after, rules.store_dead_after);
  rules.moves_max = static_cast<uint32_t>(flags_.moves_max);
  rules.moves_in_max = static_cast<uint32_t>(flags_.moves_per_store_max);
  rules.moves_out_max = static_cast<uint32_t>(flags_.moves_per_store_max);
  rules.transfers_max = static_cast<uint32_t>(flags_.transfers_max);
  // The kernel answers from memory.
  front->disk_space = [path = flags_.storage_dir] {
    struct statvfs about;
    DiskSpace space;
    if (statvfs(path.c_str(), &about) != 0) return space;
    space.capacity_bytes = uint64_t{about.f_blocks} * about.f_frsize;
    space.available_bytes = uint64_t{about.f_bavail} * about.f_frsize;
    return space;
  };
}

}  // namespace rasputin::server
