// Brings one request to the leader of its range and its answer back, through whatever is stale.
//
// Chooses range and store from the route cache, submits locally or forwards, learns from refusals,
// waits and tries again as the retry policy allows until the request's deadline; executes and
// relays what other front ends forward. Not responsible for splitting requests by range
// (batch_call.h, kv_calls.h) nor for reading the directory (a hook). Not thread-safe.
//
// Invariants: a mutation that may have been executed is sent again only if that is safe by
// RequestId or by its nature; its answer is then never "not executed" unless that is certain; no
// request travels more than client::kHopsMax hops.

#ifndef RASPUTIN_SERVER_FRONT_DISPATCHER_H_
#define RASPUTIN_SERVER_FRONT_DISPATCHER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "client/route/retry_policy.h"
#include "client/route/router.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/admission.h"
#include "server/front/decision_log.h"
#include "server/front/front_end.h"
#include "server/front/peer_reach.h"
#include "server/front/ports.h"

namespace rasputin::server {

// A request to one range, or to one store.
struct RangeCall {
  ForwardKind kind = ForwardKind::kRange;
  kv::Operation operation = kv::Operation::kNone;
  absl::Cord body;
  std::optional<kv::RequestId> request_id;
  std::string first_key;  // kRange: what it is routed by.
  std::string last_key;   // Must lie in the same range; empty: not checked.
  bool read_index = false;
  bool mutates = false;
  bool repeatable = false;  // Does not mutate, has a RequestId, or repeating it changes nothing.
  bool maybe_executed = false;    // An earlier attempt had an unknown outcome.
  bool wants_descriptor = false;  // RangeAnswer.descriptor is filled in.
  // kRange: meant for this range at this generation alone; a mismatch is final.
  std::optional<range::RangeDescriptor> pinned;
  uint64_t collection = 0;  // Only to ranges of this collection; 0: whatever the keys say.
  // Other kinds: the store to ask, and no other, if need be through one that reaches it; no
  // retries.
  StoreId store;
  RangeId range;                     // Other kinds: the range concerned.
  consensus::Generation generation;  // kChangeReplicas.
  StoreId target;                    // kTransferLease.
  Instant deadline;
};

struct RangeAnswer {
  range::Response response;
  // Of the range that executed it, if asked for.
  range::RangeDescriptor descriptor;
  RangeId range;  // The range asked last; 0: none was found.
  // The keys lie in different ranges: the caller must split the request. Not executed by the last
  // attempt; see `maybe_executed`. `response.outcome` is kRangeMismatch.
  bool must_split = false;
  // The range of the key belongs to another collection than the call is for. Not executed by the
  // last attempt; `response.outcome` is kRangeMismatch.
  bool wrong_collection = false;
  bool maybe_executed = false;
  bool unreachable = false;  // The failure is that of the connection, not of the store.
};

// Outcomes that say that the last attempt was not executed but another one may be.
inline bool IsNotExecuted(range::Outcome outcome) {
  switch (outcome) {
    case range::Outcome::kNotLeader:
    case range::Outcome::kRangeMismatch:
    case range::Outcome::kOverloaded:
    case range::Outcome::kDeadlineExceeded:
      return true;
    default:
      return false;
  }
}

class Dispatcher {
 public:
  using Done = std::function<void(const ClockReading& now, RangeAnswer answer)>;
  // Reads the range that holds a full key from the directory and lets the router learn it. Calls
  // back with it, or with null if the directory did not answer. Never calls back before it returns.
  using Found = std::function<void(const ClockReading& now, const range::RangeDescriptor* range)>;
  using Lookup = std::function<void(const ClockReading& now, const std::string& full_key, Found)>;
  using Timer = std::function<void(const ClockReading& now)>;

  // All of it outlives the dispatcher. `admission` is the way to the local store for requests.
  Dispatcher(const FrontOptions& options, const FrontPorts& ports, Admission* admission,
             client::Router* router, FrontCounters* counters);
  ~Dispatcher();
  void SetLookup(Lookup lookup) { lookup_ = std::move(lookup); }
  // Shown where this store describes itself or a range.
  void SetDecisions(const DecisionLog* decisions) { decisions_ = decisions; }
  // Says what the placement controller here does; nullopt: it is somewhere else.
  using PlanSource = std::function<std::optional<admin::v1::GetPlanResponse>(const ClockReading&)>;
  void SetPlanSource(PlanSource source) { plan_source_ = std::move(source); }
  // Says why nothing is done with a range that was reviewed, where that is noted nowhere.
  using UsualSource = std::function<std::optional<type::v1::Decision>(const ClockReading& now,
                                                                      const range::RangeReview&)>;
  void SetUsualSource(UsualSource source) { usual_source_ = std::move(source); }
  // Says which merges wait for placement; a part of what this store reports of itself.
  using WishSource = std::function<std::vector<type::v1::MergeWish>(const ClockReading&)>;
  void SetWishSource(WishSource source) { wish_source_ = std::move(source); }

  // `done` is called exactly once, from Run, with the final outcome.
  void Send(const ClockReading& now, RangeCall call, Done done);
  // Calls `timer` from the first Run at or after now + delay.
  void After(const ClockReading& now, Duration delay, Timer timer);

  void OnForward(const ClockReading& now, StoreId from, ForwardRequest request);
  void OnForwardReply(const ClockReading& now, StoreId from, ForwardReply reply);
  void OnPeerBroken(const ClockReading& now, StoreId peer, const std::vector<uint64_t>& not_sent);

  // Processes answers and due timers; true if there was something to do.
  bool Run(const ClockReading& now);
  Instant NextDeadline() const;

  StoreId self() const { return self_; }

 private:
  struct Flight;
  struct Ticket;
  // A request sent to a peer: of a flight, of another front end (relay), or to see if it answers.
  struct Outbound {
    StoreId peer;
    uint64_t flight = 0;  // 0: a relay or a probe.
    StoreId relay_from;   // 0: no relay.
    uint64_t relay_id = 0;
    Instant relay_ends;
  };

  void TrySend(const ClockReading& now, Flight* flight, const range::RangeDescriptor* found);
  void SendTo(const ClockReading& now, Flight* flight, StoreId store);
  void SubmitLocally(const ClockReading& now, Flight* flight);
  void ForwardTo(const ClockReading& now, Flight* flight, StoreId store);
  void LookUp(const ClockReading& now, Flight* flight);
  StoreId ChooseStore(const ClockReading& now, Flight* flight, const range::RangeDescriptor& range);
  // The store to which a call of another kind than kRange is sent.
  StoreId WayTo(const ClockReading& now, const RangeCall& call);
  // The store to try when nobody is known to lead, by attempt.
  StoreId CandidateOf(const range::RangeDescriptor& range, uint32_t attempt) const;
  // What this node knows of the range that holds the keys, for an answer that the route was old.
  void AddKnownRange(const ForwardRequest& request, range::Response* response) const;
  // Asks a peer for a sign that it answers.
  void Probe(const ClockReading& now, StoreId peer);
  // The same if it has not answered lately and it is time to ask again.
  void ProbeIfDue(const ClockReading& now, StoreId peer);
  // The store asked has not answered: it, or what it should have relayed to, is passed by.
  void OnSilence(const ClockReading& now, const Flight& flight);

  void OnAnswer(const ClockReading& now, Flight* flight, StoreId from, range::Response response);
  void OnNotLeader(const ClockReading& now, Flight* flight, StoreId from, range::Response response);
  void OnMismatch(const ClockReading& now, Flight* flight, range::Response response);
  void OnFailure(const ClockReading& now, Flight* flight, client::Failure failure,
                 bool better_route, range::Response response);
  void OnTimer(const ClockReading& now, uint64_t id);
  void OnFlightTimer(const ClockReading& now, Flight* flight);
  void Finish(Flight* flight, range::Response response);
  void Expire(Flight* flight);
  void SetTimer(Flight* flight, Instant at);
  // A refusal for overload is to be tried again later. False: too many of the collection are.
  bool Park(Flight* flight);
  void Unpark(Flight* flight);

  void OnTicket(const ClockReading& now, uint64_t ticket_id, range::Response response);
  void OnForwardedAnswer(const ClockReading& now, Ticket* ticket, range::Response response);
  // What is for one store, or can be answered at once.
  void OnDirectForward(const ClockReading& now, StoreId from, ForwardRequest request);
  // Sends the request on; the reply goes to `from`. False: `to` cannot be reached.
  bool Relay(const ClockReading& now, StoreId from, StoreId to, Instant deadline,
             ForwardRequest request);
  void ChangeReplicas(const ClockReading& now, RangeId range, consensus::Generation generation,
                      const absl::Cord& body, Ticket* ticket);
  // `replica` as this store sees it, with its load and what was decided about it.
  admin::v1::DescribeRangeResponse DescribeHere(const ClockReading& now,
                                                const ReplicaSummary& replica, bool briefly);
  admin::v1::GetPlanResponse PlanOf(RangeId range, const admin::v1::GetPlanResponse& plan) const;
  // Executes what is not a request to a range and can be answered at once.
  range::Response ExecuteHere(const ClockReading& now, ForwardKind kind, RangeId range,
                              StoreId target, const absl::Cord& body);
  Flight* Find(uint64_t id);
  Ticket* NewTicket();

  const FrontOptions options_;
  const FrontPorts ports_;
  Admission* const admission_;
  const StoreId self_;
  client::Router* const router_;
  FrontCounters* const counters_;
  Lookup lookup_;
  const DecisionLog* decisions_ = nullptr;
  UsualSource usual_source_;
  PlanSource plan_source_;
  WishSource wish_source_;

  PeerReach reach_;
  uint64_t next_id_;  // Of flights, tickets, outbound requests and timers alike.
  // Looked up by id only, except where noted; ordered where iterated.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Flight>> flights_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Ticket>> tickets_;
  std::map<uint64_t, Outbound> outbound_;
  absl::flat_hash_map<uint64_t, Timer> timers_;
  struct Parked {
    uint64_t requests = 0;
    uint64_t bytes = 0;
  };
  std::map<uint64_t, Parked> parked_;           // By collection, see FrontOptions.
  std::set<std::pair<Instant, uint64_t>> due_;  // Of flights, timers and relays.

  struct Finished {
    Done done;
    RangeAnswer answer;
  };
  std::vector<std::pair<uint64_t, range::Response>>
      answered_;  // By ticket, as the store gave them.
  std::vector<Finished> finished_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DISPATCHER_H_
