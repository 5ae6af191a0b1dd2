// See store.h: the turn.

#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/store_impl.h"

namespace rasputin::range {
namespace {

using consensus::Instant;
using consensus::log::Lsn;

// Rounds of one turn: applying wakes groups (commit announcements), and so on. What is left over
// after so many waits for the next turn, which is due at once.
constexpr int kRoundsMax = 8;
constexpr consensus::Duration kMaintenanceInterval = std::chrono::milliseconds(500);
constexpr size_t kCutsPerMaintenance = 128;
// How long to wait before an engine that stalls is tried again, and before waiting reads are looked
// at.
constexpr consensus::Duration kRetryInterval = std::chrono::milliseconds(10);
constexpr int kMutantStorageErrorIgnored = 17;
constexpr int kMutantCheckThenRead = 23;
constexpr int kMutantReadInAnyGeneration = 33;
constexpr int kMutantCutBeforeFlush = 42;

}  // namespace

void Store::Impl::Wake(Replica* replica) {
  if (replica->awake) return;
  replica->awake = true;
  awake_.push_back(replica);
}

void Store::Impl::ForgetEndedCampaigns() {
  for (auto it = campaigners_.begin(); it != campaigners_.end();) {
    const Replica* replica = Find(*it);
    const consensus::Role role = replica == nullptr || !replica->started()
                                     ? consensus::Role::kFollower
                                     : replica->group().core().role();
    const bool ended = role == consensus::Role::kFollower || role == consensus::Role::kLeader;
    it = ended ? campaigners_.erase(it) : std::next(it);
  }
}

// A store whose fellow died has an election to begin for each range that this one led. All at once
// they take longer than an attempt waits for its answers: then all fail, begin again, and may never
// succeed.
bool Store::Impl::MayCampaign(RangeId range) {
  if (range.value() != kMetaRangeId && campaigners_.size() >= options_.campaigns_max) return false;
  campaigners_.insert(range);
  return true;
}

void Store::Impl::WakeDue(const ClockReading& now) {
  ForgetEndedCampaigns();
  while (!timers_.empty() && timers_.top().at <= now.boot) {
    const Scheduled due = timers_.top();
    timers_.pop();
    Replica* replica = Find(due.range);
    if (replica == nullptr || replica->scheduled != due.at) continue;
    replica->scheduled = Instant::max();
    const bool campaigns = replica->started() && replica->group().core().IsDueToCampaign(now);
    if (campaigns && !MayCampaign(due.range)) replica->group().core().PostponeCampaign(now);
    Wake(replica);  // Something else may be due as well.
  }
}

void Store::Impl::Reschedule(Replica* replica) {
  const Instant at = std::min(replica->group().core().NextDeadline(),
                              replica->WaiterDeadline(2 * options_.lease_duration));
  if (at >= replica->scheduled) return;  // Woken earlier anyway, and looked at again then.
  replica->scheduled = at;
  timers_.push({at, replica->range()});
}

Instant Store::Impl::NextDeadline() const {
  Instant at = timers_.empty() ? Instant::max() : timers_.top().at;
  if (!awake_.empty() || !answers_.empty()) return Instant::min();
  if (turn_stalled_ || !reading_.empty()) at = std::min(at, last_turn_ + kRetryInterval);
  if (!dirty_.empty() || !retired_.empty()) at = std::min(at, next_maintenance_);
  return std::min(
      {at, LeaseDeadline(), shutdown_abdicate_at_, MembershipDeadline(), TransferDeadline()});
}

void Store::Impl::OnLogDurable(const ClockReading& now, Lsn durable) {
  durable_ = durable;
  while (!undurable_.empty() && undurable_.front().first <= durable) {
    Replica* replica = undurable_.front().second;
    undurable_.pop_front();
    replica->group().OnDurable(now, durable, &effects_);
    Wake(replica);
  }
}

void Store::Impl::ObserveClock(const ClockReading& now) {
  const int64_t differs_us = versions_.Observe(now);
  if (differs_us == 0) return;
  consensus::Event event;
  event.type = consensus::EventType::kClockSuspect;
  event.detail = static_cast<uint64_t>(std::abs(differs_us) / 1000);
  ports_.observer->OnEvent(event);
}

absl::Status Store::Impl::RunTurn(const ClockReading& now) {
  last_turn_ = now.boot;
  context_.turn_began = now.boot;
  last_turn_raw_ = now.raw;
  ObserveClock(now);
  WatchWallClock(now);
  WakeDue(now);
  WakeEndedLeases(now);
  if (absl::Status status = RunMembership(now); !status.ok()) return status;
  StartNascent(now);
  if (now.boot >= shutdown_abdicate_at_) AbdicateAll(now);
  for (int round = 0; round < kRoundsMax; ++round) {
    if (absl::Status status = RunGroups(now); !status.ok()) return status;
    if (absl::Status status = ApplyAll(now); !status.ok()) return status;
    if (awake_.empty()) break;
  }
  if (absl::Status status = ServeReads(now); !status.ok()) return status;
  if (absl::Status status = RunTransfers(now); !status.ok()) return status;
  Send();
  GiveAnswers();
  if ((!dirty_.empty() || !retired_.empty()) && now.boot >= next_maintenance_) return Maintain(now);
  return absl::OkStatus();
}

absl::Status Store::Impl::RunGroups(const ClockReading& now) {
  std::vector<Replica*> groups;
  groups.swap(awake_);
  std::vector<Replica*> appended;
  for (Replica* replica : groups) {
    replica->awake = false;
    if (!replica->started()) continue;
    consensus::Group& group = replica->group();
    group.core().Tick(now);
    if (group.core().log_damaged()) {
      // Only damage sets the store aside; a disk that cannot be read may be well another time.
      if (absl::Status cause = log_->read_failure(); !cause.ok()) return cause;
      return absl::DataLossError(
          absl::StrCat("the log of range ", replica->range().value(),
                       " could not be read: the store stops: it does not guess what stood there"));
    }
    if (!replica->log_failure().ok()) return replica->log_failure();
    if (group.Collect(&effects_)) appended.push_back(replica);
    for (const consensus::ReadIndexResult& read : effects_.reads) replica->OnReadIndex(read);
    effects_.reads.clear();
    for (const ReplicaId member : effects_.snapshots_wanted) {
      snapshots_wanted_.insert({replica->range(), member});
    }
    effects_.snapshots_wanted.clear();
    replica->ExpireWaiters(now, 2 * options_.lease_duration, &answers_);
    replica->CheckFreezes(now, &answers_);
    if (replica->HasApplicable()) applying_.push_back(replica);
    if (replica->HasReads()) reading_.push_back(replica);
    // The slowest member got further: what waited for it may be cut.
    if (!replica->dirty && group.core().held_by_all() > log_->Start(replica->range()).index) {
      MarkDirty(replica);
    }
  }
  if (!effects_.appends.empty()) {
    const Lsn lsn = log_->Append(std::move(effects_.appends));
    effects_.appends.clear();
    for (Replica* replica : appended) {
      replica->group().OnAppended(lsn);
      undurable_.emplace_back(lsn, replica);
    }
  }
  for (Replica* replica : groups) {
    if (!replica->started()) continue;
    Reschedule(replica);
    ReportLeader(replica);
  }
  return absl::OkStatus();
}

absl::Status Store::Impl::ApplyAll(const ClockReading& now) {
  std::vector<Replica*> applying;
  if (!turn_stalled_) applying.swap(applying_);
  for (Replica* replica : applying) {
    const absl::StatusOr<bool> applied = replica->ApplyCommitted(&turn_, &turn_results_);
    if (!applied.ok()) return applied.status();
    if (*applied) turn_replicas_.push_back(replica);
    if (replica->awaited().has_value()) AwaitRight(now, *replica);
  }
  if (turn_replicas_.empty()) return absl::OkStatus();
  const absl::Status committed = turn_.Commit();
  const bool had_stalled = turn_stalled_;
  turn_stalled_ = absl::IsResourceExhausted(committed);
  if (turn_stalled_) return absl::OkStatus();
  if (!committed.ok() && !options_.mutants.Has(kMutantStorageErrorIgnored)) return committed;
  std::vector<RangeId> unsaid;
  for (Replica* replica : turn_replicas_) {
    if (had_stalled) unsaid.push_back(replica->range());
    replica->OnCommitted();
    Wake(replica);
    MarkDirty(replica);
    WakeAwaiting(replica->range());
  }
  turn_replicas_.clear();
  ApplyResults results;
  std::swap(results, turn_results_);
  std::move(results.answers.begin(), results.answers.end(), std::back_inserter(answers_));
  for (auto& effect : results.effects) {
    if (const auto* membership = std::get_if<MembershipEffect>(&effect)) {
      ApplyMembership(now, *membership);
    } else if (const auto* merge = std::get_if<MergeEffect>(&effect)) {
      ApplyMerge(*merge);
    } else if (const auto* changed = std::get_if<DescriptorEffect>(&effect)) {
      ports_.observer->OnDescriptor(changed->after, LeadsRange(RangeId(changed->after.range_id())));
    } else {
      absl::Status status = CreateChild(now, std::move(std::get<SplitEffect>(effect)));
      if (!status.ok()) return status;
    }
  }
  for (const RangeId range : unsaid) {
    if (LeadsRange(range)) ports_.observer->OnDescriptor(Find(range)->descriptor(), true);
  }
  return absl::OkStatus();
}

// Lease and generation are checked after the state was read and before the answer leaves [H-10].
// With the check before the read only, a store that is paused in between answers, when it resumes,
// requests that came during the pause from a state that a newer leader has moved past.
absl::Status Store::Impl::ServeReads(const ClockReading& now) {
  if (reading_.empty()) return absl::OkStatus();
  std::sort(reading_.begin(), reading_.end(),
            [](const Replica* a, const Replica* b) { return a->range() < b->range(); });
  reading_.erase(std::unique(reading_.begin(), reading_.end()), reading_.end());
  std::vector<ReadAnswer> done;
  for (Replica* replica : reading_) {
    if (absl::Status status = replica->ExecuteReads(now, &done, &answers_); !status.ok()) {
      return status;
    }
  }
  const bool check_again = !options_.mutants.Has(kMutantCheckThenRead);
  const ClockReading after = done.empty() || !check_again ? now : ports_.clock->Now();
  for (ReadAnswer& read : done) {
    const Replica& replica = *read.replica;
    const bool same_range = read.generation.value() == replica.descriptor().generation() ||
                            options_.mutants.Has(kMutantReadInAnyGeneration);
    if (same_range && (!read.by_lease || replica.group().core().MayServeRead(after))) {
      read.replica->RecordRead(now, after, read);
      answers_.push_back(std::move(read.answer));
    } else if (same_range) {
      read.replica->RequeueRead(std::move(read));
    } else {
      answers_.push_back({read.request.completion, Mismatch(read.request)});
    }
  }
  reading_.erase(std::remove_if(reading_.begin(), reading_.end(),
                                [](const Replica* replica) { return !replica->HasReads(); }),
                 reading_.end());
  return absl::OkStatus();
}

void Store::Impl::GiveAnswers() {
  std::vector<Answer> answers;
  answers.swap(answers_);
  for (Answer& answer : answers) answer.completion->Done(std::move(answer.response));
}

void Store::Impl::Send() {
  for (consensus::Message& message : effects_.messages) {
    if (forgotten_.count(message.to_store.value()) != 0) continue;
    const Replica* replica = Find(message.range);
    if (replica != nullptr) message.generation = Generation(replica->descriptor().generation());
    outgoing_[message.to_store].push_back(std::move(message));
  }
  effects_.messages.clear();
  for (auto& [store, messages] : outgoing_) {
    if (messages.empty()) continue;
    ports_.transport->Send(store, std::move(messages));
    messages.clear();
  }
  std::vector<consensus::Event> events;
  events.swap(effects_.events);
  for (const consensus::Event& event : events) {
    ports_.observer->OnEvent(event);
    if (event.type != consensus::EventType::kBecameLeader) continue;
    const Replica* replica = Find(event.range);
    // What a turn that stalls has done to it is told once it is written (ApplyAll): of a split
    // nobody would hear of the left half long before the right one.
    const bool unwritten = turn_stalled_ && std::find(turn_replicas_.begin(), turn_replicas_.end(),
                                                      replica) != turn_replicas_.end();
    if (replica != nullptr && !unwritten) {
      ports_.observer->OnDescriptor(replica->descriptor(), true);
    }
  }
}

void Store::Impl::ReportLeader(Replica* replica) {
  const StoreId leader = replica->LeaderStore();
  if (leader == replica->reported_leader) return;
  replica->reported_leader = leader;
  ports_.observer->OnLeader(replica->range(), leader);
}

// Starts flushes and cuts the log behind what is flushed; never on the path of a request.
absl::Status Store::Impl::Maintain(const ClockReading& now) {
  next_maintenance_ = now.boot + kMaintenanceInterval;
  if (ports_.engine->UnflushedBytes() > options_.flush_bytes ||
      log_->stats().bytes_live > options_.log_live_bytes_max) {
    // On a full disk the flush waits for space like everything else: reads go on.
    const absl::Status status = ports_.engine->StartFlush();
    if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  }
  if (absl::Status status = RemoveRetiredLogs(); !status.ok()) return status;
  std::vector<Replica*> dirty;
  dirty.swap(dirty_);
  for (size_t i = 0; i < dirty.size(); ++i) {
    dirty[i]->dirty = i >= kCutsPerMaintenance;
    if (!dirty[i]->dirty) {
      absl::StatusOr<bool> done = CutLog(now, dirty[i]);
      if (!done.ok()) return done.status();
      dirty[i]->dirty = !*done;
    }
    if (dirty[i]->dirty) dirty_.push_back(dirty[i]);
  }
  // Those that wait the longest come first the next time.
  if (dirty.size() > kCutsPerMaintenance) {
    std::rotate(dirty_.begin(),
                dirty_.end() - static_cast<ptrdiff_t>(dirty.size() - kCutsPerMaintenance),
                dirty_.end());
  }
  return absl::OkStatus();
}

void Store::Impl::MarkDirty(Replica* replica) {
  if (replica->dirty) return;
  replica->dirty = true;
  dirty_.push_back(replica);
}

// Behind what the engine would still have after a crash. Members that are behind hold it back, each
// store by its own log and by what it hears of the others' stores, up to a limit: then a snapshot
// brings them back. True: nothing to look for until more is applied or the slowest member gets
// further.
absl::StatusOr<bool> Store::Impl::CutLog(const ClockReading& now, Replica* replica) {
  if (!replica->started()) return true;
  const RangeId range = replica->range();
  absl::StatusOr<kv::AppliedState> flushed =
      kv::ReadPersistedAppliedState(range.value(), *ports_.engine);
  if (!flushed.ok()) return flushed.status();
  const consensus::Index behind = options_.mutants.Has(kMutantCutBeforeFlush)
                                      ? replica->applied()
                                      : consensus::Index(flushed->index);
  const consensus::Index start = log_->Start(range).index;
  if (behind > start) {
    consensus::Index safe = std::min(behind, replica->group().core().held_by_all());
    if (safe < behind) {
      const uint64_t limit = HasDeadMember(now, replica->descriptor())
                                 ? options_.log_retain_dead_bytes
                                 : options_.log_retain_bytes;
      safe = std::max(safe, log_->KeepingBytes(range, behind, limit));
      safe = std::min(safe, NeededAfterTransfers(range));
    }
    if (safe > start) log_->Cut(range, safe);
  }
  return flushed->index == replica->applied().value();
}

bool Store::Impl::HasDeadMember(const ClockReading& now, const RangeDescriptor& descriptor) const {
  for (const auto& member : descriptor.replicas()) {
    const StoreId store(member.store_id());
    if (store == id_) continue;
    const Instant heard = std::max(opened_at_, leases_.SupportFrom(store).until.boot);
    if (now.boot >= heard + options_.dead_after) return true;
  }
  return false;
}

}  // namespace rasputin::range
