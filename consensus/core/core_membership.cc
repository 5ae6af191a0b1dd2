// Configurations in force and their change by joint consensus [H-14].
//
// A configuration is in force from its append on, leader and follower alike; what a truncation
// takes away brings back the one before. Every append to the log goes through ContinueLog(). Why a
// lease stays exclusive across changes: consensus/README.md, "Why a change of members is safe".

#include <glog/logging.h>

#include <algorithm>
#include <set>
#include <utility>

#include "consensus/core/configuration_codec.h"
#include "consensus/core/core_impl.h"

namespace rasputin::consensus {
namespace {

// How far behind the commit index a new voter may be, in entries: what is on its way.
constexpr uint64_t kCaughtUpEntries = 1024;

// What mutants 36 to 38 take for the configuration: the new half of a joint one, learners as
// voters, the half that is to be removed.
Configuration CountedOver(const Configuration& configuration, const Mutants& mutants) {
  Configuration counted = configuration;
  if (mutants.Has(36)) counted.outgoing.clear();
  if (mutants.Has(37)) {
    counted.voters.insert(counted.voters.end(), counted.learners.begin(), counted.learners.end());
  }
  if (mutants.Has(38) && configuration.IsJoint()) {
    counted.voters = configuration.outgoing;
    counted.outgoing.clear();
  }
  return counted;
}

void Sort(std::vector<Member>* members) {
  std::sort(members->begin(), members->end(),
            [](const Member& a, const Member& b) { return a.replica < b.replica; });
}

// Whether the lists are what a configuration may be, next to `current`.
bool IsLegal(const Configuration& target, const Configuration& current) {
  if (target.voters.empty() || target.IsJoint() ||
      target.voters.size() > kConfigurationMembersMax ||
      target.learners.size() > kConfigurationMembersMax) {
    return false;
  }
  std::set<ReplicaId> replicas;
  std::set<StoreId> stores;
  for (const auto* members : {&target.voters, &target.learners}) {
    for (const Member& member : *members) {
      if (!member.replica.IsSet() || !member.store.IsSet()) return false;
      if (!replicas.insert(member.replica).second || !stores.insert(member.store).second) {
        return false;
      }
    }
  }
  for (const Member& learner : target.learners) {
    if (current.IsVoter(learner.replica)) return false;
  }
  // One store, one replica; one replica, one store: also while both configurations are in force.
  for (const Member& member : current.AllMembers()) {
    const Member* same = target.Find(member.replica);
    if (same != nullptr ? same->store != member.store : stores.count(member.store) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Core::Impl::RestoreConfigurations(const Configuration& applied) {
  configurations_.push_back({applied_, applied});
  Index next = applied_.Next();
  while (next <= log_.Last().index) {
    const auto read = log_.Read(next, log_.Last().index, options_.max_append_bytes);
    if (!read.ok()) return StopDamaged();
    for (const Entry& entry : *read) {
      if (entry.type != EntryType::kConfig) continue;
      auto configuration = DecodeConfiguration(entry.payload);
      if (!configuration.ok()) return StopDamaged();
      configurations_.push_back({entry.index, *std::move(configuration)});
    }
    next = read->back().index.Next();
  }
}

void Core::Impl::ContinueLog(std::vector<Entry> entries) {
  const Index first = entries.front().index;
  bool changed = false;
  while (configurations_.back().index >= first) {
    CHECK(configurations_.size() > 1) << "[H-14] would truncate an applied configuration";
    configurations_.pop_back();
    changed = true;
  }
  for (const Entry& entry : entries) {
    if (entry.type != EntryType::kConfig) continue;
    auto configuration = DecodeConfiguration(entry.payload);
    CHECK(configuration.ok()) << "not well-formed, and appended";
    configurations_.push_back({entry.index, *std::move(configuration)});
    changed = true;
  }
  log_.Append(std::move(entries), commit_);
  if (changed) AdoptConfiguration();
}

void Core::Impl::SetConfiguration() {
  configuration_ = configurations_.back().configuration;
  counted_ = CountedOver(configuration_, options_.mutants);
  others_.clear();
  for (const Member& member : configuration_.AllMembers()) {
    if (member.replica != options_.self) others_.push_back(member);
  }
}

void Core::Impl::AdoptConfiguration() {
  SetConfiguration();
  Emit(EventType::kConfigurationChanged, ReplicaId(), configurations_.back().index);
  if (role_ == Role::kLeader) return AdoptMembers();
  if (!AmVoter()) {
    StopCampaign();
    election_at_ = Instant::max();
  } else if (role_ == Role::kFollower && election_at_ == Instant::max() && !IsBound()) {
    ArmElection();
  }
}

// A leader's share: whom it replicates to.
void Core::Impl::AdoptMembers() {
  for (auto progress = progress_.begin(); progress != progress_.end();) {
    if (configuration_.Find(progress->first) != nullptr) {
      ++progress;
      continue;
    }
    const Member* former = nullptr;
    for (const AppendedConfiguration& earlier : configurations_) {
      if (const Member* found = earlier.configuration.Find(progress->first)) former = found;
    }
    if (former != nullptr) former_members_[former->replica] = former->store;
    progress = progress_.erase(progress);
  }
  for (const Member& member : others_) {
    if (progress_.count(member.replica) == 0) {
      progress_.emplace(member.replica, NewProgress(member));
    }
  }
  if (transfer_target_.IsSet() && !configuration_.IsVoter(transfer_target_)) {
    Emit(EventType::kTransferAborted, transfer_target_);
    transfer_target_ = ReplicaId();
    transfer_ends_ = Instant::max();
  }
  flush_needed_ = true;
}

// Only the last configuration may be uncommitted, so only those whom it adds may not be told of
// themselves yet; the replica of such a one does not exist before a snapshot makes it.
Progress Core::Impl::NewProgress(const Member& member) const {
  Progress progress(log_.Last().index.Next());
  const size_t count = configurations_.size();
  if (count > 1 && configurations_[count - 2].configuration.Find(member.replica) == nullptr) {
    progress.added_at = configurations_.back().index;
    progress.absent = true;
  }
  return progress;
}

void Core::Impl::ForgetAppliedConfigurations() {
  while (configurations_.size() > 1 && configurations_[1].index <= applied_) {
    configurations_.pop_front();
  }
}

// ---- Changes.

bool Core::Impl::IsCaughtUp(ReplicaId id) const {
  if (id == options_.self) return true;
  const auto found = progress_.find(id);
  if (found == progress_.end()) return false;
  const Progress& progress = found->second;
  return progress.mode == Progress::Mode::kReplicate && !progress.NeedsSnapshot() &&
         progress.match.Plus(kCaughtUpEntries) >= commit_;
}

bool Core::Impl::NewVotersAreReady(const Configuration& next) const {
  for (const Member& voter : next.voters) {
    if (configuration_.IsVoter(voter.replica)) continue;
    const auto found = progress_.find(voter.replica);
    if (found == progress_.end()) return false;
    const Progress& progress = found->second;
    const Support support = leases_->SupportFrom(voter.store);
    const bool bound = progress.bound_epoch.IsSet() && progress.bound_epoch == support.epoch &&
                       !support.until.EndedForHolder(now_);
    if (!bound || !IsCaughtUp(voter.replica)) return false;
  }
  return true;
}

ProposeStatus Core::Impl::JudgeChange(const Configuration& target, Configuration* next) const {
  if (!IsServingLeader(now_) || transfer_target_.IsSet() || reelection_ == Reelection::kVoting) {
    return ProposeStatus::kNotLeader;
  }
  if (!IsLegal(target, configuration_)) return ProposeStatus::kInvalid;
  if (configuration_.IsJoint() || configurations_.size() > 1) {
    return ProposeStatus::kChangeUnderWay;
  }
  if (!AmVoter()) return ProposeStatus::kNotLeader;
  if (applied_ < term_start_) return ProposeStatus::kNotReady;
  *next = target;
  if (!(target.voters == configuration_.voters)) {
    next->outgoing = configuration_.voters;
    if (!NewVotersAreReady(*next)) return ProposeStatus::kNotReady;
    // Nor under which nothing could be committed before a member that lags has what it lacks: once
    // appended, it would stop all writes for as long as a snapshot takes.
    if (!HasQuorum(*next, [this](ReplicaId id) { return IsCaughtUp(id); })) {
      return ProposeStatus::kNotReady;
    }
  }
  // [H-14]: only if the lease would hold under it.
  if (LeaseEndOver(*next, /*held=*/false).EndedForHolder(now_)) return ProposeStatus::kNotReady;
  return ProposeStatus::kAccepted;
}

ProposeResult Core::Impl::ProposeConfiguration(const ClockReading& now,
                                               const Configuration& target) {
  Advance(now);
  ProposeResult result;
  if (damaged_) return result;
  Configuration sorted = target;
  for (auto* members : {&sorted.voters, &sorted.outgoing, &sorted.learners}) Sort(members);
  Configuration next;
  result.status = JudgeChange(sorted, &next);
  if (result.status != ProposeStatus::kAccepted) return result;
  AppendOwn(EntryType::kConfig, EncodeConfiguration(next));
  result.term = hs_.term;
  result.index = log_.Last().index;
  if (options_.mutants.Has(64)) LeaveJoint();
  return result;
}

// The joint configuration is applied: whoever leads goes on to the one that was wanted.
void Core::Impl::LeaveJoint() {
  if (role_ != Role::kLeader || reelection_ == Reelection::kVoting) return;
  const bool applied = configurations_.size() == 1 || options_.mutants.Has(64);
  if (!configuration_.IsJoint() || !applied) return;
  Configuration final = configuration_;
  final.outgoing.clear();
  AppendOwn(EntryType::kConfig, EncodeConfiguration(final));
}

// [H-14]: a leader outside the new configuration leads until that is committed.
void Core::Impl::LeaveIfRemoved() {
  if (role_ != Role::kLeader || AmVoter() || configuration_.IsJoint()) return;
  if (commit_ < configurations_.back().index) return;
  ReplicaId successor;
  Index most;
  for (const Member& voter : configuration_.voters) {
    const Progress& progress = progress_.at(voter.replica);
    if (leases_->HeldSupportFrom(voter.store).until.EndedForHolder(now_)) continue;
    if (progress.match > most) {
      most = progress.match;
      successor = voter.replica;
    }
  }
  StopLeading(AbdicationReason::kRemoved, successor);
}

std::vector<MemberProgress> Core::Impl::ListProgress(const ClockReading& now) const {
  std::vector<MemberProgress> list;
  if (role_ != Role::kLeader) return list;
  for (const Member& member : others_) {
    const Progress& progress = progress_.at(member.replica);
    const Support support = leases_->SupportFrom(member.store);
    MemberProgress out;
    out.id = member.replica;
    out.match = progress.match;
    out.bound = progress.bound_epoch.IsSet() && progress.bound_epoch == support.epoch;
    out.supported = !support.until.EndedForHolder(now);
    out.needs_snapshot = progress.NeedsSnapshot();
    list.push_back(out);
  }
  return list;
}

}  // namespace rasputin::consensus
