// The life of a request on its way to a range; see dispatcher.h. Relays are in dispatcher_relay.cc.
//
// A *flight* is one request with all its attempts; a *ticket* is what the local store holds of one
// attempt and outlives the flight if its deadline passes first; an *outbound* is the same at a
// peer.

#include "server/front/dispatcher.h"

#include <glog/logging.h>

#include <algorithm>

#include "client/route/full_key.h"
#include "server/front/dispatcher_internal.h"

namespace rasputin::server {

using client::Failure;
using range::Outcome;
using range::Response;

namespace {

// A random place, of which each process has another one: a late reply to a request of this store's
// previous process must not pass for the answer to one of ours. 62 bits: never 0, never overflows.
uint64_t FirstId(uint64_t seed) {
  uint64_t z = seed + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return ((z ^ (z >> 31)) >> 2) + 1;
}

}  // namespace

Dispatcher::Dispatcher(const FrontOptions& options, const FrontPorts& ports, Admission* admission,
                       client::Router* router, FrontCounters* counters)
    : options_(options),
      ports_(ports),
      admission_(admission),
      self_(ports.store->manifest().store_id()),
      router_(router),
      counters_(counters),
      reach_(self_, options.attempt_wait / 2),
      next_id_(FirstId(options.seed)) {}

Dispatcher::~Dispatcher() = default;

Dispatcher::Flight* Dispatcher::Find(uint64_t id) {
  const auto it = flights_.find(id);
  return it == flights_.end() ? nullptr : it->second.get();
}

Dispatcher::Ticket* Dispatcher::NewTicket() {
  const uint64_t id = next_id_++;
  auto ticket = std::make_unique<Ticket>(id, &answered_);
  return tickets_.emplace(id, std::move(ticket)).first->second.get();
}

void Dispatcher::SetTimer(Flight* flight, Instant at) {
  if (flight->timer == at) return;
  due_.erase({flight->timer, flight->id});
  flight->timer = at;
  due_.insert({at, flight->id});
}

void Dispatcher::After(const ClockReading& now, Duration delay, Timer timer) {
  const uint64_t id = next_id_++;
  timers_.emplace(id, std::move(timer));
  due_.insert({now.boot + delay, id});
}

void Dispatcher::Send(const ClockReading& now, RangeCall call, Done done) {
  CHECK(call.deadline < Instant::max()) << "every request ends";
  const uint64_t id = next_id_++;
  auto owned = std::make_unique<Flight>(id, std::move(call), std::move(done),
                                        client::Backoff(options_.retry, options_.seed ^ id));
  Flight* flight = flights_.emplace(id, std::move(owned)).first->second.get();
  SetTimer(flight, flight->call.deadline);
  if (flight->call.kind == ForwardKind::kRange) {
    TrySend(now, flight, nullptr);
  } else {
    flight->range = flight->call.range;
    flight->generation = flight->call.generation;
    flight->meant = flight->call.store;
    SendTo(now, flight, WayTo(now, flight->call));
  }
}

void Dispatcher::TrySend(const ClockReading& now, Flight* flight,
                         const range::RangeDescriptor* found) {
  if (now.boot >= flight->call.deadline) return Expire(flight);
  const range::RangeDescriptor* range = flight->call.pinned.has_value()
                                            ? &*flight->call.pinned
                                            : router_->Locate(flight->call.first_key);
  // What the directory says is tried even if the cache believes that it is out of date: the range
  // itself will say what is true.
  if (range == nullptr) range = found;
  if (range == nullptr) return LookUp(now, flight);

  flight->range = RangeId(range->range_id());
  flight->generation = consensus::Generation(range->generation());
  if (flight->call.collection != 0 && range->collection_id() != flight->call.collection) {
    Response other;
    other.outcome = Outcome::kRangeMismatch;
    other.message = "the key lies in a range of another collection";
    flight->wrong_collection = true;
    return Finish(flight, std::move(other));
  }
  if (!flight->call.last_key.empty() &&
      !client::KeyInBounds(flight->call.last_key, range->start_key(), range->end_key())) {
    Response split;
    split.outcome = Outcome::kRangeMismatch;
    split.message = "the keys lie in different ranges";
    flight->must_split = true;
    return Finish(flight, std::move(split));
  }
  if (flight->call.wants_descriptor) flight->descriptor = *range;
  const StoreId store = ChooseStore(now, flight, *range);
  if (!store.IsSet()) {
    Response none;
    none.outcome = Outcome::kNotLeader;
    none.message = "the directory knows no member of the range";
    return OnFailure(now, flight, Failure::kNoRoute, false, std::move(none));
  }
  SendTo(now, flight, store);
}

StoreId Dispatcher::ChooseStore(const ClockReading& now, Flight* flight,
                                const range::RangeDescriptor& range) {
  flight->meant = StoreId(router_->Leader(range.range_id()));
  if (flight->meant.IsSet()) {
    ProbeIfDue(now, flight->meant);
    return reach_.Via(range, flight->meant);
  }
  // Nobody is known to lead: the members in turn, but for those that do not answer.
  for (int i = 0; i < std::max(1, range.replicas_size()); ++i) {
    flight->meant = CandidateOf(range, flight->members_tried++);
    if (reach_.Answers(flight->meant)) break;
    ProbeIfDue(now, flight->meant);
  }
  return flight->meant;
}

// A member in turn. Of the meta range, which nobody else could tell of, then all other stores too:
// who is asked for a range that it does not hold answers with what its node knows of it.
StoreId Dispatcher::CandidateOf(const range::RangeDescriptor& range, uint32_t attempt) const {
  const auto members = static_cast<uint32_t>(range.replicas_size());
  if (range.range_id() != client::kMetaRangeId || members == 0) {
    return StoreId(client::MemberToTry(range, self_.value(), attempt));
  }
  std::vector<uint64_t> others;
  for (const auto& store : router_->Stores()) {
    if (!client::HasMember(range, store.store_id()) && store.store_id() != self_.value()) {
      others.push_back(store.store_id());
    }
  }
  const uint32_t turn = attempt % (members + static_cast<uint32_t>(others.size()));
  if (turn >= members) return StoreId(others[turn - members]);
  return StoreId(client::MemberToTry(range, self_.value(), turn));
}

StoreId Dispatcher::WayTo(const ClockReading& now, const RangeCall& call) {
  // Whoever asks for its status asks whether it answers this store.
  const bool itself = call.store == self_ || call.kind == ForwardKind::kStoreStatus;
  if (itself || reach_.Answers(call.store)) return call.store;
  ProbeIfDue(now, call.store);
  if (call.kind == ForwardKind::kTransferLease) {
    // Only a member knows who leads, and so where to relay it.
    const range::RangeDescriptor* range = router_->Find(call.range.value());
    return range == nullptr ? call.store : reach_.Via(*range, call.store);
  }
  range::RangeDescriptor all;
  for (const auto& one : router_->Stores()) all.add_replicas()->set_store_id(one.store_id());
  return reach_.Via(all, call.store);
}

void Dispatcher::ProbeIfDue(const ClockReading& now, StoreId peer) {
  if (reach_.ProbeDue(now.boot, peer)) Probe(now, peer);
}

void Dispatcher::Probe(const ClockReading& now, StoreId peer) {
  ForwardRequest request;
  request.id = next_id_++;
  request.hops = 1;
  request.kind = ForwardKind::kStoreStatus;
  request.time_left = options_.attempt_wait;
  Outbound outbound;
  outbound.peer = peer;
  outbound.relay_ends = now.boot + options_.attempt_wait;
  const uint64_t id = request.id;
  if (!ports_.peers->Forward(peer, std::move(request))) return;
  outbound_[id] = outbound;
  due_.insert({outbound.relay_ends, id});
}

void Dispatcher::OnSilence(const ClockReading& now, const Flight& flight) {
  const bool news = flight.meant == flight.asked ? reach_.OnSilent(now.boot, flight.asked)
                                                 : reach_.OnRelaySilent(flight.meant, flight.asked);
  if (flight.call.kind != ForwardKind::kRange) return;
  const range::RangeDescriptor* range = router_->Find(flight.range.value());
  if (!news || range == nullptr) return;
  // Who answers can relay; whoever else is cut off from here should not be tried a second each.
  for (const auto& replica : range->replicas()) {
    const StoreId store(replica.store_id());
    if (store != self_ && store != flight.asked) Probe(now, store);
  }
}

void Dispatcher::SendTo(const ClockReading& now, Flight* flight, StoreId store) {
  flight->asked = store;
  flight->asked_at = now.boot;
  if (store == self_) {
    SubmitLocally(now, flight);
  } else {
    ForwardTo(now, flight, store);
  }
}

void Dispatcher::SubmitLocally(const ClockReading& now, Flight* flight) {
  const RangeCall& call = flight->call;
  ++counters_->served_locally;
  Ticket* ticket = NewTicket();
  ticket->flight = flight->id;
  flight->state = Flight::State::kAsked;
  flight->admission = 0;
  flight->waits_for = ticket->id;
  if (call.kind == ForwardKind::kChangeReplicas) {
    return ChangeReplicas(now, flight->range, flight->generation, call.body, ticket);
  }
  if (call.kind != ForwardKind::kRange) {
    ticket->Done(ExecuteHere(now, call.kind, call.range, call.target, call.body));
    return;
  }
  range::Request request;
  request.range = flight->range;
  request.generation = flight->generation;
  request.operation = call.operation;
  request.body = call.body;
  request.id = call.request_id;
  request.first_key = call.first_key;
  request.last_key = call.last_key;
  request.read_index = call.read_index;
  request.deadline = call.deadline;
  request.completion = ticket;
  flight->admission = admission_->Submit(now, std::move(request));
}

void Dispatcher::ForwardTo(const ClockReading& now, Flight* flight, StoreId store) {
  const RangeCall& call = flight->call;
  ForwardRequest request;
  request.id = next_id_++;
  request.hops = 1;
  request.kind = call.kind;
  request.range = flight->range;
  request.generation = flight->generation;
  request.operation = call.operation;
  request.body = call.body;
  request.request_id = call.request_id;
  request.first_key = call.first_key;
  request.last_key = call.last_key;
  request.read_index = call.read_index;
  const bool for_store =
      call.kind != ForwardKind::kRange && call.kind != ForwardKind::kTransferLease;
  request.target = for_store && store != flight->meant ? flight->meant : call.target;
  request.time_left = call.deadline - now.boot;

  ++counters_->forwarded;
  flight->state = Flight::State::kAsked;
  flight->waits_for = request.id;
  Outbound outbound;
  outbound.peer = store;
  outbound.flight = flight->id;
  outbound_[request.id] = outbound;
  const uint64_t id = request.id;
  SetTimer(flight, std::min(call.deadline, now.boot + options_.attempt_wait));
  if (ports_.peers->Forward(store, std::move(request))) return;
  outbound_.erase(id);
  OnSilence(now, *flight);
  router_->ForgetLeadersOn(store.value());
  OnFailure(now, flight, Failure::kNotSent, false, Unreachable(store));
}

void Dispatcher::LookUp(const ClockReading& now, Flight* flight) {
  CHECK(lookup_ != nullptr);
  flight->state = Flight::State::kLooksUp;
  SetTimer(flight, flight->call.deadline);
  lookup_(now, flight->call.first_key,
          [this, id = flight->id](const ClockReading& when, const range::RangeDescriptor* range) {
            Flight* waiting = Find(id);
            if (waiting == nullptr || waiting->state != Flight::State::kLooksUp) return;
            if (range != nullptr) return TrySend(when, waiting, range);
            Response none;
            none.outcome = Outcome::kNotLeader;
            none.message =
                "the directory (range 1) has no leader: it needs a majority of its stores up and "
                "connected";
            OnFailure(when, waiting, Failure::kNoRoute, false, std::move(none));
          });
}

void Dispatcher::OnAnswer(const ClockReading& now, Flight* flight, StoreId from,
                          Response response) {
  flight->waits_for = 0;
  // Of a range that has absorbed the one asked about some stores know the bounds alone: nobody
  // could be routed by them.
  for (const auto& descriptor : response.descriptors) {
    if (!descriptor.replicas().empty()) router_->Learn(descriptor);
  }
  if (flight->call.kind != ForwardKind::kRange) {
    const bool refused = from != flight->meant && response.outcome == Outcome::kNotLeader &&
                         response.leader_store == flight->meant;
    if (refused) reach_.OnRelayRefused(flight->meant, from);
    return Finish(flight, std::move(response));
  }
  switch (response.outcome) {
    case Outcome::kOk:
      router_->LearnLeader(flight->range.value(), response.leader_store.IsSet()
                                                      ? response.leader_store.value()
                                                      : from.value());
      return Finish(flight, std::move(response));
    case Outcome::kNotLeader:
      return OnNotLeader(now, flight, from, std::move(response));
    case Outcome::kRangeMismatch:
      return OnMismatch(now, flight, std::move(response));
    case Outcome::kOverloaded:
      return OnFailure(now, flight, Failure::kOverloaded, false, std::move(response));
    case Outcome::kOutcomeUnknown:
      return OnFailure(now, flight, Failure::kOutcomeUnknown, false, std::move(response));
    case Outcome::kNotFound:
      // The collection was dropped; its name may be another's by now.
      router_->ForgetCollectionById(client::CollectionOf(flight->call.first_key));
      return Finish(flight, std::move(response));
    default:
      return Finish(flight, std::move(response));
  }
}

void Dispatcher::OnNotLeader(const ClockReading& now, Flight* flight, StoreId from,
                             Response response) {
  const StoreId hint = response.leader_store;
  const bool better = hint.IsSet() && hint != from;
  // Asked to relay to the very store that it names, it could not.
  if (better && hint == flight->meant) reach_.OnRelayRefused(hint, from);
  // It leads and serves nothing for a moment: frozen for a merge.
  const bool closed = hint.IsSet() && hint == from && response.retry_after > Duration::zero();
  router_->LearnLeader(flight->range.value(), better || closed ? hint.value() : 0);
  OnFailure(now, flight, Failure::kNotLeader, better, std::move(response));
}

void Dispatcher::OnMismatch(const ClockReading& now, Flight* flight, Response response) {
  ++counters_->stale_routes;
  if (flight->call.pinned.has_value()) return Finish(flight, std::move(response));
  const range::RangeDescriptor* range = router_->Locate(flight->call.first_key);
  const bool better = range != nullptr && (range->range_id() != flight->range.value() ||
                                           range->generation() != flight->generation.value());
  // Whoever was asked holds the range as it is now, or leads it no more, if it ever did.
  const range::RangeDescriptor* known = router_->Find(flight->range.value());
  const bool holds = better && known != nullptr && client::HasMember(*known, flight->asked.value());
  if (!holds) router_->LearnLeader(flight->range.value(), 0);
  // Without anything better the directory is asked. The meta range has none above it: it stays.
  if (!better && flight->range.value() != client::kMetaRangeId) {
    router_->Forget(flight->range.value());
  }
  OnFailure(now, flight, Failure::kRangeMismatch, better, std::move(response));
}

void Dispatcher::OnFailure(const ClockReading& now, Flight* flight, Failure failure,
                           bool better_route, Response response) {
  if (client::OutcomeIsUnknown(failure)) flight->call.maybe_executed = true;
  flight->unreachable = failure == Failure::kNotSent || failure == Failure::kNoRoute;
  client::AttemptResult result;
  result.failure = failure;
  result.repeatable = flight->call.repeatable;
  result.better_route = better_route;
  result.time_left = flight->call.deadline - now.boot;
  result.retry_after = response.retry_after;
  const client::RetryDecision decision = flight->backoff.Next(result);
  if (flight->call.kind != ForwardKind::kRange || !decision.retry ||
      (failure == Failure::kOverloaded && !Park(flight))) {
    return Finish(flight, std::move(response));
  }
  ++counters_->retries;
  flight->last_failure = std::move(response);
  flight->state = Flight::State::kWaits;
  SetTimer(flight, now.boot + decision.wait);
}

bool Dispatcher::Park(Flight* flight) {
  CHECK(!flight->parked);
  Parked& parked = parked_[client::CollectionOf(flight->call.first_key)];
  const uint64_t bytes = flight->call.body.size();
  if (parked.requests >= options_.parked_requests_max ||
      (parked.requests > 0 && parked.bytes + bytes > options_.parked_bytes_max)) {
    return false;
  }
  ++parked.requests;
  parked.bytes += bytes;
  flight->parked = true;
  return true;
}

void Dispatcher::Unpark(Flight* flight) {
  if (!flight->parked) return;
  flight->parked = false;
  const auto parked = parked_.find(client::CollectionOf(flight->call.first_key));
  parked->second.bytes -= flight->call.body.size();
  if (--parked->second.requests == 0) parked_.erase(parked);
}

void Dispatcher::OnFlightTimer(const ClockReading& now, Flight* flight) {
  const bool silent = flight->state == Flight::State::kAsked && flight->asked != self_ &&
                      now.boot >= flight->asked_at + options_.attempt_wait;
  if (silent) OnSilence(now, *flight);
  Unpark(flight);
  if (now.boot >= flight->call.deadline) return Expire(flight);
  SetTimer(flight, flight->call.deadline);
  if (flight->state == Flight::State::kWaits) return TrySend(now, flight, nullptr);
  if (flight->state != Flight::State::kAsked || !flight->call.repeatable) return;
  // A peer that is silent without a broken connection: another one may know more.
  outbound_.erase(flight->waits_for);
  flight->waits_for = 0;
  router_->ForgetLeadersOn(flight->asked.value());
  OnFailure(now, flight, Failure::kBroken, false, Unreachable(flight->asked));
}

void Dispatcher::Expire(Flight* flight) {
  Response response;
  if (flight->state == Flight::State::kAsked) {
    // What still waits for its turn is past its deadline as well, and will not be executed.
    const bool waits = flight->asked == self_ && admission_->StillWaits(flight->admission);
    flight->call.maybe_executed |= !waits;
    outbound_.erase(flight->waits_for);
  }
  if (flight->last_failure.has_value()) {
    response = *std::move(flight->last_failure);
  } else {
    response.outcome = Outcome::kDeadlineExceeded;
    response.message = "the deadline passed before the request was executed";
  }
  Finish(flight, std::move(response));
}

void Dispatcher::Finish(Flight* flight, Response response) {
  Unpark(flight);
  RangeAnswer answer;
  answer.maybe_executed = flight->call.maybe_executed;
  answer.must_split = flight->must_split;
  answer.wrong_collection = flight->wrong_collection;
  answer.unreachable = flight->unreachable && response.outcome != Outcome::kOk;
  answer.range = flight->range;
  answer.descriptor = std::move(flight->descriptor);
  const bool not_executed =
      IsNotExecuted(response.outcome) || response.outcome == Outcome::kOutcomeUnknown;
  if (answer.maybe_executed && not_executed && !answer.must_split && !answer.wrong_collection) {
    answer.unreachable = false;
    if (IsRead(flight->call)) {
      if (response.outcome == Outcome::kOutcomeUnknown) response.outcome = Outcome::kNotLeader;
    } else {
      response.outcome = Outcome::kOutcomeUnknown;
      response.message = "the request may or may not have been executed";
    }
  }
  answer.response = std::move(response);
  finished_.push_back({std::move(flight->done), std::move(answer)});
  due_.erase({flight->timer, flight->id});
  flights_.erase(flight->id);
}

bool Dispatcher::Run(const ClockReading& now) {
  bool worked = false;
  while (true) {
    auto answered = std::exchange(answered_, {});
    for (auto& [ticket, response] : answered) OnTicket(now, ticket, std::move(response));
    while (!due_.empty() && due_.begin()->first <= now.boot) {
      const uint64_t id = due_.begin()->second;
      due_.erase(due_.begin());
      OnTimer(now, id);
      worked = true;
    }
    auto finished = std::exchange(finished_, {});
    for (Finished& done : finished) done.done(now, std::move(done.answer));
    if (answered.empty() && finished.empty()) return worked;
    worked = true;
  }
}

void Dispatcher::OnTimer(const ClockReading& now, uint64_t id) {
  if (Flight* flight = Find(id); flight != nullptr) {
    flight->timer = Instant::max();
    return OnFlightTimer(now, flight);
  }
  const auto timer = timers_.find(id);
  if (timer != timers_.end()) {
    const Timer run = std::move(timer->second);
    timers_.erase(timer);
    return run(now);
  }
  outbound_.erase(id);  // A relay whose origin has given up, or a probe.
}

Instant Dispatcher::NextDeadline() const {
  if (!answered_.empty() || !finished_.empty()) return Instant::min();
  return due_.empty() ? Instant::max() : due_.begin()->first;
}

}  // namespace rasputin::server
