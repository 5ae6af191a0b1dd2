// Writing descriptors to the directory; see upkeep.h. Not thread-safe.
//
// One write at a time, of up to a hundred ranges: after a split storm or a restart the directory
// follows in few commands.

#include "server/front/upkeep.h"

#include <utility>

namespace rasputin::server {

using range::Outcome;

namespace {

constexpr size_t kRangesPerWrite = 100;
constexpr Duration kWriteDuration = std::chrono::seconds(10);
constexpr Duration kPauseAfterFailure = std::chrono::milliseconds(500);

}  // namespace

Upkeep::Upkeep(Directory* directory, Dispatcher* dispatcher)
    : directory_(directory), dispatcher_(dispatcher) {}

void Upkeep::OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
  local_[descriptor.range_id()] = descriptor;
  if (leads) OnLeader(RangeId(descriptor.range_id()), dispatcher_->self());
}

void Upkeep::OnLeader(RangeId range, StoreId leader) {
  const auto it = local_.find(range.value());
  if (it == local_.end()) return;
  if (leader != dispatcher_->self()) {
    pending_.erase(range.value());
    return;
  }
  const auto written = written_.find(range.value());
  if (written != written_.end() && written->second >= it->second.generation()) return;
  pending_.insert(range.value());
}

// What an absorbed range was like is of no use to the directory; a range that lives on elsewhere
// has a leader there.
void Upkeep::OnRemoved(RangeId range) {
  local_.erase(range.value());
  written_.erase(range.value());
  pending_.erase(range.value());
}

bool Upkeep::Run(const ClockReading& now) {
  if (!HasWork()) return false;
  busy_ = true;
  storage::v1::MetaCommand command;
  std::map<uint64_t, uint64_t> generations;
  for (const uint64_t id : pending_) {
    if (generations.size() >= kRangesPerWrite) break;
    const range::RangeDescriptor& range = local_.at(id);
    *command.mutable_put_ranges()->add_ranges() = range;
    generations[id] = range.generation();
  }
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
    written_[id] = generation;
    if (it->second.generation() == generation) pending_.erase(id);
  }
}

}  // namespace rasputin::server
