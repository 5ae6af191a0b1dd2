// The turn, and what feeds it; see the header.

#include "server/shard/shard.h"

#include <glog/logging.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/clock/clock.h"
#include "server/front/forward_frame.h"

namespace rasputin::server {
namespace {

// Rounds of store and front end in one turn; what is left is due at once in the next.
constexpr int kRoundsMax = 4;
constexpr char kRetired[] = "the store was taken off the list of stores";

}  // namespace

namespace wire = consensus::wire;

namespace {

const char* KindName(type::v1::DecisionKind kind) {
  return kind == type::v1::DECISION_KIND_SPLIT      ? "split"
         : kind == type::v1::DECISION_KIND_MERGE    ? "merge"
         : kind == type::v1::DECISION_KIND_REPLICAS ? "replicas"
         : kind == type::v1::DECISION_KIND_LEASE    ? "lease"
                                                    : "other";
}

const char* OutcomeName(type::v1::DecisionOutcome outcome) {
  return outcome == type::v1::DECISION_OUTCOME_NOT_TAKEN ? "not-taken"
         : outcome == type::v1::DECISION_OUTCOME_BEGUN   ? "begun"
         : outcome == type::v1::DECISION_OUTCOME_DONE    ? "done"
                                                         : "failed";
}

}  // namespace

Shard::Shard(MetricsRegistry* registry, EventRecorder* recorder, Fatal fatal)
    : recorder_(recorder),
      fatal_(std::move(fatal)),
      turn_seconds_(
          registry->AddHistogram("rasputin_turn_seconds", "Time that a turn of the shard took.")),
      turns_(registry->AddCounter("rasputin_turns_total", "Turns of the shard.")),
      snapshots_(registry->AddCounter("rasputin_snapshots_installed_total",
                                      "Snapshots that replicas of this store have installed.")),
      registry_(registry),
      front_metrics_(registry) {}

Shard::~Shard() = default;

void Shard::Run(const std::function<void()>& feed) {
  turnstile_.Enter();
  NoteBegin();
  feed();
  RunTurnsAndLeave();
}

bool Shard::RunWithin(consensus::Duration wait, const std::function<void()>& feed) {
  if (!turnstile_.EnterWithin(wait)) return false;
  NoteBegin();
  feed();
  RunTurnsAndLeave();
  return true;
}

bool Shard::RunIfFree() {
  if (!turnstile_.TryEnterOrMark()) return false;
  NoteBegin();
  RunTurnsAndLeave();
  return true;
}

void Shard::NoteBegin() {
  turn_began_ns_.store(server::Now().time_since_epoch().count());
  turn_cpu_began_ = ThreadCpuTime();
}

void Shard::RunTurnsAndLeave() {
  while (true) {
    Turn();
    turn_began_ns_.store(0);
    if (turnstile_.Leave()) return;
    NoteBegin();
  }
}

std::optional<consensus::Instant> Shard::BusySince() const {
  const int64_t began_ns = turn_began_ns_.load();
  if (began_ns == 0) return std::nullopt;
  return consensus::Instant(consensus::Duration(began_ns));
}

void Shard::PostDurable(consensus::log::Lsn durable) {
  std::lock_guard<std::mutex> lock(inbox_mutex_);
  durable_ = durable;
}

void Shard::PostPeerClock(StoreId peer, consensus::Instant received, uint64_t wall_us) {
  std::lock_guard<std::mutex> lock(inbox_mutex_);
  peer_clocks_[peer] = {received, wall_us};
}

void Shard::PostLeaseUpdates(std::vector<consensus::lease::LeaseUpdate> updates) {
  std::lock_guard<std::mutex> lock(inbox_mutex_);
  std::move(updates.begin(), updates.end(), std::back_inserter(lease_updates_));
}

void Shard::DrainInbox(const ClockReading& now) {
  consensus::log::Lsn durable;
  std::vector<consensus::lease::LeaseUpdate> updates;
  std::map<StoreId, PeerClock> clocks;
  {
    std::lock_guard<std::mutex> lock(inbox_mutex_);
    std::swap(durable, durable_);
    updates.swap(lease_updates_);
    clocks.swap(peer_clocks_);
  }
  for (const auto& [peer, clock] : clocks) {
    store_->OnPeerClock(peer, clock.received, clock.wall_us);
  }
  if (!updates.empty()) store_->OnLeaseUpdates(now, std::move(updates));
  if (durable.IsSet()) store_->OnLogDurable(now, durable);
}

void Shard::StartCalls(const ClockReading& now) {
  for (const auto& [call, method] : calls_) {
    ClientCall client_call;
    client_call.method = method;
    client_call.request = call->TakeRequest();
    client_call.deadline = call->deadline();
    client_call.completion = call;
    call->tag = front_->Start(now, std::move(client_call));
  }
  calls_.clear();
}

void Shard::Turn() {
  if (store_ == nullptr) {
    due_ns_.store(consensus::Instant::max().time_since_epoch().count());
    return;
  }
  const ClockReading now = ReadClocks();
  DrainInbox(now);
  if (!messages_.empty()) {
    std::vector<consensus::Message> messages;
    messages.swap(messages_);
    store_->Step(now, std::move(messages));
  }
  front_->BeginTurn();
  StartCalls(now);
  if (look_for_stores_) front_->LookForStores();
  look_for_stores_ = false;
  front_->Run(now);
  for (int round = 0; round < kRoundsMax; ++round) {
    const absl::Status status = store_->RunTurn(now);
    if (!status.ok()) {
      fatal_(status);
      return;
    }
    if (store_->log()->HasPending()) hooks_.wake_log_writer();
    front_->Run(now);
    if (store_->NextDeadline() > now.boot && front_->NextDeadline() > now.boot) break;
  }
  if (const auto peers = store_->TakeLeasePeers()) hooks_.lease_peers(*peers);
  for (const auto& [store, link] : links_) {
    link->stream()->Tick(now.boot);
    link->Flush();
  }
  ending_links_.erase(std::remove_if(ending_links_.begin(), ending_links_.end(),
                                     [](const auto& link) { return link->stream()->Ended(); }),
                      ending_links_.end());
  if (shutting_down_) leads_any_.store(store_->LeadsAny());
  due_ns_.store(NextDeadline().time_since_epoch().count());
  store_->OnTurnCpu(now, ThreadCpuTime() - turn_cpu_began_);
  front_metrics_.Update(front_->counters(), front_->load());
  turns_->Increment();
  turn_seconds_->Record(server::Now() - now.boot);
}

consensus::Instant Shard::NextDeadline() const {
  if (front_->HeldBack()) return consensus::Instant::min();
  consensus::Instant at = std::min(store_->NextDeadline(), front_->NextDeadline());
  for (const auto& [store, link] : links_) at = std::min(at, link->stream()->NextDeadline());
  return at;
}

void Shard::Attach(std::unique_ptr<range::Store> store, const FrontOptions& front_options,
                   std::map<StoreId, std::unique_ptr<ReplicateLink>> links, Hooks hooks) {
  CHECK(store_ == nullptr);
  store_ = std::move(store);
  links_ = std::move(links);
  hooks_ = std::move(hooks);
  store_port_ = std::make_unique<RangeStorePort>(store_.get());
  FrontPorts ports;
  ports.store = store_port_.get();
  ports.peers = this;
  ports.stores = this;
  ports.decisions = this;
  front_ = std::make_unique<FrontEnd>(front_options, ports);
  for (const range::RangeDescriptor& descriptor : early_descriptors_) {
    front_->OnDescriptor(descriptor, false);
  }
  early_descriptors_.clear();
}

void Shard::SetLink(StoreId store, std::unique_ptr<ReplicateLink> link) {
  DropLink(store);
  links_.emplace(store, std::move(link));
}

void Shard::DropLink(StoreId store) {
  const auto found = links_.find(store);
  if (found == links_.end()) return;
  found->second->stream()->Stop();
  ending_links_.push_back(std::move(found->second));
  links_.erase(found);
}

void Shard::Detach() {
  front_.reset();
  store_.reset();
}

void Shard::StartCall(ServerCall* call, Method method) {
  call->tag = kNoCall;
  calls_.emplace_back(call, method);
}

void Shard::ResumeCall(ServerCall* call) {
  if (front_ != nullptr) front_->Resume(ReadClocks(), call->tag);
}

void Shard::CancelCall(ServerCall* call) {
  const auto waiting = std::find_if(calls_.begin(), calls_.end(),
                                    [call](const auto& entry) { return entry.first == call; });
  if (waiting != calls_.end()) {
    calls_.erase(waiting);
  } else if (front_ != nullptr) {
    front_->Cancel(call->tag);
  }
}

void Shard::OnPeerBroken(StoreId peer, const std::vector<uint64_t>& not_sent) {
  look_for_stores_ = true;  // It may come back elsewhere.
  if (front_ != nullptr) front_->OnPeerBroken(ReadClocks(), peer, not_sent);
}

void Shard::BeginShutdown() {
  if (store_ == nullptr) return;
  shutting_down_ = true;
  leads_any_.store(true);
  store_->BeginShutdown(ReadClocks());
}

ReplicateLink* Shard::LinkTo(StoreId store) {
  const auto found = links_.find(store);
  if (found != links_.end()) return found->second.get();
  look_for_stores_ = true;
  return nullptr;
}

void Shard::Send(StoreId to, std::vector<consensus::Message> messages) {
  ReplicateLink* link = LinkTo(to);
  if (link != nullptr) link->Send(std::move(messages));
}

void Shard::OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
  if (front_ == nullptr) {
    early_descriptors_.push_back(descriptor);
  } else {
    front_->OnDescriptor(descriptor, leads);
  }
}

void Shard::OnLeader(RangeId range, StoreId leader) {
  if (front_ != nullptr) front_->OnLeader(range, leader);
}

void Shard::OnRemoved(RangeId range) {
  if (front_ != nullptr) front_->OnRemoved(range);
}

void Shard::OnDecision(const type::v1::Decision& decision) {
  const std::string kind = KindName(decision.kind());
  const std::string outcome = OutcomeName(decision.outcome());
  registry_
      ->AddCounter("rasputin_autopilot_decisions_total",
                   "What this store decided about ranges by itself.",
                   absl::StrCat("kind=\"", kind, "\",outcome=\"", outcome, "\""))
      ->Increment();
  LOG(INFO) << "decision kind=" << kind << " outcome=" << outcome
            << " range=" << decision.range_id() << " reason=\"" << decision.reason() << "\"";
}

void Shard::OnInstalled(RangeId range, consensus::LogPosition position) {
  snapshots_->Increment();
  LOG(INFO) << "snapshot-installed range=" << range.value() << " term=" << position.term.value()
            << " index=" << position.index.value();
}

ClockReading Shard::Now() { return ReadClocks(); }

bool Shard::Forward(StoreId to, ForwardRequest request) {
  ReplicateLink* link = LinkTo(to);
  return link != nullptr && link->Send(request);
}

void Shard::Reply(StoreId to, ForwardReply reply) {
  ReplicateLink* link = LinkTo(to);
  if (link != nullptr) link->Send(reply);
}

void Shard::OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                     const range::RangeDescriptor& meta_range) {
  hooks_.stores(stores, meta_range);
}

absl::Status Shard::Greet(uint64_t stream, const wire::Hello& hello) {
  // A range's configuration vouches for its members: the list of stores may be older, and is read
  // through a range that perhaps nobody can lead while these two do not speak to each other.
  const bool known = LinkTo(hello.store) != nullptr || store_->SharesRangeWith(hello.store);
  const absl::Status status = greetings_.Check(store_->manifest(), known, hello, server::Now());
  if (!status.ok()) return status;
  inbound_[stream] = hello.store;
  newest_inbound_[hello.store] = stream;
  hooks_.greeted(hello.store, hello.peer_address);
  if (ReplicateLink* link = LinkTo(hello.store)) link->stream()->RetrySoon();
  return absl::OkStatus();
}

absl::Status Shard::OnFrame(uint64_t stream, bool first, const absl::Cord& frame) {
  if (store_ == nullptr) {
    return absl::FailedPreconditionError("this node does not belong to a cluster yet");
  }
  absl::StatusOr<wire::Frame> decoded = wire::DecodeFrame(frame);
  if (!decoded.ok()) return decoded.status();
  if (first) {
    if (!decoded->hello.has_value()) return absl::InvalidArgumentError("no greeting");
    const absl::Status status = Greet(stream, *decoded->hello);
    if (!status.ok()) return status;
  }
  const StoreId from = inbound_.at(stream);
  if (links_.count(from) == 0) return absl::FailedPreconditionError(kRetired);
  for (consensus::Message& message : decoded->messages) {
    if (message.from_store == from) messages_.push_back(std::move(message));
  }
  if (decoded->requests.empty() && decoded->replies.empty()) return absl::OkStatus();
  const ClockReading now = ReadClocks();
  for (const wire::ForwardReply& reply : decoded->replies) {
    front_->OnForwardReply(now, from, FromFrame(reply));
  }
  for (const wire::ForwardRequest& request : decoded->requests) {
    absl::StatusOr<ForwardRequest> converted = FromFrame(request);
    if (converted.ok()) {
      front_->OnForward(now, from, *std::move(converted));
    } else {
      ForwardReply refusal;
      refusal.id = request.id;
      refusal.response.outcome = range::Outcome::kInvalidArgument;
      refusal.response.message = std::string(converted.status().message());
      Reply(from, std::move(refusal));
    }
  }
  return absl::OkStatus();
}

void Shard::OnEnd(uint64_t stream) {
  const auto found = inbound_.find(stream);
  if (found == inbound_.end()) return;
  const StoreId store = found->second;
  inbound_.erase(found);
  // A stream that a newer one has replaced takes no replies with it that are still awaited.
  if (newest_inbound_[store] == stream) OnPeerBroken(store, {});
}

}  // namespace rasputin::server
