// See store.h: the facade, requests and status.

#include "range/store.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/store_impl.h"

namespace rasputin::range {
namespace {

using consensus::Instant;
using consensus::Message;

constexpr size_t kEarlyMessagesMax = 256;
constexpr uint64_t kEarlyBytesMax = 4 << 20;
constexpr int kMutantReadInAnyGeneration = 33;

// On a full disk a follower takes no commands, so that what is reserved lasts for votes, bindings
// and a new leader's first entry. Accepting less than was offered is always safe: the answer
// vouches for what was taken only.
void LeaveOutCommands(Message* message) {
  auto* append = std::get_if<consensus::AppendRequest>(&message->body);
  if (append == nullptr) return;
  const auto command = std::find_if(
      append->entries.begin(), append->entries.end(),
      [](const consensus::Entry& e) { return e.type == consensus::EntryType::kCommand; });
  append->entries.erase(command, append->entries.end());
}

uint64_t PayloadBytes(const std::vector<consensus::Entry>& entries) {
  uint64_t bytes = 0;
  for (const consensus::Entry& entry : entries) bytes += entry.payload.size();
  return bytes;
}

uint64_t PayloadBytes(const Message& message) {
  if (const auto* append = std::get_if<consensus::AppendRequest>(&message.body)) {
    return PayloadBytes(append->entries);
  }
  if (const auto* pulled = std::get_if<consensus::PullReply>(&message.body)) {
    return PayloadBytes(pulled->entries);
  }
  return 0;
}

bool Leads(const Replica& replica) {
  return replica.started() && replica.group().core().role() == consensus::Role::kLeader;
}

ReplicaStatus StatusOf(const Replica& replica, const ClockReading& now) {
  ReplicaStatus status;
  status.descriptor = replica.descriptor();
  status.replica = replica.self();
  status.applied = replica.applied();
  status.leader_store = replica.LeaderStore();
  status.approximate_bytes = replica.load.size_bytes;
  if (!replica.started()) return status;
  const consensus::Core& core = replica.group().core();
  status.role = core.role();
  status.term = core.term();
  status.committed = core.commit_index();
  status.last = core.last_index();
  status.serving = core.MayServeRead(now);
  status.members = core.ListProgress(now);
  if (core.role() == consensus::Role::kLeader && core.LeaseEnd().boot > now.boot) {
    status.lease_left = core.LeaseEnd().boot - now.boot;
  }
  return status;
}

}  // namespace

Replica* Store::Impl::Find(RangeId range) const {
  auto it = replicas_.find(range);
  return it == replicas_.end() ? nullptr : it->second.get();
}

void Store::Impl::Step(const ClockReading& now, std::vector<Message> messages) {
  for (Message& message : messages) {
    if (forgotten_.count(message.from_store.value()) != 0) continue;
    if (TakeMembershipMessage(now, message)) continue;
    Replica* replica = Find(message.range);
    if (replica == nullptr || !replica->started()) {
      // Its parent's split may be on the way: kept for a while, never a reason to create it.
      KeepEarly(std::move(message));
      continue;
    }
    const consensus::Member* sender = replica->group().core().configuration().Find(message.from);
    if (sender != nullptr && sender->store != message.from_store) continue;
    if (log_->OutOfSpace()) LeaveOutCommands(&message);
    replica->group().core().Step(now, message);
    Wake(replica);
  }
}

void Store::Impl::KeepEarly(Message message) {
  early_bytes_ += PayloadBytes(message);
  early_.push_back(std::move(message));
  while (early_.size() > kEarlyMessagesMax || early_bytes_ > kEarlyBytesMax) {
    early_bytes_ -= PayloadBytes(early_.front());
    early_.pop_front();
  }
}

// Everything this store knows about the keys of the request, so that a stale route heals by the
// answer alone.
Response Store::Impl::Mismatch(const Request& request) const {
  Response response;
  response.outcome = Outcome::kRangeMismatch;
  response.message = "the request was routed by an old description of the range";
  if (const Replica* replica = Find(request.range); replica != nullptr) {
    response.descriptors.push_back(replica->descriptor());
  }
  auto it = by_start_.upper_bound(request.first_key);
  if (it != by_start_.begin()) --it;
  for (; it != by_start_.end(); ++it) {
    const RangeDescriptor& descriptor = Find(it->second)->descriptor();
    if (descriptor.start_key() > request.last_key && descriptor.start_key() > request.first_key) {
      break;
    }
    if (it->second != request.range) response.descriptors.push_back(descriptor);
    if (response.descriptors.size() >= 16) break;
  }
  return response;
}

void Store::Impl::Submit(const ClockReading& now, Request request) {
  Replica* replica = Find(request.range);
  const bool bounded =
      request.operation != kv::Operation::kMeta && request.operation != kv::Operation::kMetaRead;
  const bool unchecked =
      options_.mutants.Has(kMutantReadInAnyGeneration) && !kv::IsWrite(request.operation);
  const auto fits = [&](const RangeDescriptor& descriptor) {
    return descriptor.generation() == request.generation.value() &&
           (!bounded || (Contains(descriptor, request.first_key) &&
                         (request.last_key.empty() || Contains(descriptor, request.last_key))));
  };
  if (replica == nullptr || (!unchecked && !fits(replica->descriptor()))) {
    answers_.push_back({request.completion, Mismatch(request)});
    return;
  }
  if (turn_stalled_ && kv::IsWrite(request.operation)) {
    Response response;
    response.outcome = Outcome::kOverloaded;
    response.message = "the storage engine of the leader is stalled by compaction; retry later";
    answers_.push_back({request.completion, std::move(response)});
    return;
  }
  ObserveClock(now);  // The last turn may be long ago.
  replica->Submit(now, std::move(request), &answers_);
  Wake(replica);
}

absl::Status Store::Impl::TransferLease(const ClockReading& now, RangeId range, StoreId target) {
  Replica* replica = Find(range);
  if (replica == nullptr || !replica->started()) {
    return absl::NotFoundError(
        absl::StrCat("this store holds no replica of range ", range.value()));
  }
  consensus::Core& core = replica->group().core();
  if (core.role() != consensus::Role::kLeader) {
    return absl::FailedPreconditionError(
        absl::StrCat("this store does not lead range ", range.value()));
  }
  if (target == id_) return absl::OkStatus();
  for (const consensus::Member& member : core.configuration().voters) {
    if (member.store != target) continue;
    // Without it the range would wait for a target that does not answer until D has passed.
    if (leases_.HeldSupportFrom(target).until.EndedForHolder(now)) {
      return absl::FailedPreconditionError(
          absl::StrCat("store ", target.value(), " cannot be reached by the leader (store ",
                       id_.value(), "): nothing was changed; start it, or choose another store"));
    }
    if (!core.TransferLeadership(now, member.replica)) {
      return absl::FailedPreconditionError(
          "a handover of this range to another store is under way already; retry when it has "
          "ended");
    }
    Wake(replica);
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("store ", target.value(), " holds no voting replica of range ", range.value()));
}

// Spreads the leaderships over the other voters; where there is none, or when a handover did not
// succeed within D, the leader abdicates (RunTurn).
void Store::Impl::BeginShutdown(const ClockReading& now) {
  shutdown_abdicate_at_ = now.boot + options_.lease_duration;
  size_t turn = 0;
  for (auto& [range, replica] : replicas_) {
    if (!LeadsRange(range)) continue;
    consensus::Core& core = replica->group().core();
    const std::vector<consensus::Member>& voters = core.configuration().voters;
    bool handed = false;
    for (size_t i = 0; i < voters.size() && !handed; ++i) {
      const consensus::Member& target = voters[(turn + i) % voters.size()];
      handed = target.replica != replica->self() && core.TransferLeadership(now, target.replica);
    }
    ++turn;
    if (!handed) core.Abdicate(now);
    Wake(replica.get());
  }
}

void Store::Impl::AbdicateAll(const ClockReading& now) {
  shutdown_abdicate_at_ = Instant::max();
  for (auto& [range, replica] : replicas_) {
    if (!LeadsRange(range)) continue;
    replica->group().core().Abdicate(now);
    Wake(replica.get());
  }
}

bool Store::Impl::LeadsRange(RangeId range) const {
  const Replica* replica = Find(range);
  return replica != nullptr && Leads(*replica);
}

bool Store::Impl::LeadsAny() const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [](const auto& entry) { return Leads(*entry.second); });
}

std::vector<ReplicaStatus> Store::Impl::ListReplicas(const ClockReading& now) const {
  std::vector<ReplicaStatus> out;
  for (const auto& [range, replica] : replicas_) out.push_back(StatusOf(*replica, now));
  return out;
}

std::vector<LedRange> Store::Impl::ListLed(const ClockReading& now) const {
  std::vector<LedRange> led;
  for (const auto& [range, replica] : replicas_) {
    if (!replica->started()) continue;
    const consensus::Core& core = replica->group().core();
    if (core.role() != consensus::Role::kLeader || !core.MayServeRead(now)) continue;
    LedRange one;
    one.range = range;
    one.approximate_bytes = replica->load.size_bytes;
    for (const consensus::MemberProgress& member : core.ListProgress(now)) {
      if (!member.needs_snapshot) continue;
      const auto* lagging = FindReplica(replica->descriptor(), member.id);
      if (lagging != nullptr) one.lagging.emplace_back(lagging->store_id());
    }
    led.push_back(std::move(one));
  }
  return led;
}

std::optional<ReplicaStatus> Store::Impl::DescribeReplica(const ClockReading& now,
                                                          RangeId range) const {
  const Replica* replica = Find(range);
  if (replica == nullptr) return std::nullopt;
  return StatusOf(*replica, now);
}

ReplicaCounts Store::Impl::CountReplicas(const ClockReading& now) const {
  ReplicaCounts counts;
  counts.replicas = replicas_.size();
  for (const auto& [range, replica] : replicas_) {
    if (replica->started() && replica->group().core().MayServeRead(now)) ++counts.serving;
  }
  return counts;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options, const Ports& ports,
                                                   const ClockReading& now) {
  absl::StatusOr<storage::v1::StoreManifest> manifest = ReadManifest(ports.directory);
  if (!manifest.ok()) return manifest.status();
  auto impl = std::make_unique<Impl>(options, ports, *std::move(manifest), now);
  if (absl::Status status = impl->Recover(now); !status.ok()) return status;
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

void Store::Step(const ClockReading& now, std::vector<Message> messages) {
  impl_->Step(now, std::move(messages));
}
void Store::Submit(const ClockReading& now, Request request) {
  impl_->Submit(now, std::move(request));
}
void Store::OnLeaseUpdates(const ClockReading& now,
                           std::vector<consensus::lease::LeaseUpdate> updates) {
  impl_->OnLeaseUpdates(now, std::move(updates));
}
void Store::OnPeerClock(StoreId peer, Instant received, uint64_t wall_us) {
  impl_->OnPeerClock(peer, received, wall_us);
}
void Store::OnLogDurable(const ClockReading& now, consensus::log::Lsn durable) {
  impl_->OnLogDurable(now, durable);
}
absl::Status Store::RunTurn(const ClockReading& now) { return impl_->RunTurn(now); }
Instant Store::NextDeadline() const { return impl_->NextDeadline(); }
void Store::BeginShutdown(const ClockReading& now) { impl_->BeginShutdown(now); }
bool Store::LeadsAny() const { return impl_->LeadsAny(); }
absl::Status Store::TransferLease(const ClockReading& now, RangeId range, StoreId target) {
  return impl_->TransferLease(now, range, target);
}
absl::Status Store::ChangeReplicas(const ClockReading& now, RangeId range, Generation generation,
                                   const ReplicaChange& change, Completion* completion) {
  return impl_->ChangeReplicas(now, range, generation, change, completion);
}
std::optional<storage::v1::AbsorbedRange> Store::FindAbsorbed(RangeId range) const {
  return impl_->FindAbsorbed(range);
}
std::vector<RangeReview> Store::ReviewRanges(const ClockReading& now, const ReviewOptions& options,
                                             bool* more) {
  return impl_->ReviewRanges(now, options, more);
}
std::optional<RangeReview> Store::DescribeLoad(const ClockReading& now, RangeId range,
                                               bool briefly) {
  return impl_->DescribeLoad(now, range, briefly);
}
void Store::CarryLoad(const ClockReading& now, const RangeDescriptor& merged,
                      const type::v1::RangeLoad& before) {
  impl_->CarryLoad(now, merged, before);
}
std::vector<type::v1::RangeLoad> Store::ListLoads(const ClockReading& now, size_t max) {
  return impl_->ListLoads(now, max);
}
type::v1::RangeLoad Store::TotalLoad(const ClockReading& now) { return impl_->TotalLoad(now); }
std::vector<type::v1::OperationLoad> Store::ListOperations() const {
  return impl_->ListOperations();
}
void Store::OnTurnCpu(const ClockReading& now, consensus::Duration cpu) {
  impl_->OnTurnCpu(now, cpu);
}
std::optional<std::vector<StoreId>> Store::TakeLeasePeers() { return impl_->TakeLeasePeers(); }
bool Store::SharesRangeWith(StoreId store) const { return impl_->SharesRangeWith(store); }
StoreCounters Store::counters() const { return impl_->counters(); }
std::vector<ReplicaStatus> Store::ListReplicas(const ClockReading& now) const {
  return impl_->ListReplicas(now);
}
std::vector<LedRange> Store::ListLed(const ClockReading& now) const { return impl_->ListLed(now); }

std::vector<StoreId> Store::ListSupporting(const ClockReading& now) const {
  return impl_->ListSupporting(now);
}
std::optional<ReplicaStatus> Store::DescribeReplica(const ClockReading& now, RangeId range) const {
  return impl_->DescribeReplica(now, range);
}
ReplicaCounts Store::CountReplicas(const ClockReading& now) const {
  return impl_->CountReplicas(now);
}
const storage::v1::StoreManifest& Store::manifest() const { return impl_->manifest(); }
void Store::SetLeasePeers(const std::vector<StoreId>& peers) { impl_->SetLeasePeers(peers); }
void Store::LeaseTick(const ClockReading& now) { impl_->LeaseTick(now); }
void Store::LeaseStep(const ClockReading& now, const consensus::lease::LeaseMessage& message) {
  impl_->LeaseStep(now, message);
}
void Store::SetLeaseShardBusySince(std::optional<Instant> since) {
  impl_->SetLeaseShardBusySince(since);
}
Store::LeaseWithdrawal Store::LeaseWithdraw(const ClockReading& now, StoreId peer) {
  return impl_->LeaseWithdraw(now, peer);
}
void Store::LeaseLogDurable(const ClockReading& now, const consensus::DualInstant& started,
                            consensus::log::Lsn durable) {
  impl_->LeaseLogDurable(now, started, durable);
}
Store::LeaseOutput Store::TakeLeaseOutput() { return impl_->TakeLeaseOutput(); }
Instant Store::NextLeaseDeadline() const { return impl_->NextLeaseDeadline(); }
consensus::log::SharedLog* Store::log() { return impl_->log(); }

}  // namespace rasputin::range
