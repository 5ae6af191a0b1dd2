// What operators do to a node against the protocol's own judgement: withdrawing promises [S-9], and
// what an offline recovery has left behind.

#include <glog/logging.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/clock/clock.h"
#include "server/node/call_result.h"
#include "server/node/node.h"
#include "server/peer/peer_client.h"
#include "server/recovery/audit_file.h"

namespace rasputin::server {
namespace {

constexpr char kPeerService[] = "/rasputin.peer.v1.PeerService/";
constexpr consensus::Duration kProbeTimeout = std::chrono::milliseconds(500);
constexpr consensus::Duration kOperatorCallTimeout = std::chrono::seconds(6);
constexpr consensus::Duration kProbeAtStart = std::chrono::milliseconds(300);
constexpr auto kDiskPause = std::chrono::milliseconds(5);

template <typename Request, typename Handle>
CallResult Carry(const absl::Cord& bytes, const Handle& handle) {
  Request request;
  if (!request.ParseFromString(std::string(bytes))) {
    return ToResult(absl::InvalidArgumentError("the bytes are not such a request"));
  }
  const auto response = handle(request);
  return response.ok() ? ToResult(*response) : ToResult(response.status());
}

}  // namespace

WayOut::Ports Node::WayOutPorts() {
  WayOut::Ports ports;
  ports.call_peer = [](const std::string& address, const std::string& method,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response) {
    return CallPeer(address, kPeerService + method, request, response,
                    method == "Probe" ? kProbeTimeout : kOperatorCallTimeout);
  };
  ports.other_stores = [this] {
    std::map<uint64_t, std::string> stores;
    RunInShard([this, &stores] {
      for (const auto& [id, known] : known_stores_) stores[id.value()] = known.used;
    });
    return stores;
  };
  ports.withdraw = [this](uint64_t dead) { return lease_thread_.Withdraw(StoreId(dead)); };
  ports.manifest = [this] { return Manifest(); };
  ports.wall_us = [] { return ReadClocks().wall_us; };
  ports.pause = [] { std::this_thread::sleep_for(kDiskPause); };
  // And a tenth more, for the time that its last message was under way.
  ports.pauses_of_half_lease =
      static_cast<int>(flags_.lease_duration_ms * 11 / 20 / kDiskPause.count()) + 1;
  return ports;
}

bool Node::StartOperatorCall(uint64_t number, const std::string& path, const absl::Cord& request) {
  return slow_work_.Add([this, number, path, request] {
    const CallResult result =
        absl::EndsWith(path, "/ListAudit")
            ? Carry<admin::v1::ListAuditRequest>(
                  request,
                  [this](const auto&) -> absl::StatusOr<admin::v1::ListAuditResponse> {
                    return way_out_.ListAudit();
                  })
            : Carry<admin::v1::WithdrawPromisesRequest>(
                  request, [this](const auto& order) { return way_out_.Withdraw(order); });
    RunInShard([this, number, &result] { dispatch_.FinishSlow(number, result); });
  });
}

std::vector<InboundCallMethod> Node::OperatorCallsOfPeers() {
  using Done = std::function<void(CallResult)>;
  std::vector<InboundCallMethod> calls;
  calls.push_back(
      {absl::StrCat(kPeerService, "WithdrawPromises"),
       [this](const absl::Cord& request, const Done& done) {
         if (slow_work_.Add([this, request, done] {
               done(Carry<peer::v1::WithdrawPromisesRequest>(
                   request, [this](const auto& order) { return way_out_.WithdrawHere(order); }));
             })) {
           return;
         }
         done(ToResult(absl::UnavailableError("too much slow work waits already")));
       }});
  calls.push_back(
      {absl::StrCat(kPeerService, "ListAudit"), [this](const absl::Cord&, const Done& done) {
         if (!slow_work_.Add([this, done] { done(ToResult(way_out_.ListAuditHere())); })) {
           done(ToResult(absl::UnavailableError("too much slow work waits already")));
         }
       }});
  return calls;
}

void Node::LogAudit() const {
  const AuditFile audit(flags_.storage_dir);
  for (const std::string& line : audit.Lines()) LOG(WARNING) << kAuditFileName << ": " << line;
  if (audit.RecoveryUnfinished()) {
    LOG(ERROR) << "a recovery of ranges that lost their majority was begun here and not finished: "
                  "stop the node and repeat `rasputind recover lost-majority`";
  }
}

// Asks the seeds and all stores that this one knows: whoever declared it lost says so.
absl::Status Node::CheckNotForgotten(const storage::v1::StoreManifest& manifest) const {
  std::vector<std::string> addresses = seeds_;
  const storage::v1::StoreBook book = ReadBook(manifest);
  for (const auto& store : book.stores()) {
    const std::string& address = store.peer_address();
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  for (const std::string& address : addresses) {
    if (address == peer_address_) continue;
    peer::v1::ProbeResponse probe;
    const absl::Status answered = CallPeer(address, absl::StrCat(kPeerService, "Probe"),
                                           peer::v1::ProbeRequest(), &probe, kProbeAtStart);
    const auto& forgotten = probe.forgotten_store_ids();
    if (!answered.ok() || probe.cluster_id() != manifest.cluster_id() ||
        std::find(forgotten.begin(), forgotten.end(), manifest.store_id()) == forgotten.end()) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "--storage-dir ", flags_.storage_dir, " belongs to store ", manifest.store_id(),
        ", which an operator declared lost for good when ranges were recovered from store ",
        probe.store_id(), " at ", address,
        ": it must not serve its old state; keep the directory if it may hold lost writes, and "
        "start with an empty one as a new store"));
  }
  return absl::OkStatus();
}

bool Node::IsForgotten(StoreId store) const {
  const std::optional<storage::v1::StoreManifest> manifest = Manifest();
  if (!manifest.has_value()) return false;
  const auto& forgotten = manifest->forgotten_store_ids();
  return std::find(forgotten.begin(), forgotten.end(), store.value()) != forgotten.end();
}

}  // namespace rasputin::server
