// The receiving side of the dispatcher: executes what other front ends forward, relays it once more
// where it does not lead, and takes in replies and broken connections; see dispatcher.h.
//
// A relayed request is answered to its origin by whoever received it from there; the origin, not
// the relay, decides about repetition, because it alone knows the client's deadline and RequestId.

#include <glog/logging.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "client/route/retry_policy.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/dispatcher.h"
#include "server/front/dispatcher_internal.h"
#include "server/front/load_report.h"
#include "server/front/member_change.h"
#include "server/front/replica_report.h"

namespace rasputin::server {

using range::Outcome;
using range::Response;

namespace {

constexpr int kMutantRelayLoop = 45;
constexpr size_t kDecisionsReported = 100;

}  // namespace

void Dispatcher::OnForward(const ClockReading& now, StoreId from, ForwardRequest request) {
  const bool changes_replicas = request.kind == ForwardKind::kChangeReplicas;
  const bool for_other = request.target.IsSet() && request.target != self_;
  if (request.kind != ForwardKind::kRange && (!changes_replicas || for_other)) {
    return OnDirectForward(now, from, std::move(request));
  }
  ++counters_->served_locally;
  Ticket* ticket = NewTicket();
  ticket->from = from;
  ticket->deadline = now.boot + std::min(request.time_left, options_.call_duration_max);
  if (changes_replicas) {
    ticket->forwarded = std::move(request);
    return ChangeReplicas(now, ticket->forwarded->range, ticket->forwarded->generation,
                          ticket->forwarded->body, ticket);
  }
  range::Request local;
  local.range = request.range;
  local.generation = request.generation;
  local.operation = request.operation;
  local.body = request.body;
  local.id = request.request_id;
  local.first_key = request.first_key;
  local.last_key = request.last_key;
  local.read_index = request.read_index;
  local.deadline = ticket->deadline;
  local.completion = ticket;
  ticket->forwarded = std::move(request);
  admission_->Submit(now, std::move(local));
}

void Dispatcher::OnDirectForward(const ClockReading& now, StoreId from, ForwardRequest request) {
  const Instant deadline = now.boot + std::min(request.time_left, options_.call_duration_max);
  ForwardReply reply;
  reply.id = request.id;
  const bool hands_over = request.kind == ForwardKind::kTransferLease;
  if (!hands_over && request.target.IsSet() && request.target != self_) {
    reply.response = Unreachable(request.target);
    reply.response.leader_store = request.target;
  } else {
    reply.response = ExecuteHere(now, request.kind, request.range, request.target, request.body);
  }
  const StoreId hint = reply.response.leader_store;
  const bool may_relay = reply.response.outcome == Outcome::kNotLeader && hint.IsSet() &&
                         hint != self_ && hint != from && request.hops < client::kHopsMax;
  if (may_relay && Relay(now, from, hint, deadline, std::move(request))) return;
  ports_.peers->Reply(from, std::move(reply));
}

bool Dispatcher::Relay(const ClockReading& now, StoreId from, StoreId to, Instant deadline,
                       ForwardRequest request) {
  ProbeIfDue(now, to);
  if (!reach_.Answers(to)) return false;
  Outbound outbound;
  outbound.peer = to;
  outbound.relay_from = from;
  outbound.relay_id = request.id;
  outbound.relay_ends = deadline;
  request.id = next_id_++;
  request.time_left = deadline - now.boot;
  ++request.hops;
  const uint64_t id = request.id;
  outbound_[id] = outbound;
  due_.insert({deadline, id});
  if (ports_.peers->Forward(to, std::move(request))) {
    ++counters_->relayed;
    return true;
  }
  outbound_.erase(id);
  due_.erase({deadline, id});
  reach_.OnSilent(now.boot, to);
  return false;
}

void Dispatcher::OnTicket(const ClockReading& now, uint64_t ticket_id, Response response) {
  const auto it = tickets_.find(ticket_id);
  CHECK(it != tickets_.end()) << "the store answered twice";
  const std::unique_ptr<Ticket> ticket = std::move(it->second);
  tickets_.erase(it);
  if (ticket->forwarded.has_value()) {
    return OnForwardedAnswer(now, ticket.get(), std::move(response));
  }
  Flight* flight = Find(ticket->flight);
  if (flight == nullptr || flight->waits_for != ticket_id) return;
  OnAnswer(now, flight, self_, std::move(response));
}

void Dispatcher::OnForwardedAnswer(const ClockReading& now, Ticket* ticket, Response response) {
  ForwardRequest request = *std::move(ticket->forwarded);
  const StoreId from = ticket->from;
  const StoreId hint = response.leader_store;
  const Instant deadline = ticket->deadline;
  const bool far_enough =
      (hint == from || request.hops >= client::kHopsMax) && !options_.mutants.Has(kMutantRelayLoop);
  const bool may_relay = request.kind == ForwardKind::kRange &&
                         response.outcome == Outcome::kNotLeader && hint.IsSet() && hint != self_ &&
                         !far_enough && now.boot < deadline;
  // It is needed below if it cannot be relayed; its body is shared, not copied.
  if (may_relay && Relay(now, from, hint, deadline, request)) return;
  ForwardReply reply;
  reply.id = request.id;
  if (response.outcome == Outcome::kRangeMismatch) AddKnownRange(request, &response);
  reply.response = std::move(response);
  ports_.peers->Reply(from, std::move(reply));
}

void Dispatcher::AddKnownRange(const ForwardRequest& request, Response* response) const {
  const range::RangeDescriptor* known = router_->Locate(request.first_key);
  const bool news = known != nullptr && (known->range_id() != request.range.value() ||
                                         known->generation() > request.generation.value());
  if (!news) return;
  for (const auto& descriptor : response->descriptors) {
    if (descriptor.range_id() == known->range_id()) return;
  }
  response->descriptors.push_back(*known);
}

void Dispatcher::OnForwardReply(const ClockReading& now, StoreId from, ForwardReply reply) {
  const auto it = outbound_.find(reply.id);
  if (it == outbound_.end() || it->second.peer != from) return;  // Given up meanwhile.
  const Outbound outbound = it->second;
  outbound_.erase(it);
  reach_.OnAnswer(now.boot, from);
  if (outbound.flight == 0) {
    due_.erase({outbound.relay_ends, reply.id});
    if (!outbound.relay_from.IsSet()) return;  // A probe.
    // So that the origin goes straight there next time.
    if (reply.response.outcome == Outcome::kOk) reply.response.leader_store = from;
    reply.id = outbound.relay_id;
    ports_.peers->Reply(outbound.relay_from, std::move(reply));
    return;
  }
  Flight* flight = Find(outbound.flight);
  if (flight == nullptr || flight->waits_for != reply.id) return;
  OnAnswer(now, flight, from, std::move(reply.response));
}

void Dispatcher::OnPeerBroken(const ClockReading& now, StoreId peer,
                              const std::vector<uint64_t>& not_sent) {
  router_->ForgetLeadersOn(peer.value());
  const std::set<uint64_t> unsent(not_sent.begin(), not_sent.end());
  std::vector<std::pair<uint64_t, Outbound>> broken;
  for (const auto& [id, outbound] : outbound_) {
    if (outbound.peer == peer) broken.emplace_back(id, outbound);
  }
  for (const auto& [id, outbound] : broken) {
    outbound_.erase(id);
    const bool sent = unsent.count(id) == 0;
    if (outbound.flight == 0) {
      due_.erase({outbound.relay_ends, id});
      if (!outbound.relay_from.IsSet()) continue;  // A probe.
      ForwardReply reply;
      reply.id = outbound.relay_id;
      reply.response = Unreachable(peer);
      if (sent) {
        reply.response.outcome = Outcome::kOutcomeUnknown;
        reply.response.message = "the connection to the leader broke";
      }
      ports_.peers->Reply(outbound.relay_from, std::move(reply));
    } else if (Flight* flight = Find(outbound.flight); flight != nullptr) {
      flight->waits_for = 0;
      const client::Failure failure = sent ? client::Failure::kBroken : client::Failure::kNotSent;
      OnFailure(now, flight, failure, false, Unreachable(peer));
    }
  }
}

void Dispatcher::ChangeReplicas(const ClockReading& now, RangeId range,
                                consensus::Generation generation, const absl::Cord& body,
                                Ticket* ticket) {
  const std::optional<range::ReplicaChange> change = DecodeReplicaChange(body);
  if (change.has_value()) {
    return ports_.store->ChangeReplicas(now, range, generation, *change, ticket);
  }
  Response response;
  response.outcome = Outcome::kInvalidArgument;
  response.message = "the step is not known to this version";
  ticket->Done(std::move(response));
}

admin::v1::DescribeRangeResponse Dispatcher::DescribeHere(const ClockReading& now,
                                                          const ReplicaSummary& replica,
                                                          bool briefly) {
  admin::v1::DescribeRangeResponse report = ReportReplica(self_, replica);
  const RangeId range(replica.descriptor.range_id());
  std::vector<type::v1::Decision> decisions;
  if (decisions_ != nullptr && !briefly) decisions = decisions_->OfRange(range.value());
  if (auto review = ports_.store->DescribeLoad(now, range, briefly); review.has_value()) {
    if (usual_source_ != nullptr && !briefly) {
      const std::optional<type::v1::Decision> usual = usual_source_(now, *review);
      if (usual.has_value()) DecisionLog::PutNotTaken(*usual, &decisions);
    }
    report.set_approximate_bytes(review->load.size_bytes());
    *report.mutable_load() = std::move(review->load);
    *report.mutable_thresholds() = std::move(review->thresholds);
    *report.mutable_operations() = {review->operations.begin(), review->operations.end()};
  }
  for (auto& decision : decisions) *report.add_decisions() = std::move(decision);
  return report;
}

admin::v1::GetPlanResponse Dispatcher::PlanOf(RangeId range,
                                              const admin::v1::GetPlanResponse& plan) const {
  admin::v1::GetPlanResponse of_range;
  of_range.set_controller_store_id(plan.controller_store_id());
  for (const auto& one : plan.planned()) {
    if (one.range_id() == range.value()) *of_range.add_planned() = one;
  }
  for (const auto& one : plan.under_way()) {
    if (one.range_id() == range.value()) *of_range.add_under_way() = one;
  }
  if (decisions_ == nullptr) return of_range;
  for (auto& one : decisions_->OfRange(range.value())) *of_range.add_done() = std::move(one);
  return of_range;
}

Response Dispatcher::ExecuteHere(const ClockReading& now, ForwardKind kind, RangeId range,
                                 StoreId target, const absl::Cord& body) {
  Response response;
  if (kind == ForwardKind::kStoreLoad) {
    type::v1::StoreLoad load = ReportLoad(now, options_, ports_.store);
    if (decisions_ != nullptr) {
      for (auto& decision : decisions_->Newest(kDecisionsReported)) {
        *load.add_decisions() = std::move(decision);
      }
    }
    if (wish_source_ != nullptr) {
      for (auto& wish : wish_source_(now)) *load.add_merge_wishes() = std::move(wish);
    }
    response.body = absl::Cord(load.SerializeAsString());
    return response;
  }
  if (kind == ForwardKind::kPlan) {
    std::optional<admin::v1::GetPlanResponse> plan =
        plan_source_ == nullptr ? std::nullopt : plan_source_(now);
    if (plan.has_value()) {
      if (range.IsSet()) *plan = PlanOf(range, *plan);
      response.body = absl::Cord(plan->SerializeAsString());
    } else {
      response.outcome = Outcome::kNotLeader;
    }
    return response;
  }
  if (kind == ForwardKind::kStoreStatus) {
    const ReplicaCounts counts = ports_.store->CountReplicas(now);
    admin::v1::StoreStatus status;
    status.set_reachable(true);
    status.set_replicas(counts.replicas);
    status.set_leaders(counts.serving);
    response.body = absl::Cord(status.SerializeAsString());
    return response;
  }
  const std::optional<ReplicaSummary> replica = ports_.store->FindReplica(now, range);
  if (!replica.has_value()) {
    response.outcome = Outcome::kNotFound;
    response.message = "the store holds no replica of the range";
    const auto absorbed = ports_.store->FindAbsorbed(range);
    if (absorbed.has_value()) {
      range::RangeDescriptor left;
      left.set_range_id(absorbed->left_range_id());
      left.set_generation(absorbed->generation());
      left.set_start_key(absorbed->start_key());
      left.set_end_key(absorbed->end_key());
      response.descriptors.push_back(std::move(left));
      response.message = absl::StrCat("range ", range.value(), " was absorbed by range ",
                                      absorbed->left_range_id());
    }
  } else if (kind == ForwardKind::kDescribeRange) {
    response.body = absl::Cord(DescribeHere(now, *replica, !body.empty()).SerializeAsString());
  } else if (!replica->serving) {
    response.outcome = Outcome::kNotLeader;
    response.leader_store = replica->leader_store;
  } else {
    const absl::Status begun = ports_.store->TransferLease(now, range, target);
    if (!begun.ok()) {
      response.outcome = Outcome::kFailedPrecondition;
      response.message = std::string(begun.message());
    }
  }
  return response;
}

}  // namespace rasputin::server
