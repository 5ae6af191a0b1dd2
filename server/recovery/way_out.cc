// Asking every store, and doing it at this one; see way_out.h.

#include "server/recovery/way_out.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

using admin::v1::StoreWithdrawal;
using consensus::lease::Withdrawal;
using storage::v1::StoreManifest;

constexpr size_t kAskedByBytesMax = 200;
constexpr size_t kAuditLinesMax = 1000;
// Looks at the disk of this store; with pauses of some milliseconds a few seconds.
constexpr int kLooksMax = 1000;
// Of these, those that may be spent on a store that was heard less than half a lease ago.
constexpr int kRefusedLooksMax = kLooksMax * 9 / 10;

}  // namespace

WayOut::WayOut(const std::string& storage_dir, Ports ports)
    : audit_(storage_dir), ports_(std::move(ports)) {}

absl::Status WayOut::CheckIsSilent(uint64_t store, const std::string& address,
                                   const StoreManifest& self) const {
  peer::v1::ProbeResponse probe;
  const absl::Status answered =
      ports_.call_peer(address, "Probe", peer::v1::ProbeRequest(), &probe);
  if (!answered.ok() || probe.cluster_id() != self.cluster_id() || probe.store_id() != store) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "store ", store, " answers at ", address,
      ": it is not dead, and nothing was withdrawn; stop its process or its machine first"));
}

absl::StatusOr<admin::v1::WithdrawPromisesResponse> WayOut::Withdraw(
    const admin::v1::WithdrawPromisesRequest& request) const {
  const std::optional<StoreManifest> self = ports_.manifest();
  if (!self.has_value()) return absl::FailedPreconditionError("this node has no store");
  const uint64_t dead = request.store_id();
  if (dead == 0 || request.proved_dead_store_id() != dead) {
    return absl::InvalidArgumentError(absl::StrCat(
        "store_id is ", dead, " and proved_dead_store_id ", request.proved_dead_store_id(),
        ": both must name the store that was proved dead"));
  }
  if (request.asked_by().size() > kAskedByBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("asked_by has ", request.asked_by().size(),
                                                   " bytes, the limit is ", kAskedByBytesMax));
  }
  if (dead == self->store_id()) {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", dead, " is the one that was asked: it is not dead"));
  }
  std::map<uint64_t, std::string> stores = ports_.other_stores();
  const auto target = stores.find(dead);
  if (target == stores.end()) {
    return absl::NotFoundError(absl::StrCat("store ", dead, " is not on the list of stores"));
  }
  const absl::Status silent = CheckIsSilent(dead, target->second, *self);
  if (!silent.ok()) return silent;
  stores.erase(target);
  stores[self->store_id()] = "";
  admin::v1::WithdrawPromisesResponse response;
  for (const auto& [store, address] : stores) {
    peer::v1::WithdrawPromisesRequest order;
    order.set_cluster_id(self->cluster_id());
    order.set_to_store_id(store);
    order.set_dead_store_id(dead);
    order.set_asked_by(absl::StrCat(request.asked_by().empty() ? "somebody" : request.asked_by(),
                                    " through store ", self->store_id()));
    peer::v1::WithdrawPromisesResponse done;
    absl::Status status;
    if (address.empty()) {
      absl::StatusOr<peer::v1::WithdrawPromisesResponse> here = WithdrawHere(order);
      status = here.status();
      if (here.ok()) done = *std::move(here);
    } else {
      status = ports_.call_peer(address, "WithdrawPromises", order, &done);
    }
    StoreWithdrawal* result = response.add_stores();
    result->set_store_id(store);
    result->set_message(std::string(status.message()));
    result->set_outcome(
        status.ok() ? done.withdrawn() ? admin::v1::WITHDRAWAL_OUTCOME_WITHDRAWN
                                       : admin::v1::WITHDRAWAL_OUTCOME_NOTHING_PROMISED
        : absl::IsFailedPrecondition(status) ? admin::v1::WITHDRAWAL_OUTCOME_REFUSED
                                             : admin::v1::WITHDRAWAL_OUTCOME_NOT_REACHED);
  }
  return response;
}

// The trace first: what left none did not happen.
absl::StatusOr<peer::v1::WithdrawPromisesResponse> WayOut::WithdrawHere(
    const peer::v1::WithdrawPromisesRequest& request) const {
  const std::optional<StoreManifest> self = ports_.manifest();
  const uint64_t dead = request.dead_store_id();
  if (!self.has_value() || request.cluster_id() != self->cluster_id() ||
      request.to_store_id() != self->store_id() || dead == 0 || dead == self->store_id()) {
    return absl::FailedPreconditionError("this is not the store that is to withdraw promises");
  }
  const std::string order = absl::StrCat("WITHDRAWAL ASKED FOR, of all promises to store ", dead,
                                         ", by ", request.asked_by(), ", who calls it dead");
  LOG(WARNING) << order;
  if (absl::Status status = audit_.Append(ports_.wall_us(), order); !status.ok()) return status;
  peer::v1::WithdrawPromisesResponse response;
  const int refused_looks = std::min(ports_.pauses_of_half_lease, kRefusedLooksMax);
  for (int look = 0; look < kLooksMax; ++look) {
    const std::optional<range::Store::LeaseWithdrawal> done = ports_.withdraw(dead);
    if (!done.has_value()) return absl::UnavailableError("the store is not open");
    if (done->outcome == Withdrawal::kBegun) {
      response.set_withdrawn(true);
      ports_.pause();
      continue;
    }
    const bool refused = done->outcome == Withdrawal::kRefused;
    // It may have died just now: then half a lease later it has not asked again.
    if (refused && look < refused_looks) {
      ports_.pause();
      continue;
    }
    std::string result;
    if (refused) {
      result = absl::StrCat("store ", dead, " asked this store for support less than half a lease ",
                            "ago, although that was waited for: it is alive");
    } else {
      response.set_lowest_accepted_epoch(done->lowest_accepted.value());
      result = !response.withdrawn()
                   ? "nothing was promised"
                   : absl::StrCat("every epoch below ", response.lowest_accepted_epoch());
    }
    const std::string outcome =
        absl::StrCat("withdrawal from store ", dead,
                     refused ? " REFUSED, nothing happened: " : " DONE: ", result);
    LOG(WARNING) << outcome;
    if (absl::Status status = audit_.Append(ports_.wall_us(), outcome); !status.ok()) return status;
    if (refused) return absl::FailedPreconditionError(result);
    return response;
  }
  return absl::UnavailableError(
      "the disk has not confirmed the withdrawal yet; repeat the command");
}

peer::v1::ListAuditResponse WayOut::ListAuditHere() const {
  const std::vector<std::string> lines = audit_.Lines();
  peer::v1::ListAuditResponse response;
  const size_t first = lines.size() - std::min(lines.size(), kAuditLinesMax);
  for (size_t i = first; i < lines.size(); ++i) response.add_lines(lines[i]);
  return response;
}

admin::v1::ListAuditResponse WayOut::ListAudit() const {
  admin::v1::ListAuditResponse response;
  const std::optional<StoreManifest> self = ports_.manifest();
  if (!self.has_value()) return response;
  std::map<uint64_t, std::string> stores = ports_.other_stores();
  stores[self->store_id()] = "";
  for (const auto& [store, address] : stores) {
    peer::v1::ListAuditResponse lines;
    const absl::Status status =
        address.empty()
            ? absl::OkStatus()
            : ports_.call_peer(address, "ListAudit", peer::v1::ListAuditRequest(), &lines);
    if (address.empty()) lines = ListAuditHere();
    admin::v1::StoreAudit* audit = response.add_stores();
    audit->set_store_id(store);
    audit->set_reachable(status.ok());
    *audit->mutable_lines() = lines.lines();
  }
  return response;
}

}  // namespace rasputin::server
