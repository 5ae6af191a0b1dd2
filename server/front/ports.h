// The ports of the front end, and the values that cross them: calls of clients, the local store,
// the front ends of other stores.
//
// Real ones are in server/ (gRPC, peer streams), simulated ones in tests/. All ports are called by
// the front end in its own thread, outlive it, must not block, and must not call back into it, with
// one exception: StorePort::Submit may answer before it returns.

#ifndef RASPUTIN_SERVER_FRONT_PORTS_H_
#define RASPUTIN_SERVER_FRONT_PORTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "consensus/core/types.h"
#include "kv/command.h"
#include "range/load/review.h"
#include "range/request.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::server {

using consensus::ClockReading;
using consensus::Duration;
using consensus::Instant;
using consensus::RangeId;
using consensus::StoreId;

// The calls of the services that the front end carries out, named as in api/: those of clients, and
// Join of PeerService. Not among them: Init (where there is no store yet), health, reflection.
enum class Method : uint8_t {
  kGet = 1,
  kSet = 2,
  kCas = 3,
  kDelete = 4,
  kScan = 5,
  kBatch = 6,
  kCreateCollection = 16,
  kGetCollection = 17,
  kListCollections = 18,
  kUpdateCollection = 19,
  kDropCollection = 20,
  kLookupRange = 24,
  kListRanges = 25,
  kFollowRanges = 26,
  kGetStatus = 32,
  kListStores = 33,
  kDescribeRange = 34,
  kSplitRange = 35,
  kTransferLease = 36,
  kChangeReplicas = 37,
  kDecommissionStore = 38,
  kGetPlan = 39,
  kSetPlacement = 40,
  kDrainStore = 41,
  kMergeRanges = 43,
  kListLoads = 44,
  kJoin = 64,
};

// How a call ended, in gRPC's terms.
struct CallResult {
  absl::StatusCode code = absl::StatusCode::kOk;  // Numerically gRPC's.
  std::string message;  // One sentence for the user; without keys and values.
  absl::Cord body;      // kOk: the encoded response; empty where the responses are pages.
  // Otherwise: an encoded google.rpc.Status with an ErrorDetail, for `grpc-status-details-bin`.
  std::string details;
};

// Receives what a call answers. Not owned by the front end, which forgets it after Done.
class CallCompletion {
 public:
  // Scan and FollowRanges only: one encoded response. True: the next page may follow at once;
  // false: it is held back until FrontEnd::Resume.
  virtual bool Page(absl::Cord response) = 0;
  // Exactly once, last; never after FrontEnd::Cancel.
  virtual void Done(CallResult result) = 0;

 protected:
  ~CallCompletion() = default;
};

struct ClientCall {
  Method method = Method::kGet;
  absl::Cord request;                 // The encoded request message, verbatim.
  Instant deadline = Instant::max();  // max(): FrontOptions::call_duration_max.
  CallCompletion* completion = nullptr;
};

// A member of a range as its leader sees it; see admin.v1.MemberStatus.
struct MemberSummary {
  uint64_t replica_id = 0;
  StoreId store;
  uint64_t match_index = 0;
  bool bound = false;
  bool supported = false;
  bool needs_snapshot = false;
};

// What a front end needs to know of one local replica.
struct ReplicaSummary {
  range::RangeDescriptor descriptor;
  StoreId leader_store;  // 0: none known.
  bool serving = false;  // Leads with a valid lease.
  uint64_t term = 0;
  uint64_t committed_index = 0;
  uint64_t applied_index = 0;
  uint64_t last_index = 0;
  Duration lease_left{};
  uint64_t approximate_bytes = 0;
  std::vector<MemberSummary> members;  // Empty unless it leads.
};

// A range that the store leads.
struct LedRange {
  RangeId range;
  uint64_t approximate_bytes = 0;
  std::vector<StoreId> lagging;  // Of members that lack what only a snapshot can bring.
};

struct ReplicaCounts {
  uint64_t replicas = 0;
  uint64_t serving = 0;  // Of which lead with a valid lease.
};

// The local store.
class StorePort {
 public:
  virtual ~StorePort() = default;
  // Exactly one answer to request.completion, during this call or later.
  virtual void Submit(const ClockReading& now, range::Request request) = 0;
  // See range::Store::TransferLease.
  virtual absl::Status TransferLease(const ClockReading& now, RangeId range, StoreId target) = 0;
  // Makes the step, if the store leads the range at this generation. Exactly one answer, as Submit:
  // kOk when it is in force; kFailedPrecondition: not now (a copy catches up, another change is
  // under way), try again; kInvalidArgument: never.
  virtual void ChangeReplicas(const ClockReading& now, RangeId range,
                              consensus::Generation generation, const range::ReplicaChange& change,
                              range::Completion* completion) = 0;
  // nullopt: the store holds no replica of the range.
  virtual std::optional<ReplicaSummary> FindReplica(const ClockReading& now,
                                                    RangeId range) const = 0;
  // See range::Store::FindAbsorbed.
  virtual std::optional<storage::v1::AbsorbedRange> FindAbsorbed(RangeId range) const = 0;
  virtual ReplicaCounts CountReplicas(const ClockReading& now) const = 0;
  // See range::Store::ReviewRanges, DescribeLoad, CarryLoad, ListLoads and TotalLoad.
  virtual std::vector<range::RangeReview> ReviewRanges(const ClockReading& now,
                                                       const range::ReviewOptions& options,
                                                       bool* more) = 0;
  virtual std::optional<range::RangeReview> DescribeLoad(const ClockReading& now, RangeId range,
                                                         bool briefly) = 0;
  virtual void CarryLoad(const ClockReading& now, const range::RangeDescriptor& merged,
                         const type::v1::RangeLoad& before) = 0;
  virtual std::vector<type::v1::RangeLoad> ListLoads(const ClockReading& now, size_t max) = 0;
  virtual type::v1::RangeLoad TotalLoad(const ClockReading& now) = 0;
  // Those with a valid lease, by id.
  virtual std::vector<LedRange> ListLed(const ClockReading& now) const = 0;
  // See range::Store::ListSupporting.
  virtual std::vector<StoreId> ListSupporting(const ClockReading& now) const = 0;
  virtual const storage::v1::StoreManifest& manifest() const = 0;
};

enum class ForwardKind : uint8_t {
  kRange = 1,  // A range::Request.
  // `range`; answered with an encoded admin.v1.DescribeRangeResponse. `body` is not empty: briefly,
  // without operations and decisions. kNotFound: the store holds no replica; where it remembers
  // that the range was absorbed, the one descriptor has id, bounds and generation of the range that
  // absorbed it.
  kDescribeRange = 2,
  kTransferLease = 3,  // `range`, `target`; answered when the handover has begun.
  kStoreStatus = 4,    // Answered with an encoded admin.v1.StoreStatus without the descriptor.
  // `range`, `generation`, `body` (an encoded peer.v1.ReplicaChange); see
  // StorePort::ChangeReplicas.
  kChangeReplicas = 5,
  kStoreLoad = 6,  // Answered with an encoded type.v1.StoreLoad.
  // Answered with an encoded admin.v1.GetPlanResponse by whoever leads the meta range, by others
  // with kNotLeader. With `range`: of that range alone, `done` being what that store decided of it
  // last.
  kPlan = 7,
};

// A body of kDescribeRange.
inline constexpr char kBriefly[] = "briefly";

// A request on its way to the store that is believed to lead the range.
struct ForwardRequest {
  uint64_t id = 0;    // Given by the sender; the reply carries it.
  uint32_t hops = 0;  // Stores it was sent to, this one included; at most client::kHopsMax.
  ForwardKind kind = ForwardKind::kRange;
  // kRange: as in range::Request. Others: what their kind says.
  RangeId range;
  consensus::Generation generation;
  kv::Operation operation = kv::Operation::kNone;
  absl::Cord body;
  std::optional<kv::RequestId> request_id;
  std::string first_key;
  std::string last_key;
  bool read_index = false;
  // kTransferLease: who is to lead. Kinds that are for one store (all but that and kRange): the
  // store, if the one that gets it is to relay it there.
  StoreId target;
  // Time until the deadline when it was sent: instants of different stores cannot be compared.
  Duration time_left{};
};

struct ForwardReply {
  uint64_t id = 0;
  range::Response response;
};

// The front ends of other stores.
class PeerPort {
 public:
  virtual ~PeerPort() = default;
  // Sends. False: there is no connection, or too much waits for it; nothing was written. True: it
  // may have been written; a reply, or FrontEnd::OnPeerBroken, will follow.
  virtual bool Forward(StoreId to, ForwardRequest request) = 0;
  // Answers a request that came by FrontEnd::OnForward; best effort.
  virtual void Reply(StoreId to, ForwardReply reply) = 0;
};

// Learns where the stores of the cluster are.
class StoresPort {
 public:
  virtual ~StoresPort() = default;
  // All stores as the meta range has them, and the meta range as this front end knows it.
  virtual void OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                        const range::RangeDescriptor& meta_range) = 0;
};

// Learns what was decided without being asked, for the log and counters.
class DecisionsPort {
 public:
  virtual ~DecisionsPort() = default;
  // News only; see decision_log.h.
  virtual void OnDecision(const type::v1::Decision& decision) = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_PORTS_H_
