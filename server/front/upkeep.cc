// Writing descriptors to the directory; see upkeep.h. Not thread-safe.
//
// One write at a time, of up to a hundred ranges: after a split storm or a restart the directory
// follows in few commands.

#include "server/front/upkeep.h"

#include <optional>
#include <utility>

namespace rasputin::server {

using range::Outcome;

namespace {

constexpr size_t kRangesPerWrite = 100;
constexpr Duration kWriteDuration = std::chrono::seconds(10);
constexpr Duration kPauseAfterFailure = std::chrono::milliseconds(500);

}  // namespace

Upkeep::Upkeep(StorePort* store, Directory* directory, Dispatcher* dispatcher)
    : store_(store), directory_(directory), dispatcher_(dispatcher) {}

void Upkeep::OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
  local_[descriptor.range_id()].here = descriptor.generation();
  if (leads) OnLeader(RangeId(descriptor.range_id()), dispatcher_->self());
}

void Upkeep::OnLeader(RangeId range, StoreId leader) {
  const auto it = local_.find(range.value());
  if (it == local_.end()) return;
  if (leader != dispatcher_->self()) {
    pending_.erase(range.value());
    return;
  }
  if (it->second.written >= it->second.here) return;
  pending_.insert(range.value());
}

// What an absorbed range was like is of no use to the directory; a range that lives on elsewhere
// has a leader there.
void Upkeep::OnRemoved(RangeId range) {
  local_.erase(range.value());
  pending_.erase(range.value());
}

bool Upkeep::Run(const ClockReading& now) {
  if (!HasWork()) return false;
  storage::v1::MetaCommand command;
  std::map<uint64_t, uint64_t> generations;
  for (auto it = pending_.begin(); it != pending_.end() && generations.size() < kRangesPerWrite;) {
    const uint64_t id = *it;
    std::optional<ReplicaSummary> replica = store_->FindReplica(now, RangeId(id));
    if (!replica.has_value()) {  // Removed in this very turn.
      it = pending_.erase(it);
      continue;
    }
    generations[id] = replica->descriptor.generation();
    *command.mutable_put_ranges()->add_ranges() = std::move(replica->descriptor);
    ++it;
  }
  if (generations.empty()) return true;
  busy_ = true;
  directory_->Command(now, command, /*repeatable=*/true, now.boot + kWriteDuration,
                      [this, generations = std::move(generations)](
                          const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
                        OnWritten(when, generations, answer.response.outcome == Outcome::kOk);
                      });
  return true;
}

void Upkeep::OnWritten(const ClockReading& now, const std::map<uint64_t, uint64_t>& generations,
                       bool succeeded) {
  if (!succeeded) {
    dispatcher_->After(now, kPauseAfterFailure, [this](const ClockReading&) { busy_ = false; });
    return;
  }
  busy_ = false;
  for (const auto& [id, generation] : generations) {
    const auto it = local_.find(id);
    if (it == local_.end()) continue;  // Removed meanwhile.
    it->second.written = generation;
    if (generation >= it->second.here) pending_.erase(id);
  }
}

}  // namespace rasputin::server
