// Linearizable reads: by lease, checked after the state was read, or by a read index round [H-10].

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "consensus/core/core_impl.h"

namespace rasputin::consensus {

bool Core::Impl::MayServeRead(const ClockReading& now) const {
  if (role_ != Role::kLeader || damaged_) return false;
  if (InheritsLease(now)) return true;
  // Entries committed by earlier terms are known to be applied only behind the first of this one.
  // (of the one before it, if [H-12] kept that one's lease).
  if (applied_ < read_floor_ && !options_.mutants.Has(28)) return false;
  return options_.mutants.Has(5) || LeaseValid(now);
}

bool Core::Impl::IsServingLeader(const ClockReading& now) const {
  if (role_ != Role::kLeader || damaged_) return false;
  if (LeaseValid(now)) return true;
  return !had_lease_ && now.boot < leader_since_ + options_.lease_duration;
}

bool Core::Impl::RequestReadIndex(const ClockReading& now, uint64_t context) {
  Advance(now);
  if (role_ != Role::kLeader || damaged_) return false;
  // Round 0: not sent yet; Flush() gives the batch its round and its index.
  if (reads_.empty() || reads_.back().round != 0) reads_.push_back({0, Index(), {}});
  reads_.back().contexts.push_back(context);
  flush_needed_ = true;
  return true;
}

void Core::Impl::CompleteReads() {
  if (reads_.empty() || reads_.front().round == 0) return;
  const std::function<uint64_t(ReplicaId)> acked = [this](ReplicaId id) -> uint64_t {
    if (id == options_.self) return std::numeric_limits<uint64_t>::max();
    const auto progress = progress_.find(id);
    return progress == progress_.end() ? 0 : progress->second.acked_round;
  };
  const uint64_t confirmed =
      options_.mutants.Has(65) ? round_ : QuorumValue<uint64_t>(Counted(), acked);
  while (!reads_.empty() && reads_.front().round != 0 && reads_.front().round <= confirmed) {
    for (const uint64_t context : reads_.front().contexts) {
      ready_.reads.push_back({context, reads_.front().index, false});
    }
    reads_.pop_front();
  }
}

// The answers to rounds of the term before say nothing about this one [H-12].
void Core::Impl::AskReadsAgain() {
  if (reads_.empty()) return;
  ReadBatch all{0, Index(), {}};
  for (const ReadBatch& batch : reads_) {
    all.contexts.insert(all.contexts.end(), batch.contexts.begin(), batch.contexts.end());
  }
  reads_.clear();
  reads_.push_back(std::move(all));
}

void Core::Impl::FailReads() {
  for (const ReadBatch& batch : reads_) {
    for (const uint64_t context : batch.contexts) {
      ready_.reads.push_back({context, Index(), true});
    }
  }
  reads_.clear();
}

}  // namespace rasputin::consensus
