// Front ends over a cluster without consensus: what tests of the front end run.
//
// N stores with a front end each, one shared truth (ranges, their leaders, real kv and meta state
// in one memory engine), and a network that tests can hold, break and count. Each request is
// executed at once by the store that leads its range. Not responsible for replication: tests/sim
// runs the real store. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_FAKE_CLUSTER_H_
#define RASPUTIN_SERVER_FRONT_FAKE_CLUSTER_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kv/memory_engine.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/v1/error.pb.h"
#include "server/front/front_end.h"

namespace rasputin::server {

// Records what a call answers.
struct FakeCall final : CallCompletion {
  bool Page(absl::Cord response) override;
  void Done(CallResult call_result) override;

  bool ok() const { return result.has_value() && result->code == absl::StatusCode::kOk; }
  rasputin::v1::ErrorDetail Detail() const;
  template <typename Message>
  Message Body() const {
    Message message;
    message.ParseFromString(std::string(result.value().body));
    return message;
  }

  std::optional<CallResult> result;
  std::vector<kv::v1::ScanResponse> pages;  // Of a scan.
  std::vector<std::string> encoded_pages;   // Of any stream.
  bool takes_pages = true;                  // What Page returns.
  CallId id = 0;
};

class FakeCluster {
 public:
  // Sees a request before its store; an answer returned here replaces the execution.
  using Interceptor =
      std::function<std::optional<range::Response>(StoreId store, const range::Request& request)>;

  // The ranges have replicas on the first `members` stores; 0: on all.
  explicit FakeCluster(uint64_t stores = 3, FrontOptions options = {}, uint64_t members = 0);
  ~FakeCluster();

  FrontEnd& front(uint64_t store);
  // Starts a call at the node of `store` without running it.
  void Start(uint64_t store, Method method, const std::string& request, FakeCall* call,
             Duration timeout = std::chrono::seconds(10));
  // Starts a call and runs the cluster until it is answered; CHECKs that it is.
  template <typename Request>
  FakeCall Call(uint64_t store, Method method, const Request& request) {
    FakeCall call;
    Start(store, method, request.SerializeAsString(), &call);
    RunUntilDone(call);
    return call;
  }
  // Delivers messages and runs front ends until nothing is left to do at this instant.
  void Settle();
  // Settles, and lets time pass, timer by timer, until the call is answered or a minute has passed.
  void RunUntilDone(const FakeCall& call);
  void Advance(Duration by);
  // Delivers what waits for this store, and nothing that comes of it.
  void DeliverOnly(uint64_t store);
  // Replaces a node's front end by a new one that knows only its manifest, and has another seed.
  void RestartFront(uint64_t store);
  // Starts the call and restarts the front end without the `answers`-th answer to what it asked of
  // other stores: that was executed, and the call never learns it.
  void CrashDuring(uint64_t store, Method method, const std::string& request, int answers);

  // ---- The truth.
  // Splits without telling anybody: no event, no directory.
  range::RangeDescriptor SplitSilently(const std::string& full_key, uint64_t child_id);
  // The range absorbs its right neighbour, in the same silence.
  void MergeSilently(uint64_t left);
  const range::RangeDescriptor* RangeOf(const std::string& full_key) const;
  size_t RangeCount() const { return ranges_.size(); }
  void SetLeader(uint64_t range, uint64_t store);  // 0: nobody leads.
  uint64_t Leader(uint64_t range) const;
  // Changes the meta range without telling anybody.
  void ApplyToMeta(const storage::v1::MetaCommand& command);
  // What the directory says about the range that holds the key.
  range::RangeDescriptor InDirectory(const std::string& full_key);
  void TellObservers(uint64_t range);  // OnDescriptor, at every store; OnRemoved if it is gone.

  // What the store answers, for interceptors that lose the answer.
  range::Response Execute(StoreId store, const range::Request& request);

  // What the leaders of ranges, by id, say about their load; the descriptor is put in.
  std::map<uint64_t, range::RangeReview> reviews;
  // What the leaders were told that merged ranges had to do before, by id.
  std::map<uint64_t, type::v1::RangeLoad> carried;
  int handovers_to_refuse = 0;  // The next so many.
  // By range, the store whose replica says that it lacks what only a snapshot can bring.
  std::map<uint64_t, uint64_t> lagging;
  // They take requests and do not answer, until Release executes what they have.
  std::set<uint64_t> stores_that_hold;
  void Release(uint64_t store);
  Interceptor intercept;
  bool copies_catch_up = true;       // Learners may become voters.
  int steps_taken = 0;               // Changes of members.
  bool members_hold_freezes = true;  // Freezes are answered.
  int described = 0;                 // Times that leaders were asked about loads.
  int described_briefly = 0;
  std::set<uint64_t> stores_away;  // Leaders say that these do not support them.
  // What the stores ports of all nodes were told last.
  std::map<uint64_t, std::vector<type::v1::StoreDescriptor>> stores_told;
  bool give_hints = true;  // Refusals of stores that do not lead name the leader.

  // ---- The network. Pairs are (from, to).
  std::set<std::pair<uint64_t, uint64_t>> disconnected;  // Forward returns false.
  std::set<std::pair<uint64_t, uint64_t>> held;  // Messages are kept, neither lost nor sent.
  // Loses what is held from and to the store, and tells all others that the connection broke;
  // with `not_sent` also that requests to it that were held had never left.
  void BreakConnectionsOf(uint64_t store, bool not_sent = false);
  uint64_t requests_executed(kv::Operation operation) const;
  std::map<std::pair<uint64_t, uint64_t>, int> forwards;  // By pair.
  uint32_t hops_seen_max = 0;

  ClockReading now;

 private:
  struct Node;
  struct Frame {
    uint64_t from = 0;
    uint64_t to = 0;
    std::optional<ForwardRequest> request;
    std::optional<ForwardReply> reply;
  };

  storage::v1::StoreManifest ManifestOf(uint64_t store) const;
  range::Response ChangeReplicas(uint64_t store, RangeId range, consensus::Generation generation,
                                 const range::ReplicaChange& change);
  range::Response ExecuteWrite(const range::Request& request, const range::RangeDescriptor& range);
  range::Response ExecuteSplit(const range::Request& request);
  // The steps of a merge, of which each takes no time at all.
  range::Response ExecuteMergeStep(const range::Request& request);
  range::Response MergeBegin(const range::Request& request, range::RangeDescriptor* left);
  range::Response Freeze(const range::Request& request, range::RangeDescriptor* right);
  range::Response Absorb(const range::Request& request, range::RangeDescriptor* left);
  void Absorb(range::RangeDescriptor* left, const range::RangeDescriptor& right);
  range::Response StepBack(const range::Request& request, range::RangeDescriptor* range);
  range::Response ExecuteDrop(uint64_t range);
  bool DeliverOne();
  void RunFront(uint64_t store);  // Turns until nothing is held back.

  const FrontOptions options_;
  const uint64_t members_;
  storage::v1::BootstrapRecord record_;
  kv::MemoryEngine engine_;
  uint64_t next_version_ = 1;
  uint64_t front_ends_started_ = 0;
  std::map<uint64_t, range::RangeDescriptor> ranges_;
  std::map<uint64_t, storage::v1::AbsorbedRange> absorbed_;
  std::map<uint64_t, uint64_t> leaders_;
  std::map<kv::Operation, uint64_t> executed_;
  std::deque<Frame> frames_;
  std::map<uint64_t, std::unique_ptr<Node>> nodes_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_FAKE_CLUSTER_H_
