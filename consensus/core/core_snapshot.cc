// Who needs a snapshot, as the leader sees it [H-13].
//
// Not responsible for transfers: the owner streams them, and replaces the receiver's core by a new
// one. Nothing here sends a message; a member that cannot be reached is not asked for.

#include <algorithm>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {
namespace {

constexpr int kSnapshotBackoffMax = 6;  // Doublings of retry_interval.

}  // namespace

bool Core::Impl::MayAskForSnapshot(const Member& member, const Progress& progress) const {
  return progress.NeedsSnapshot() && !progress.snapshot_under_way && Reachable(progress) &&
         !leases_->HeldSupportFrom(member.store).until.EndedForHolder(now_);
}

void Core::Impl::AskForSnapshot(const Member& member, Progress* progress) {
  if (!MayAskForSnapshot(member, *progress) || now_.boot < progress->snapshot_retry_at) return;
  progress->snapshot_under_way = true;
  ready_.snapshots_wanted.push_back(member.replica);
}

void Core::Impl::OnSnapshotSent(const ClockReading& now, ReplicaId to, bool installed) {
  Advance(now);
  if (damaged_ || role_ != Role::kLeader) return;
  const auto found = progress_.find(to);
  if (found == progress_.end()) return;
  Progress* progress = &found->second;
  progress->snapshot_under_way = false;
  const int doublings = std::min(progress->snapshot_failures, kSnapshotBackoffMax);
  progress->snapshot_retry_at = now_.boot + options_.retry_interval * (1 << doublings);
  flush_needed_ = true;
  if (!installed) {
    ++progress->snapshot_failures;
    return;
  }
  // Where its log ends now it says in answer to an append behind our own last entry.
  progress->snapshot_failures = 0;
  progress->failures = 0;
  progress->dormant = false;
  progress->absent = false;
  progress->below_log_start = false;
  progress->retry_at = Instant::max();
  progress->Probe(log_.Last().index.Next(), round_);
  progress->must_send = true;
}

}  // namespace rasputin::consensus
