// See group.h.

#include "consensus/driver/group.h"

#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace rasputin::consensus {
namespace {

template <typename T>
void MoveAppend(std::vector<T>* from, std::vector<T>* to) {
  to->insert(to->end(), std::make_move_iterator(from->begin()),
             std::make_move_iterator(from->end()));
  from->clear();
}

}  // namespace

Group::Group(const CoreOptions& options, const InitialState& initial, log::SharedLog* log,
             const LeaseView* leases, const ClockReading& now)
    : range_(options.range),
      view_(options.range, log),
      core_(options, initial, &view_, leases, now),
      durable_last_(view_.Last().index) {}

bool Group::Collect(TurnEffects* effects) {
  CHECK(pending_.empty() || pending_.back().lsn.IsSet())
      << "Collect before OnAppended of the last append; range " << range_;
  Ready ready = core_.TakeReady();
  MoveAppend(&ready.send_now, &effects->messages);
  MoveAppend(&ready.events, &effects->events);
  MoveAppend(&ready.reads, &effects->reads);
  MoveAppend(&ready.snapshots_wanted, &effects->snapshots_wanted);
  MoveAppend(&ready.committed, &committed_);
  const bool appends = ready.hard_state.has_value() || !ready.entries.empty();
  CHECK_EQ(appends, ready.persist_sequence != 0) << "range " << range_;
  if (appends) {
    Pending pending;
    pending.persist_sequence = ready.persist_sequence;
    if (!ready.entries.empty()) {
      pending.first = ready.entries.front().index;
      pending.last = ready.entries.back().index;
    }
    pending.send_after = std::move(ready.send_after_persist);
    pending_.push_back(std::move(pending));
    log::RangeAppend append;
    append.range = range_;
    append.hard_state = ready.hard_state;
    append.entries = std::move(ready.entries);
    effects->appends.push_back(std::move(append));
  } else if (pending_.empty()) {
    MoveAppend(&ready.send_after_persist, &effects->messages);
  } else {
    MoveAppend(&ready.send_after_persist, &pending_.back().send_after);
  }
  return appends;
}

void Group::OnAppended(log::Lsn lsn) {
  CHECK(!pending_.empty() && !pending_.back().lsn.IsSet()) << "range " << range_;
  pending_.back().lsn = lsn;
}

void Group::OnDurable(const ClockReading& now, log::Lsn durable, TurnEffects* effects) {
  size_t done = 0;
  while (done < pending_.size() && pending_[done].lsn.IsSet() && pending_[done].lsn <= durable) {
    Pending& pending = pending_[done];
    if (pending.last.IsSet()) durable_last_ = pending.last;
    MoveAppend(&pending.send_after, &effects->messages);
    ++done;
  }
  if (done == 0) return;
  const uint64_t sequence = pending_[done - 1].persist_sequence;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(done));
  core_.OnPersisted(now, sequence);
}

log::Lsn Group::FirstPendingLsn() const {
  return pending_.empty() ? log::Lsn() : pending_.front().lsn;
}

Index Group::DurableIndex() const {
  Index durable = durable_last_;
  for (const Pending& pending : pending_) {
    if (pending.first.IsSet()) durable = std::min(durable, pending.first.Previous());
  }
  return durable;
}

bool Group::HasApplicable() const {
  return committed_head_ < committed_.size() && committed_[committed_head_].index <= DurableIndex();
}

std::vector<Entry> Group::TakeApplicable() {
  std::vector<Entry> out;
  const Index durable = DurableIndex();
  while (committed_head_ < committed_.size() && committed_[committed_head_].index <= durable) {
    out.push_back(std::move(committed_[committed_head_++]));
  }
  if (committed_head_ == committed_.size()) {
    committed_.clear();
    committed_head_ = 0;
  }
  return out;
}

}  // namespace rasputin::consensus
