// Random work, crashes and the comparison of crash_run.h.

#include "consensus/log/crash_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace rasputin::consensus::log {

CrashRun::CrashRun(uint64_t seed, Mutants mutants) : random_(seed) {
  options_.store = StoreId(7);
  options_.segment_bytes = 8 << 10;
  options_.reserve_bytes = 16 << 10;
  options_.cache_bytes = 4 << 10;
  options_.write_bytes_max = 4 << 10;
  options_.mutants = mutants;
  Note(0);
}

void CrashRun::Note(uint64_t lsn) {
  states_.push_back({model_.Text(), model_});
  if (lsn != 0) lsns_[lsn] = states_.size() - 1;
}

void CrashRun::AppendSome() {
  RangeAppend append;
  append.range = RangeId(1 + Below(6));
  const uint64_t kind = Below(40);
  if (kind == 0 && model_.ranges.count(append.range) != 0) {
    append.removed = true;
    model_.ranges.erase(append.range);
    Note(0);
  } else {
    if (Below(3) == 0) {
      HardState& state = model_.ranges[append.range].hard_state;
      state.term = Term(state.term.value() + 1 + Below(3));
      state.vote = ReplicaId(Below(5));
      state.bound_epoch = Epoch(Below(9));
      state.released_term = Term(Below(4));
      append.hard_state = state;
      Note(0);
    }
    const LogPosition last = model_.Last(append.range);
    if (kind == 1) {
      const LogPosition start{Term(last.term.value() + Below(2)), last.index.Plus(Below(9))};
      append.log_start = start;
      model_.SetStart(append.range, start);
      Note(0);
    }
    const uint64_t count = Below(6);
    Model::Range& range = model_.ranges[append.range];
    Note(0);
    uint64_t index = model_.Last(append.range).index.value() + 1;
    if (Below(4) == 0) index -= Below(range.entries.size() + 1);
    Term term = range.start.term;
    if (index > range.start.index.value() + 1) {
      term = range.entries[index - range.start.index.value() - 2].term;
    }
    term = Term(std::max<uint64_t>(term.value() + Below(2), 1));
    for (uint64_t i = 0; i < count; ++i) {
      const std::string payload =
          absl::StrCat(++payload_, std::string(Below(8) == 0 ? Below(1500) : Below(60), 'x'));
      Entry entry{term, Index(index + i), EntryType(1 + Below(3)), absl::Cord(payload)};
      append.entries.push_back(entry);
      model_.AppendEntry(append.range, entry);
      Note(0);
    }
    if (!append.hard_state && !append.log_start && append.entries.empty()) {
      model_.ranges[append.range];  // Nothing is appended: the log does not know it either.
      append.hard_state = model_.ranges[append.range].hard_state;
      Note(0);
    }
  }
  const Lsn lsn = log_->Append({append});
  lsns_[lsn.value()] = states_.size() - 1;
}

void CrashRun::CutSome() {
  for (auto& [id, range] : model_.ranges) {
    if (range.entries.empty() || Below(3) == 0) continue;
    const Entry& entry = range.entries[Below(range.entries.size())];
    const LogPosition start{entry.term, entry.index};
    log_->Cut(id, start.index);
    model_.SetStart(id, start);
    Note(0);
  }
}

void CrashRun::LeaseSome() {
  lease::PairState pair;
  pair.peer = StoreId(1 + Below(4));
  pair.own_epoch = Epoch(Below(100));
  pair.lowest_accepted = Epoch(Below(100));
  model_.counter = model_.counter.Next();
  Note(0);
  model_.pairs[pair.peer] = pair;
  Note(log_->AppendLeases({pair}, model_.counter).value());
}

void CrashRun::Write() {
  std::unique_ptr<WriteJob> job = log_->TakeWrite();
  if (job == nullptr) return;
  EXPECT_EQ(log_->TakeWrite(), nullptr) << "two jobs in flight";
  // While the job is under way, more may be queued.
  if (Below(3) == 0) AppendSome();
  uint64_t left = Below(4) == 0 ? Below(5) : UINT64_MAX;
  directory_.SetHook([left](DiskOperation operation, const std::string&) mutable {
    if (operation == DiskOperation::kRead) return absl::OkStatus();
    if (left == 0) return absl::UnavailableError("the machine died");
    left -= left == UINT64_MAX ? 0 : 1;
    return absl::OkStatus();
  });
  const absl::Status status = log_->Execute(job.get());
  directory_.SetHook(nullptr);
  if (!status.ok()) {
    if (!absl::IsUnavailable(status) && !absl::IsInternal(status)) failure_ = status.ToString();
    dead_ = true;
    return;
  }
  const Lsn durable = log_->FinishWrite(std::move(job));
  EXPECT_EQ(durable, log_->durable());
  auto reported = lsns_.upper_bound(durable.value());
  if (reported == lsns_.begin()) return;
  // States before the newest durable one are of no interest any more.
  const size_t state = std::prev(reported)->second;
  states_.erase(states_.begin(), states_.begin() + static_cast<ptrdiff_t>(state));
  std::map<uint64_t, size_t> shifted;
  for (auto it = reported; it != lsns_.end(); ++it) shifted[it->first] = it->second - state;
  lsns_ = std::move(shifted);
}

void CrashRun::CheckReads() {
  for (const auto& [id, range] : model_.ranges) {
    if (range.entries.empty()) continue;
    const size_t first = Below(range.entries.size());
    auto entries = log_->ReadEntries(id, range.entries[first].index, Index(UINT64_MAX), 1 << 20);
    if (!entries.ok()) {
      failure_ = entries.status().ToString();
      return;
    }
    std::string read;
    std::string expected;
    for (const Entry& entry : *entries) read += Model::Text(entry);
    for (size_t i = first; i < range.entries.size(); ++i) {
      expected += Model::Text(range.entries[i]);
    }
    if (read != expected) failure_ = absl::StrCat("read ", read, "\ninstead of ", expected);
  }
}

void CrashRun::Work(int steps) {
  for (int i = 0; i < steps && !dead_ && failure_.empty(); ++i) {
    switch (Below(8)) {
      case 0:
        LeaseSome();
        break;
      case 1:
        CutSome();
        break;
      case 2:
      case 3:
        Write();
        break;
      case 4:
        CheckReads();
        break;
      default:
        AppendSome();
    }
  }
}

void CrashRun::Crash() {
  recycled_ += log_->stats().segments_recycled;
  copied_ += log_->stats().bytes_copied;
  directory_.Crash(static_cast<CrashKind>(1 + Below(4)), random_());
  log_ = nullptr;
  dead_ = false;
}

std::string CrashRun::RecoveredText(const Recovered& recovered, Model* model) {
  model->counter = recovered.leases.epoch_counter;
  for (const lease::PairState& pair : recovered.leases.pairs) model->pairs[pair.peer] = pair;
  for (const auto& [id, known] : recovered.ranges) {
    Model::Range& range = model->ranges[id];
    range.hard_state = known.hard_state;
    range.start = known.start;
    if (known.last.index == known.start.index) continue;
    auto entries = log_->ReadEntries(id, known.start.index.Next(), known.last.index, UINT64_MAX);
    if (!entries.ok()) return entries.status().ToString();
    range.entries = *entries;
  }
  return model->Text();
}

bool CrashRun::Reopen() {
  Recovered recovered;
  for (;;) {
    // Now and then the machine dies again while it recovers.
    uint64_t left = Below(4) == 0 ? Below(12) : UINT64_MAX;
    directory_.SetHook([left](DiskOperation, const std::string&) mutable {
      if (left == 0) return absl::UnavailableError("the machine died");
      left -= left == UINT64_MAX ? 0 : 1;
      return absl::OkStatus();
    });
    auto log = SharedLog::Open(options_, &directory_, &recovered);
    directory_.SetHook(nullptr);
    if (log.ok()) {
      log_ = *std::move(log);
      break;
    }
    if (left == UINT64_MAX) {
      failure_ = log.status().ToString();
      return false;
    }
    directory_.Crash(static_cast<CrashKind>(1 + Below(4)), random_());
  }
  torn_tails_ += recovered.torn_tail_bytes != 0;
  Model model;
  const std::string text = RecoveredText(recovered, &model);
  for (size_t i = 0; i < states_.size(); ++i) {
    // A range of which nothing was ever written is unknown to a log.
    if (states_[i].text != text) continue;
    model_ = std::move(model);
    states_.clear();
    lsns_.clear();
    Note(0);
    return true;
  }
  failure_ = absl::StrCat("recovered:\n", text, "\n\nnewest durable:\n", states_.front().text,
                          "\n\nnewest of ", states_.size(), ":\n", states_.back().text);
  return false;
}

}  // namespace rasputin::consensus::log
