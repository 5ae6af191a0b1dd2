// See store.h: changes of members [H-14], replicas that leave, and whom the store leases are with.

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
using consensus::log::RangeAppend;

constexpr int kTellDepartedTries = 3;
constexpr consensus::Duration kFullDiskRetry = std::chrono::seconds(1);
constexpr size_t kStrangersMax = 4096;
// For so many leases a replica that led waits for members that may be dead to learn that it
// released them.
constexpr int kReleaseLeases = 3;
constexpr int kReleaseLeasesAlive = 5;
constexpr int kMutantStoppedKeepsBound = 59;
constexpr int kMutantTombstoneIgnored = 61;

template <typename Body>
bool Has(const Message& message) {
  return std::holds_alternative<Body>(message.body);
}

template <typename T>
void Erase(std::vector<T>* from, const T& value) {
  from->erase(std::remove(from->begin(), from->end(), value), from->end());
}

}  // namespace

// What a replica sends that wants something; one that was removed is told so instead.
bool Store::Impl::Asks(const Message& message) {
  const auto* ack = std::get_if<consensus::SnapshotAck>(&message.body);
  if (ack != nullptr) return ack->snapshot_id == 0;  // See AskWhetherMember.
  return Has<consensus::ProbeRequest>(message) || Has<consensus::VoteRequest>(message) ||
         Has<consensus::PullRequest>(message) || Has<consensus::ReleaseQuery>(message);
}

absl::Status Store::Impl::ChangeReplicas(const ClockReading& now, RangeId range,
                                         Generation generation, const ReplicaChange& change,
                                         Completion* completion) {
  CHECK(completion != nullptr);
  Replica* replica = Find(range);
  if (replica == nullptr || !replica->started()) {
    return absl::FailedPreconditionError(
        absl::StrCat("this store holds no replica of range ", range.value()));
  }
  const uint64_t known = replica->descriptor().generation();
  if (known != generation.value()) {
    return absl::AbortedError(absl::StrCat("range ", range.value(), " has generation ", known,
                                           ", not ", generation.value(),
                                           ": look at its members again"));
  }
  absl::Status status = replica->Change(now, change, completion, &answers_);
  Wake(replica);
  return status;
}

absl::Status Store::Impl::RunMembership(const ClockReading& now) {
  if (turn_stalled_) return absl::OkStatus();  // What is applied is not written yet.
  if (absl::Status status = RemoveReplicas(now); !status.ok()) return status;
  if (absl::Status status = InstallSnapshots(now); !status.ok()) return status;
  TellDeparted(now);
  AskInTurn(now);
  return absl::OkStatus();
}

void Store::Impl::ApplyMembership(const ClockReading& now, const MembershipEffect& effect) {
  const RangeId range(effect.after.range_id());
  const Replica* replica = Find(range);
  const bool leads = LeadsRange(range);
  ports_.observer->OnDescriptor(effect.after, leads);
  UpdatePeers();
  if (FindReplica(effect.after, replica->self()) == nullptr) {
    // Not at once: if it led, its release has to arrive [H-11].
    RemoveLater(now, effect.after, replica->self());
    removals_[range].at = now.boot + options_.lease_duration;
  }
  if (!leads) return;
  for (const auto& member : effect.before.replicas()) {
    const ReplicaId left(member.replica_id());
    if (FindReplica(effect.after, left) != nullptr || left == replica->self()) continue;
    departed_.push_back({range, replica->self(), left, StoreId(member.store_id()),
                         Generation(effect.after.generation()), 0, now.boot});
  }
}

void Store::Impl::UpdatePeers() {
  std::set<StoreId> peers;
  for (const auto& [range, replica] : replicas_) {
    for (const auto& member : replica->descriptor().replicas()) {
      if (member.store_id() != id_.value()) peers.insert(StoreId(member.store_id()));
    }
  }
  std::vector<StoreId> list(peers.begin(), peers.end());
  if (lease_peers_ == list) return;
  lease_peers_ = std::move(list);
  lease_peers_changed_ = true;
}

std::optional<std::vector<StoreId>> Store::Impl::TakeLeasePeers() {
  if (!std::exchange(lease_peers_changed_, false)) return std::nullopt;
  return lease_peers_;
}

bool Store::Impl::SharesRangeWith(StoreId store) const {
  if (store == id_) return false;
  for (const auto& [range, replica] : replicas_) {
    if (FindStore(replica->descriptor(), store) != nullptr) return true;
    if (!replica->started()) continue;
    for (const consensus::Member& member : replica->group().core().configuration().AllMembers()) {
      if (member.store == store) return true;
    }
  }
  return false;
}

// ---- Telling others.

void Store::Impl::TellRemoved(const Replica& teller, ReplicaId replica, StoreId store) {
  Message message;
  message.range = teller.range();
  message.from = teller.self();
  message.to = replica;
  message.from_store = id_;
  message.to_store = store;
  message.term = teller.group().core().term();
  message.body = consensus::Removed{Generation(teller.descriptor().generation())};
  effects_.messages.push_back(std::move(message));
}

// Silence counts as heard: one that did not hear asks when it wants to lead.
void Store::Impl::TellDeparted(const ClockReading& now) {
  for (auto it = departed_.begin(); it != departed_.end();) {
    const Replica* teller = Find(it->range);
    const bool over = it->tries == kTellDepartedTries || teller == nullptr || !teller->started() ||
                      teller->self() != it->teller;
    if (over) {
      it = departed_.erase(it);
      continue;
    }
    if (now.boot >= it->next_at) {
      TellRemoved(*teller, it->replica, it->store);
      ++it->tries;
      it->next_at = now.boot + options_.lease_duration / 2;
    }
    ++it;
  }
}

// ---- Messages that are not the core's, or not only.

bool Store::Impl::IsRemoved(RangeId range, ReplicaId replica) const {
  const auto found = tombstones_.find(range);
  return found != tombstones_.end() && replica <= found->second &&
         !options_.mutants.Has(kMutantTombstoneIgnored);
}

// Ids are never used again: whoever asks and is not there any more has left for good.
bool Store::Impl::TellIfRemoved(const Replica& replica, const Message& message) {
  const RangeDescriptor& descriptor = replica.descriptor();
  if (!replica.started() || !Asks(message) ||
      message.from.value() >= descriptor.next_replica_id() ||
      FindReplica(descriptor, message.from) != nullptr) {
    return false;
  }
  TellRemoved(replica, message.from, message.from_store);
  return true;
}

bool Store::Impl::TakeMembershipMessage(const ClockReading& now, const Message& message) {
  if (Find(message.range) == nullptr) ReleaseForNobody(message);
  if (TellIfAbsorbed(message)) return true;
  // Asked of a replica that this store had before: its successor knows who left. Whose fellows all
  // came back under other ids would have nobody to ask.
  if (const Replica* successor = Find(message.range); successor != nullptr &&
                                                      message.to < successor->self() &&
                                                      TellIfRemoved(*successor, message)) {
    return true;
  }
  if (IsRemoved(message.range, message.to)) return true;
  if (Has<consensus::SnapshotChunk>(message)) {
    OnSnapshotChunk(now, message);
    return true;
  }
  if (Has<consensus::SnapshotAck>(message) && !Asks(message)) {
    OnSnapshotAck(now, message);
    return true;
  }
  if (Has<consensus::Removed>(message)) {
    OnRemoved(now, message);
    return true;
  }
  const Replica* replica = Find(message.range);
  if (replica == nullptr) {
    AnswerStranger(now, message);
    return false;
  }
  if (message.to != replica->self()) {
    // A store holds one replica of a range: before the newer one could be added, ours had left.
    if (message.to > replica->self()) RemoveLater(now, replica->descriptor(), replica->self());
    return true;
  }
  return TellIfRemoved(*replica, message) || Has<consensus::SnapshotAck>(message);
}

// [H-7]: a replica that is gone cannot release those who are bound to it, so its store does: it
// leads no term of the group, and whatever comes to be here later does not lead one that it led
// before [H-15]. Counter-example without it: a leader's store restarts and gets the parent's
// snapshot from behind the split, so that the child's replica is not there; its followers stay
// bound, and without a leader nobody sends it the child.
void Store::Impl::ReleaseForNobody(const Message& message) {
  const auto* query = std::get_if<consensus::ReleaseQuery>(&message.body);
  if (query == nullptr || options_.mutants.Has(kMutantStoppedKeepsBound)) return;
  consensus::Release release;
  release.released_term = query->bound_term;
  effects_.messages.push_back(Reply(message, release));
}

// Asks `member` whether `replica` is one still: an answer to no snapshot. Who has left is told so.
void Store::Impl::AskWhetherMember(const Replica& replica,
                                   const type::v1::ReplicaDescriptor& member) {
  Message message;
  message.range = replica.range();
  message.from = replica.self();
  message.to = ReplicaId(member.replica_id());
  message.from_store = id_;
  message.to_store = StoreId(member.store_id());
  message.term = replica.group().core().term();
  message.body = consensus::SnapshotAck{0, 0, consensus::SnapshotStatus::kLost};
  effects_.messages.push_back(std::move(message));
}

// A learner, or a replica that is bound, does not ask by itself. One replica in D, in turn, asks
// one of its fellows: strays are found in the end, and idle ranges cost next to nothing.
void Store::Impl::AskInTurn(const ClockReading& now) {
  if (now.boot < ask_at_) return;
  ask_at_ = now.boot + options_.lease_duration;
  AskWhetherAbsorbed();
  auto it = replicas_.upper_bound(asked_last_);
  if (it == replicas_.end()) {
    it = replicas_.begin();
    ++ask_round_;
  }
  if (it == replicas_.end()) return;
  asked_last_ = it->first;
  const Replica& replica = *it->second;
  const int members = replica.descriptor().replicas_size();
  if (!replica.started() || LeadsRange(it->first) || members == 0) return;
  const auto& member =
      replica.descriptor().replicas(static_cast<int>(ask_round_ % static_cast<uint64_t>(members)));
  if (member.replica_id() != replica.self().value()) AskWhetherMember(replica, member);
}

void Store::Impl::OnRemoved(const ClockReading& now, const Message& message) {
  const Replica* replica = Find(message.range);
  const auto& removed = std::get<consensus::Removed>(message.body);
  if (replica == nullptr || message.to != replica->self()) return;
  if (!removed.absorbed.empty()) return OnAbsorbed(now, *replica, removed.absorbed);
  if (removed.generation.value() <= replica->descriptor().generation()) return;
  RemoveLater(now, replica->descriptor(), replica->self());
}

// A leader that believes that there is a replica here learns that it has nothing, and sends a
// snapshot. So does a candidate, by a request for all of its log: a child of a split may have no
// leader without this store, which left the parent before it had applied the split (four members,
// two of whom left, and two cannot elect). A child of a split that is still to be applied here
// comes by itself: where it may be one, the answer waits. The answer vouches for nothing, so there
// is no state behind it [H-1]. That holds for a child which the log remembers and the engine forgot
// too: its parent may have left before it could apply the split again, and a snapshot leaves in the
// log what follows it.
void Store::Impl::AnswerStranger(const ClockReading& now, const Message& message) {
  const auto* append = std::get_if<consensus::AppendRequest>(&message.body);
  const bool probes = Has<consensus::ProbeRequest>(message);
  if ((append == nullptr && !probes) || removals_.count(message.range) != 0) return;
  const auto incoming = incoming_snapshots_.find(message.range);
  if (incoming != incoming_snapshots_.end() && !IsSilent(now, incoming->second)) return;
  if (strangers_.size() >= kStrangersMax) strangers_.clear();
  Stranger& stranger =
      strangers_.emplace(message.range, Stranger{now.boot, now.boot}).first->second;
  const bool may_be_child = std::any_of(replicas_.begin(), replicas_.end(), [&](const auto& entry) {
    return entry.second->self() == message.to;
  });
  if (may_be_child && now.boot < stranger.first_heard + options_.lease_duration / 4) return;
  if (now.boot < stranger.answer_at) return;
  stranger.answer_at = now.boot + options_.lease_duration / 10;
  if (probes) {
    effects_.messages.push_back(Reply(message, consensus::PullRequest{}));
    return;
  }
  consensus::AppendReply reply;
  reply.read_context = append->read_context;
  effects_.messages.push_back(Reply(message, reply));
}

// ---- Removal.

void Store::Impl::RemoveLater(const ClockReading& now, const RangeDescriptor& descriptor,
                              ReplicaId up_to) {
  const RangeId range(descriptor.range_id());
  removals_.emplace(range, Removal{up_to, descriptor, now.boot, std::nullopt, {}});
}

// Who is bound to it does not campaign while its store lives [H-8]. Counter-example to leaving
// after D: the store is cut off while it leaves, for so long that its releases are not delivered
// and not so long that its promises are withdrawn; nobody leads the range any more. Whoever
// supports this store is waited for longer than others, who withdraw what they promised, or are
// dead; but not for ever: it may have left the range, too, and has nothing to answer with.
bool Store::Impl::StillReleases(const ClockReading& now, Replica* replica, Removal* removal) {
  if (!replica->started() || options_.mutants.Has(kMutantStoppedKeepsBound)) return false;
  const consensus::Core& core = replica->group().core();
  if (!core.releasing(/*alive=*/false)) return false;
  if (removal->waits_until == consensus::Instant{}) {
    removal->waits_until = now.boot + kReleaseLeases * options_.lease_duration;
  }
  const auto longer = (kReleaseLeasesAlive - kReleaseLeases) * options_.lease_duration;
  const bool waits = now.boot < removal->waits_until ||
                     (now.boot < removal->waits_until + longer && core.releasing(/*alive=*/true));
  if (!waits) return false;
  Wake(replica);
  removal->at = now.boot + options_.lease_duration / 4;
  return true;
}

absl::Status Store::Impl::RemoveReplicas(const ClockReading& now) {
  for (auto it = removals_.begin(); it != removals_.end();) {
    const RangeId range = it->first;
    Removal& removal = it->second;
    if (now.boot < removal.at) {
      ++it;
      continue;
    }
    Replica* replica = Find(range);
    if (removal.absorbed.has_value() && (replica == nullptr || MayNotGoYet(*removal.absorbed))) {
      it = removals_.erase(it);
      continue;
    }
    // Counter-example without it: a restart has the engine forget a split that the log has, long
    // before its end; the replica is told at once that it left meanwhile, and goes. Of the child
    // the log alone is left, which is of no use. Where that happens on all stores that held the
    // child, what it acknowledged is lost.
    if (replica != nullptr && replica->IsReplaying()) {
      Wake(replica);
      removal.at = now.boot + options_.lease_duration / 10;
      ++it;
      continue;
    }
    if (replica != nullptr && LeadsRange(range) &&
        !options_.mutants.Has(kMutantStoppedKeepsBound)) {
      replica->group().core().Abdicate(now);  // [H-7]: nothing is served from here any more.
      Wake(replica);
      removal.at = now.boot + options_.lease_duration;
      ++it;
      continue;
    }
    if (replica != nullptr && StillReleases(now, replica, &removal)) {
      ++it;
      continue;
    }
    // As it is by now: it may have split.
    if (replica != nullptr) removal.descriptor = replica->descriptor();
    const absl::Status status = RemoveState(removal);
    if (absl::IsResourceExhausted(status)) {
      removal.at = now.boot + kFullDiskRetry;
      ++it;
      continue;
    }
    if (!status.ok()) return status;
    if (replica != nullptr) DropReplica(range);
    it = removals_.erase(it);
    ++counters_.replicas_removed;
    ports_.observer->OnRemoved(range);
    UpdatePeers();
  }
  return absl::OkStatus();
}

// The engine first, durably: a log that knows nothing of a range whose rows are there would look
// like one that lost its files. What the log has left after a crash, recovery removes.
absl::Status Store::Impl::RemoveState(const Removal& removal) {
  const RangeDescriptor& descriptor = removal.descriptor;
  const RangeId range(descriptor.range_id());
  std::vector<kv::KeySpan> spans =
      kv::SpansOf({range.value(), descriptor.start_key(), descriptor.end_key()});
  const std::string tombstone = kv::TombstoneKey(range.value());
  spans.back().begin = tombstone;
  absl::StatusOr<std::unique_ptr<kv::EngineIngest>> staged =
      ports_.engine->NewIngest(std::move(spans));
  if (!staged.ok()) return staged.status();
  absl::Status status = (*staged)->Put(tombstone, kv::EncodeTombstone(removal.up_to.value()));
  if (status.ok() && removal.absorbed.has_value()) {
    status = (*staged)->Put(kv::AbsorbedKey(range.value()), removal.absorbed->SerializeAsString());
  }
  if (status.ok()) status = ports_.engine->Ingest(staged->get());
  if (!status.ok()) return status;
  turn_.ForgetRows();
  ReplicaId& removed = tombstones_[range];
  removed = std::max(removed, removal.up_to);
  if (removal.absorbed.has_value()) absorbed_[range] = *removal.absorbed;
  told_.erase(range);
  RangeAppend append;
  append.range = range;
  append.removed = true;
  log_->Append({std::move(append)});
  orphans_.erase(range);
  if (auto incoming = incoming_snapshots_.find(range); incoming != incoming_snapshots_.end()) {
    incoming->second.hard_state_lsn = consensus::log::Lsn();
  }
  return absl::OkStatus();
}

// Nothing points to it afterwards; what the log and the engine hold of it is the caller's business.
void Store::Impl::DropReplica(RangeId range) {
  Replica* replica = Find(range);
  CHECK(replica != nullptr);
  CHECK(std::find(turn_replicas_.begin(), turn_replicas_.end(), replica) == turn_replicas_.end())
      << "what range " << range << " applied is not written";
  replica->Stop(&answers_);
  for (auto* list : {&awake_, &reading_, &applying_, &dirty_}) Erase(list, replica);
  undurable_.erase(
      std::remove_if(undurable_.begin(), undurable_.end(),
                     [replica](const auto& append) { return append.second == replica; }),
      undurable_.end());
  const auto start = by_start_.find(replica->descriptor().start_key());
  if (start != by_start_.end() && start->second == range) by_start_.erase(start);
  nascent_.erase(range);
  const auto of_range = [range](const auto& transfers) {
    return std::make_pair(transfers.lower_bound({range, ReplicaId()}),
                          transfers.lower_bound({range.Next(), ReplicaId()}));
  };
  const auto outgoing = of_range(outgoing_snapshots_);
  outgoing_snapshots_.erase(outgoing.first, outgoing.second);
  const auto wanted = of_range(snapshots_wanted_);
  snapshots_wanted_.erase(wanted.first, wanted.second);
  replicas_.erase(range);
}

Instant Store::Impl::MembershipDeadline() const {
  Instant at = Instant::max();
  if (turn_stalled_) return at;
  for (const auto& [range, removal] : removals_) at = std::min(at, removal.at);
  for (const Departed& departed : departed_) at = std::min(at, departed.next_at);
  for (const auto& [range, incoming] : incoming_snapshots_) {
    if (!incoming.receiver->complete()) {
      at = std::min(at, incoming.receiver->heard_at() + IncomingPatience());
    } else if (!incoming.hard_state_lsn.IsSet() || incoming.hard_state_lsn <= durable_) {
      // Otherwise the log wakes it: an instant that has passed would keep the executor spinning for
      // as long as the disk stalls.
      at = std::min(at, install_retry_at_);
    }
  }
  return at;
}

}  // namespace rasputin::range
