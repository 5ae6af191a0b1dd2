// The steps of a first start; see the header for why they are in this order.

#include "server/node/cluster_init.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/node/bootstrap_plan.h"

namespace rasputin::server {
namespace {

absl::Status FailedAt(const std::string& seed, const absl::Status& cause) {
  if (!absl::IsUnavailable(cause) && !absl::IsDeadlineExceeded(cause)) {
    return absl::FailedPreconditionError(
        absl::StrCat("seed ", seed, " refused: ", cause.message()));
  }
  return absl::UnavailableError(absl::StrCat("seed ", seed, " cannot be reached (", cause.message(),
                                             "); start all seeds and initialise again"));
}

// `own`: of the node that was asked. If the appointed seed could be asked, the cause says which
// other one did not answer.
absl::Status NotByAppointed(const std::string& appointed,
                            const std::optional<storage::v1::StoreManifest>& own,
                            const absl::Status& cause) {
  std::string text = absl::StrCat("seed ", appointed,
                                  ", which initialises the cluster, did not: ", cause.message());
  if (own.has_value()) {
    absl::StrAppend(&text, "; this node belongs to cluster ", own->cluster_id(),
                    " already, another seed may not");
  }
  if (absl::IsFailedPrecondition(cause)) return absl::FailedPreconditionError(text);
  return absl::UnavailableError(
      absl::StrCat(text,
                   "; start all seeds and initialise again, which changes nothing that is "
                   "done already"));
}

storage::v1::StoreManifest ManifestOf(const storage::v1::BootstrapRecord& record, uint64_t store) {
  storage::v1::StoreManifest manifest;
  manifest.set_format(1);
  manifest.set_cluster_id(record.cluster_id());
  manifest.set_store_id(store);
  *manifest.mutable_bootstrap() = record;
  return manifest;
}

ClusterInit::Result ResultOf(const storage::v1::BootstrapRecord& record, bool already) {
  return {record.cluster_id(), already, {record.stores().begin(), record.stores().end()}};
}

}  // namespace

ClusterInit::ClusterInit(Self self, Ports ports)
    : self_(std::move(self)), ports_(std::move(ports)) {}

absl::StatusOr<ClusterInit::Result> ClusterInit::Init() {
  const std::optional<storage::v1::StoreManifest> manifest = ports_.manifest();
  const std::string& appointed = self_.seeds.front();
  if (appointed == self_.probe.peer_address()) return Initialize();
  // Asked even if this node has its identity: the attempt that gave it may have broken off before
  // another seed had its own, and only the appointed node can finish it.
  peer::v1::InitializeResponse response;
  const absl::Status status =
      ports_.call_peer(appointed, "Initialize", peer::v1::InitializeRequest(), &response);
  if (!status.ok()) return NotByAppointed(appointed, manifest, status);
  // Whoever lacked its identity in an unfinished attempt has got it by now.
  const bool listed = std::any_of(
      response.stores().begin(), response.stores().end(),
      [this](const auto& store) { return store.peer_address() == self_.probe.peer_address(); });
  if (listed && !ports_.manifest().has_value()) return ReportLost(response.cluster_id());
  Result result;
  result.cluster_id = response.cluster_id();
  result.already_initialized = manifest.has_value();
  result.stores.assign(response.stores().begin(), response.stores().end());
  return result;
}

absl::StatusOr<ClusterInit::Result> ClusterInit::Initialize() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (self_.seeds.front() != self_.probe.peer_address()) {
    return absl::FailedPreconditionError(
        absl::StrCat(self_.probe.peer_address(),
                     " was started with another --seed-peers, whose "
                     "first node is ",
                     self_.seeds.front(), "; the lists must be equal"));
  }
  const std::optional<storage::v1::StoreManifest> manifest = ports_.manifest();
  storage::v1::BootstrapRecord record;
  if (manifest.has_value()) {
    record = manifest->bootstrap();
    // Who joined did so because the cluster was complete.
    if (ports_.is_complete() || manifest->joined()) return ResultOf(record, true);
    // The attempt may have broken off before the store was open.
    const absl::Status status = ports_.adopt(*manifest);
    if (!status.ok()) return status;
  } else {
    absl::StatusOr<storage::v1::BootstrapRecord> planned = Plan();
    if (!planned.ok()) return planned.status();
    record = *std::move(planned);
    uint64_t own = 0;
    for (const auto& store : record.stores()) {
      if (store.peer_address() == self_.probe.peer_address()) own = store.store_id();
    }
    const absl::Status status = ports_.adopt(ManifestOf(record, own));
    if (!status.ok()) return status;
  }
  absl::Status status = Push(record);
  if (status.ok()) status = ports_.mark_complete();
  if (!status.ok()) return status;
  return ResultOf(record, false);
}

absl::StatusOr<storage::v1::BootstrapRecord> ClusterInit::Plan() {
  std::vector<peer::v1::ProbeResponse> probes;
  bool listed = false;
  for (const std::string& seed : self_.seeds) {
    if (seed == self_.probe.peer_address()) {
      listed = true;
      probes.push_back(self_.probe);
      continue;
    }
    peer::v1::ProbeResponse probe;
    absl::Status status = ports_.call_peer(seed, "Probe", peer::v1::ProbeRequest(), &probe);
    if (!status.ok()) return FailedAt(seed, status);
    // This node writes its own manifest before any other seed gets one.
    const bool same_seeds = std::equal(probe.seed_peers().begin(), probe.seed_peers().end(),
                                       self_.seeds.begin(), self_.seeds.end());
    if (probe.cluster_id() != 0 && same_seeds) return ReportLost(probe.cluster_id());
    status = CheckSeed(seed, probe, self_.seeds);
    if (!status.ok()) return status;
    probes.push_back(std::move(probe));
  }
  if (!listed) {
    return absl::FailedPreconditionError(
        absl::StrCat("this node, ", self_.probe.peer_address(), ", is not in its --seed-peers"));
  }
  return PlanCluster(ports_.new_cluster_id(), probes, self_.first_replicas);
}

absl::Status ClusterInit::ReportLost(uint64_t cluster) {
  std::lock_guard<std::mutex> lock(lost_mutex_);
  lost_ =
      absl::StrCat("cluster ", cluster,
                   " exists already and this seed's directory is empty: a store that lost its "
                   "data cannot take part again under its identity; restore its directory ",
                   self_.storage_dir,
                   ", or start it with --join-as-new-store to make it another store (if that is "
                   "not this node's cluster, correct --seed-peers)");
  return absl::FailedPreconditionError(lost_);
}

std::string ClusterInit::lost() const {
  std::lock_guard<std::mutex> lock(lost_mutex_);
  return lost_;
}

absl::Status ClusterInit::Push(const storage::v1::BootstrapRecord& record) {
  for (const auto& store : record.stores()) {
    if (store.peer_address() == self_.probe.peer_address()) continue;
    peer::v1::BootstrapRequest request;
    *request.mutable_manifest() = ManifestOf(record, store.store_id());
    peer::v1::BootstrapResponse response;
    const absl::Status status =
        ports_.call_peer(store.peer_address(), "Bootstrap", request, &response);
    if (!status.ok()) return FailedAt(store.peer_address(), status);
  }
  return absl::OkStatus();
}

absl::Status ClusterInit::Bootstrap(const storage::v1::StoreManifest& manifest) {
  const auto& stores = manifest.bootstrap().stores();
  if (manifest.cluster_id() == 0 || manifest.store_id() == 0 ||
      manifest.cluster_id() != manifest.bootstrap().cluster_id()) {
    return absl::InvalidArgumentError("the manifest lacks an id");
  }
  for (const auto& store : stores) {
    if (store.store_id() != manifest.store_id()) continue;
    if (store.peer_address() != self_.probe.peer_address()) {
      return absl::FailedPreconditionError(
          absl::StrCat("store ", manifest.store_id(), " is meant to be at ", store.peer_address(),
                       ", this node is ", self_.probe.peer_address()));
    }
    return ports_.adopt(manifest);
  }
  return absl::InvalidArgumentError("the manifest does not list its own store");
}

peer::v1::ProbeResponse ClusterInit::Probe() const {
  peer::v1::ProbeResponse probe = self_.probe;
  const std::optional<storage::v1::StoreManifest> manifest = ports_.manifest();
  if (manifest.has_value()) {
    probe.set_cluster_id(manifest->cluster_id());
    probe.set_store_id(manifest->store_id());
    *probe.mutable_forgotten_store_ids() = manifest->forgotten_store_ids();
  }
  return probe;
}

}  // namespace rasputin::server
