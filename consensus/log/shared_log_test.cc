// What a shared log promises while it runs: order of durability, reads, limits, a full disk,
// damage. Crashes: shared_log_crash_test.cc.

#include "consensus/log/shared_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "consensus/log/memory_directory.h"

namespace rasputin::consensus::log {
namespace {

class SharedLogTest : public ::testing::Test {
 protected:
  SharedLogTest() {
    options_.store = StoreId(7);
    options_.segment_bytes = 16 << 10;
    options_.reserve_bytes = 32 << 10;
    options_.cache_bytes = 1 << 10;
    options_.write_bytes_max = 8 << 10;
  }

  absl::Status Open() {
    auto log = SharedLog::Open(options_, &directory_, &recovered_);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  absl::Status Reopen() {
    log_ = nullptr;
    directory_.Crash(CrashKind::kLoseAll, 1);
    return Open();
  }

  static RangeAppend Entries(uint64_t range, uint64_t first, int count, uint64_t term = 1,
                             size_t bytes = 100) {
    RangeAppend append;
    append.range = RangeId(range);
    for (int i = 0; i < count; ++i) {
      append.entries.push_back({Term(term), Index(first + i), EntryType::kCommand,
                                absl::Cord(Payload(range, first + i, bytes))});
    }
    return append;
  }
  static std::string Payload(uint64_t range, uint64_t index, size_t bytes = 100) {
    std::string payload = absl::StrCat(range, "/", index, " ");
    payload.resize(std::max(bytes, payload.size()), '.');
    return payload;
  }
  static RangeAppend State(uint64_t range, uint64_t term) {
    RangeAppend append;
    append.range = RangeId(range);
    append.hard_state = HardState();
    append.hard_state->term = Term(term);
    return append;
  }

  absl::Status WriteOnce() {
    std::unique_ptr<WriteJob> job = log_->TakeWrite();
    if (job == nullptr) return absl::NotFoundError("nothing to write");
    if (absl::Status status = log_->Execute(job.get()); !status.ok()) return status;
    log_->FinishWrite(std::move(job));
    return absl::OkStatus();
  }
  void WriteAll() {
    while (log_->HasPending()) ASSERT_TRUE(WriteOnce().ok());
  }
  std::vector<std::string> Names() { return directory_.List().value(); }
  std::string NewestSegment() {
    std::string newest;
    for (const std::string& name : Names()) {
      if (absl::StartsWith(name, "segment-")) newest = std::max(newest, name);
    }
    return newest;
  }
  int Segments() {
    int segments = 0;
    for (const std::string& name : Names()) {
      segments += absl::StartsWith(name, "segment-");
    }
    return segments;
  }

  LogOptions options_;
  MemoryDirectory directory_;
  Recovered recovered_;
  std::unique_ptr<SharedLog> log_;
};

TEST_F(SharedLogTest, ANewLogIsEmptyAndSaysSo) {
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(recovered_.created);
  EXPECT_TRUE(recovered_.ranges.empty());
  EXPECT_FALSE(recovered_.leases.was_member);
  EXPECT_FALSE(log_->HasPending());
  EXPECT_EQ(log_->TakeWrite(), nullptr);
  EXPECT_FALSE(log_->OutOfSpace());
  EXPECT_TRUE((log_->Last(RangeId(1)) == LogPosition()));
  ASSERT_TRUE(Reopen().ok());
  EXPECT_FALSE(recovered_.created);
}

TEST_F(SharedLogTest, NothingIsDurableBeforeItsJobIsFinished) {
  ASSERT_TRUE(Open().ok());
  const Lsn first = log_->Append({Entries(1, 1, 2)});
  EXPECT_LT(log_->durable(), first);
  std::unique_ptr<WriteJob> job = log_->TakeWrite();
  ASSERT_NE(job, nullptr);
  const Lsn second = log_->Append({Entries(2, 1, 1), Entries(1, 3, 1)});
  EXPECT_LT(first, second);
  EXPECT_EQ(log_->TakeWrite(), nullptr) << "never two jobs at once";
  ASSERT_TRUE(log_->Execute(job.get()).ok());
  EXPECT_LT(log_->durable(), first);
  EXPECT_EQ(log_->FinishWrite(std::move(job)), first);
  EXPECT_TRUE(log_->HasPending());
  ASSERT_TRUE(WriteOnce().ok());
  EXPECT_EQ(log_->durable(), second);
}

TEST_F(SharedLogTest, OneJobAndOneSyncCarryEverythingQueued) {
  ASSERT_TRUE(Open().ok());
  const uint64_t syncs = log_->stats().syncs;
  for (uint64_t range = 1; range <= 20; ++range) log_->Append({Entries(range, 1, 1)});
  const Lsn last = log_->AppendDiskProbe();
  ASSERT_TRUE(WriteOnce().ok());
  EXPECT_EQ(log_->durable(), last);
  EXPECT_EQ(log_->stats().syncs, syncs + 1);
}

TEST_F(SharedLogTest, AnAppendBeyondTheLimitOfAJobIsDurableWithItsLastJob) {
  ASSERT_TRUE(Open().ok());
  const Lsn lsn = log_->Append({Entries(1, 1, 10, 1, 3000)});
  int jobs = 0;
  while (log_->HasPending()) {
    EXPECT_LT(log_->durable(), lsn);
    ASSERT_TRUE(WriteOnce().ok());
    ++jobs;
  }
  EXPECT_GT(jobs, 3);
  EXPECT_EQ(log_->durable(), lsn);
}

TEST_F(SharedLogTest, AnEntryLargerThanASegmentIsKept) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 3, 1, 50000)});
  WriteAll();
  ASSERT_TRUE(Reopen().ok());
  auto entries = log_->ReadEntries(RangeId(1), Index(1), Index(3), UINT64_MAX);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ((*entries)[2].payload, Payload(1, 3, 50000));
}

TEST_F(SharedLogTest, EntriesAreReadFromMemoryAndFromDiskAlike) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 50; ++i) {
    log_->Append({Entries(1, i, 1), Entries(2, i, 1)});
    if (i % 3 == 0) WriteAll();
  }
  for (const uint64_t range : {1u, 2u}) {
    auto entries = log_->ReadEntries(RangeId(range), Index(1), Index(50), UINT64_MAX);
    ASSERT_TRUE(entries.ok()) << entries.status();
    ASSERT_EQ(entries->size(), 50u);
    for (uint64_t i = 1; i <= 50; ++i) {
      EXPECT_EQ((*entries)[i - 1].index, Index(i));
      EXPECT_EQ((*entries)[i - 1].payload, Payload(range, i));
    }
  }
}

TEST_F(SharedLogTest, ReadsKeepTheirLimitsButGiveAtLeastOneEntry) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 10)});
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(3), Index(10), 250)->size(), 2u);
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(3), Index(10), 0)->size(), 1u);
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(3), Index(4), 9999)->size(), 2u);
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(9), Index(99), 9999)->size(), 2u);
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(11), Index(11), 1).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(log_->ReadEntries(RangeId(2), Index(1), Index(1), 1).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(SharedLogTest, TheCacheIsBoundedOnceEntriesAreWritten) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 60; ++i) log_->Append({Entries(1, i, 1)});
  EXPECT_GT(log_->stats().cache_bytes, options_.cache_bytes) << "unwritten entries must be held";
  WriteAll();
  EXPECT_LE(log_->stats().cache_bytes, options_.cache_bytes);
}

TEST_F(SharedLogTest, LaterEntriesReplaceEarlierOnes) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 5, 1)});
  WriteAll();
  log_->Append({Entries(1, 3, 1, 2)});
  EXPECT_TRUE((log_->Last(RangeId(1)) == LogPosition{Term(2), Index(3)}));
  EXPECT_EQ(log_->TermAt(RangeId(1), Index(2)), Term(1));
  WriteAll();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_TRUE((recovered_.ranges[RangeId(1)].last == LogPosition{Term(2), Index(3)}));
}

// Entries behind a snapshot's position survive only if they continue that very history.
TEST_F(SharedLogTest, ALogStartOfAnotherTermVoidsWhatIsBehindIt) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 9, 1), Entries(2, 1, 9, 1)});
  RangeAppend same;
  same.range = RangeId(1);
  same.log_start = LogPosition{Term(1), Index(4)};
  RangeAppend other;
  other.range = RangeId(2);
  other.log_start = LogPosition{Term(2), Index(4)};
  log_->Append({same, other});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(log_->Start(RangeId(1)).index, Index(4));
    EXPECT_EQ(log_->Last(RangeId(1)).index, Index(9));
    EXPECT_TRUE((log_->Last(RangeId(2)) == LogPosition{Term(2), Index(4)}));
    WriteAll();
    ASSERT_TRUE(Reopen().ok());
  }
}

TEST_F(SharedLogTest, ARemovedRangeIsUnknownAndMayBeginAnew) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 5), State(1, 9)});
  RangeAppend removal;
  removal.range = RangeId(1);
  removal.removed = true;
  log_->Append({removal});
  WriteAll();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(recovered_.ranges.count(RangeId(1)), 0u);
  log_->Append({Entries(1, 1, 2, 3)});
  WriteAll();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_TRUE((recovered_.ranges[RangeId(1)].last == LogPosition{Term(3), Index(2)}));
  EXPECT_EQ(recovered_.ranges[RangeId(1)].hard_state.term, Term(0));
}

TEST_F(SharedLogTest, LeasesAndCounterComeBackAsLastWritten) {
  ASSERT_TRUE(Open().ok());
  lease::PairState pair;
  pair.peer = StoreId(3);
  pair.own_epoch = Epoch(4);
  log_->AppendLeases({pair}, Epoch(10));
  pair.own_epoch = Epoch(5);
  log_->AppendLeases({pair}, Epoch());
  WriteAll();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(recovered_.leases.epoch_counter, Epoch(10));
  ASSERT_EQ(recovered_.leases.pairs.size(), 1u);
  EXPECT_EQ(recovered_.leases.pairs[0], pair);
  EXPECT_TRUE(recovered_.leases.was_member);
}

TEST_F(SharedLogTest, ACutAloneAsksForNoWrite) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 5)});
  WriteAll();
  log_->Cut(RangeId(1), Index(3));
  EXPECT_FALSE(log_->HasPending());
  EXPECT_EQ(log_->TakeWrite(), nullptr);
  EXPECT_EQ(log_->Start(RangeId(1)).index, Index(3));
  log_->AppendDiskProbe();
  WriteAll();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(recovered_.ranges[RangeId(1)].start.index, Index(3));
  EXPECT_EQ(recovered_.ranges[RangeId(1)].last.index, Index(5));
}

TEST_F(SharedLogTest, WhereALogOfSoManyBytesWouldBeginIsFound) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 10, 1, 100)});
  log_->Cut(RangeId(1), Index(2));
  EXPECT_EQ(log_->KeepingBytes(RangeId(1), Index(10), 0), Index(10));
  EXPECT_EQ(log_->KeepingBytes(RangeId(1), Index(10), 3 * 100), Index(8))
      << "each costs a bit more";
  EXPECT_EQ(log_->KeepingBytes(RangeId(1), Index(8), 3 * 150), Index(5));
  EXPECT_EQ(log_->KeepingBytes(RangeId(1), Index(10), 1 << 20), Index(2));
  EXPECT_EQ(log_->KeepingBytes(RangeId(1), Index(2), 1 << 20), Index(2));
}

TEST_F(SharedLogTest, SegmentsOfALogThatIsCutAreReusedForEver) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 2000; ++i) {
    log_->Append({Entries(1, i, 1, 1, 500)});
    WriteAll();
    if (i > 10) log_->Cut(RangeId(1), Index(i - 10));
  }
  EXPECT_LE(Segments(), 5);
  EXPECT_GT(log_->stats().segments_recycled, 50u);
  EXPECT_LT(directory_.stats().creates, 12u) << "old files must serve again";
}

// A range that lags keeps its entries, and nobody else's space.
TEST_F(SharedLogTest, EntriesOfALaggingRangeAreCopiedForward) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(2, 1, 5), State(2, 4), Entries(1, 1, 1)});
  for (uint64_t i = 2; i <= 1000; ++i) {
    log_->Append({Entries(1, i, 1, 1, 500)});
    WriteAll();
    log_->Cut(RangeId(1), Index(i - 1));
  }
  EXPECT_GT(log_->stats().bytes_copied, 0u);
  EXPECT_LE(Segments(), 6);
  for (int round = 0; round < 2; ++round) {
    auto entries = log_->ReadEntries(RangeId(2), Index(1), Index(5), UINT64_MAX);
    ASSERT_TRUE(entries.ok()) << entries.status();
    ASSERT_EQ(entries->size(), 5u);
    EXPECT_EQ((*entries)[4].payload, Payload(2, 5));
    ASSERT_TRUE(Reopen().ok());
    EXPECT_EQ(recovered_.ranges[RangeId(2)].hard_state.term, Term(4));
  }
}

// ---- A full disk.

TEST_F(SharedLogTest, AFullDiskWithNothingToBeginWithIsSaid) {
  directory_.SetCapacity(1000);
  EXPECT_EQ(Open().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(SharedLogTest, WhatWasAcceptedBeforeTheDiskFilledGoesToTheReserve) {
  ASSERT_TRUE(Open().ok());
  directory_.SetCapacity(3 * options_.segment_bytes);  // What there is now, and no more.
  uint64_t index = 0;
  while (!log_->OutOfSpace()) {
    log_->Append({Entries(1, ++index, 1, 1, 1000)});
    ASSERT_TRUE(WriteOnce().ok());
  }
  // Proposals are refused from here on; hard state and leases go on for long.
  lease::PairState pair;
  pair.peer = StoreId(3);
  for (uint64_t i = 1; i <= 100; ++i) {
    pair.own_epoch = Epoch(i);
    log_->AppendLeases({pair}, Epoch(i));
    log_->Append({State(1, i)});
    ASSERT_TRUE(WriteOnce().ok()) << i;
  }
  EXPECT_TRUE(log_->OutOfSpace());
  ASSERT_TRUE(Reopen().ok());
  EXPECT_TRUE(log_->OutOfSpace());
  EXPECT_EQ(recovered_.ranges[RangeId(1)].last.index, Index(index));
  EXPECT_EQ(recovered_.ranges[RangeId(1)].hard_state.term, Term(100));
  EXPECT_EQ(recovered_.leases.epoch_counter, Epoch(100));
}

TEST_F(SharedLogTest, WhenSpaceComesBackTheReserveIsRefilledAndWritesGoOn) {
  ASSERT_TRUE(Open().ok());
  directory_.SetCapacity(3 * options_.segment_bytes);
  uint64_t index = 0;
  while (!log_->OutOfSpace()) {
    log_->Append({Entries(1, ++index, 1, 1, 1000)});
    ASSERT_TRUE(WriteOnce().ok());
  }
  directory_.SetCapacity(100 * options_.segment_bytes);
  log_->AppendDiskProbe();
  ASSERT_TRUE(WriteOnce().ok());
  EXPECT_FALSE(log_->OutOfSpace());
  log_->Append({Entries(1, ++index, 1)});
  ASSERT_TRUE(WriteOnce().ok());
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(recovered_.ranges[RangeId(1)].last.index, Index(index));
}

TEST_F(SharedLogTest, CuttingTheLogEndsAFullDiskToo) {
  ASSERT_TRUE(Open().ok());
  directory_.SetCapacity(3 * options_.segment_bytes);
  uint64_t index = 0;
  while (!log_->OutOfSpace()) {
    log_->Append({Entries(1, ++index, 1, 1, 1000)});
    ASSERT_TRUE(WriteOnce().ok());
  }
  log_->Cut(RangeId(1), Index(index));
  for (int i = 0; i < 400 && log_->OutOfSpace(); ++i) {
    log_->AppendDiskProbe();
    ASSERT_TRUE(WriteOnce().ok());
  }
  EXPECT_FALSE(log_->OutOfSpace());
}

TEST_F(SharedLogTest, AJobThatFoundNoSpaceAtAllIsExecutedAgainLater) {
  ASSERT_TRUE(Open().ok());
  directory_.SetCapacity(0);
  uint64_t index = 0;
  std::unique_ptr<WriteJob> job;
  Lsn lsn;
  for (absl::Status status; status.ok();) {
    lsn = log_->Append({Entries(1, ++index, 1, 1, 3000)});
    job = log_->TakeWrite();
    status = log_->Execute(job.get());
    if (status.ok()) {
      log_->FinishWrite(std::move(job));
      continue;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(log_->Execute(job.get()).code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_TRUE(log_->OutOfSpace());
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(1), Index(index), UINT64_MAX)->size(), index);
  directory_.SetCapacity(1 << 20);
  ASSERT_TRUE(log_->Execute(job.get()).ok());
  EXPECT_EQ(log_->FinishWrite(std::move(job)), lsn);
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(recovered_.ranges[RangeId(1)].last.index, Index(index));
}

// ---- Faults of the disk.

// [H-18]
TEST_F(SharedLogTest, AFailedSyncIsNeverTriedAgain) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 1)});
  std::unique_ptr<WriteJob> job = log_->TakeWrite();
  for (const absl::Status& error :
       {absl::InternalError("EIO"), absl::ResourceExhaustedError("ENOSPC")}) {
    directory_.SetHook([error](DiskOperation operation, const std::string&) {
      return operation == DiskOperation::kSync ? error : absl::OkStatus();
    });
    EXPECT_EQ(log_->Execute(job.get()).code(), absl::StatusCode::kInternal);
  }
  directory_.SetHook(nullptr);
  EXPECT_EQ(log_->Execute(job.get()).code(), absl::StatusCode::kInternal);
}

TEST_F(SharedLogTest, DamageBelowTheSyncedPartIsReportedWithFileAndOffset) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 5; ++i) {
    log_->Append({Entries(1, i, 1)});
    WriteAll();
  }
  directory_.Damage("segment-0000000000000001", 300);
  const absl::Status status = Reopen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(status.message(), "segment-0000000000000001 at offset ")) << status;
}

// [H-18] The newest write has nothing behind it that bears witness.
TEST_F(SharedLogTest, AFlippedBitOfTheNewestFrameIsNoTornTail) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 3)});
  WriteAll();
  log_ = nullptr;
  const std::string name = NewestSegment();
  const std::string bytes = *directory_.ReadFile(name);
  const size_t end = bytes.find_last_not_of('\0');
  ASSERT_NE(end, std::string::npos);
  for (const size_t back : {size_t{0}, size_t{1}, size_t{50}}) {
    std::unique_ptr<MemoryDirectory> copy = directory_.Clone();
    copy->Damage(name, end - back, 0x20);
    const absl::Status status = SharedLog::Open(options_, copy.get(), &recovered_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << back;
    EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("offset ", end - back, ":")))
        << status;
  }
}

TEST_F(SharedLogTest, ASegmentThatWasCutShortIsDamagedWhereverItEnds) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 20; ++i) {
    log_->Append({Entries(1, i, 1, 1, 1000)});
    WriteAll();
  }
  log_ = nullptr;
  for (const std::string& name : Names()) {
    if (!absl::StartsWith(name, "segment-")) continue;
    const std::string bytes = *directory_.ReadFile(name);
    for (const size_t kept : {size_t{0}, size_t{10}, size_t{64}, bytes.size() - 1}) {
      std::unique_ptr<MemoryDirectory> copy = directory_.Clone();
      ASSERT_TRUE(copy->ReplaceFile(name, bytes.substr(0, kept)).ok());
      EXPECT_EQ(SharedLog::Open(options_, copy.get(), &recovered_).status().code(),
                absl::StatusCode::kDataLoss)
          << name << " " << kept;
    }
  }
}

// A power loss leaves a next segment without a header: its size must not speak against it.
TEST_F(SharedLogTest, SegmentsOfAnotherSizeNeverBecomeSpares) {
  ASSERT_TRUE(Open().ok());
  uint64_t index = 0;
  const auto append = [&](bool release) {
    RangeAppend entries = Entries(1, ++index, 1, 1, 1000);
    if (release) entries.log_start = LogPosition{Term(1), Index(index - 1)};
    log_->Append({entries});
    WriteAll();
  };
  for (int i = 0; i < 60; ++i) append(false);
  log_ = nullptr;
  options_.segment_bytes = 32 << 10;
  ASSERT_TRUE(Open().ok());
  const int before = Segments();
  for (int i = 0; i < 60; ++i) {
    append(true);
    for (const std::string& name : Names()) {
      if (!absl::StartsWith(name, "spare-")) continue;
      EXPECT_EQ(directory_.ReadFile(name)->size(), options_.segment_bytes) << name;
    }
  }
  EXPECT_LT(Segments(), before) << "nothing was given back";
}

TEST_F(SharedLogTest, DamageInAnyFullSegmentIsSeen) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 60; ++i) {
    log_->Append({Entries(1, i, 1, 1, 1000)});
    WriteAll();
  }
  log_ = nullptr;
  ASSERT_GE(Segments(), 4);
  const std::string newest = NewestSegment();
  for (const std::string& name : Names()) {
    if (!absl::StartsWith(name, "segment-") || name == newest) continue;
    for (const uint64_t offset : {30u, 70u, 120u, 1500u, 9000u}) {
      std::unique_ptr<MemoryDirectory> copy = directory_.Clone();
      copy->Damage(name, offset);
      EXPECT_EQ(SharedLog::Open(options_, copy.get(), &recovered_).status().code(),
                absl::StatusCode::kDataLoss)
          << name << " " << offset;
    }
    std::unique_ptr<MemoryDirectory> copy = directory_.Clone();
    ASSERT_TRUE(copy->Remove(name).ok());
    if (name == "segment-0000000000000001") continue;  // Its absence shows in the entries below.
    EXPECT_EQ(SharedLog::Open(options_, copy.get(), &recovered_).status().code(),
              absl::StatusCode::kDataLoss)
        << name;
  }
  std::unique_ptr<MemoryDirectory> copy = directory_.Clone();
  ASSERT_TRUE(copy->Remove("segment-0000000000000001").ok());
  EXPECT_EQ(SharedLog::Open(options_, copy.get(), &recovered_).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(SharedLogTest, LostAndMisdirectedWritesAreCorruptionAtTheNextStart) {
  for (const bool lost : {true, false}) {
    MemoryDirectory directory;
    auto log = SharedLog::Open(options_, &directory, &recovered_);
    ASSERT_TRUE(log.ok());
    for (uint64_t i = 1; i <= 4; ++i) {
      if (i == 3 && lost) directory.LoseNextWrite();
      if (i == 3 && !lost) directory.MisdirectNextWrite(2048);
      (*log)->Append({Entries(1, i, 1)});
      auto job = (*log)->TakeWrite();
      ASSERT_TRUE((*log)->Execute(job.get()).ok());
      (*log)->FinishWrite(std::move(job));
    }
    EXPECT_EQ(SharedLog::Open(options_, &directory, &recovered_).status().code(),
              absl::StatusCode::kDataLoss)
        << lost;
  }
}

TEST_F(SharedLogTest, AnEntryDamagedOnDiskIsNotHandedOut) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 30; ++i) log_->Append({Entries(1, i, 1)});
  WriteAll();
  directory_.Damage("segment-0000000000000001", 400);
  EXPECT_EQ(log_->ReadEntries(RangeId(1), Index(1), Index(30), UINT64_MAX).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(SharedLogTest, AnotherStoresLogIsRefused) {
  ASSERT_TRUE(Open().ok());
  options_.store = StoreId(8);
  EXPECT_EQ(Reopen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SharedLogTest, GapsAreRefusedAtOnce) {
  ASSERT_TRUE(Open().ok());
  log_->Append({Entries(1, 1, 2)});
  EXPECT_DEATH(log_->Append({Entries(1, 4, 1)}), "gap before the entry");
  EXPECT_DEATH(log_->Append({Entries(1, 2, 1, 0)}), "Check failed");
  EXPECT_DEATH(log_->FinishWrite(nullptr), "Check failed");
}

// Executors append, cut and read while the log writer writes; for the thread sanitizer above all.
// Payloads are short enough for cords to hold them inline: the system's Abseil is not instrumented,
// so the sanitizer does not see the reference counts of longer ones.
TEST_F(SharedLogTest, ManyThreadsMayAppendAndReadWhileOneWrites) {
  ASSERT_TRUE(Open().ok());
  constexpr uint64_t kEntries = 1000;
  std::vector<std::thread> threads;
  for (uint64_t range = 1; range <= 3; ++range) {
    threads.emplace_back([this, range] {
      for (uint64_t i = 1; i <= kEntries; ++i) {
        log_->Append({Entries(range, i, 1, 1, 10)});
        if (i > 20) log_->Cut(RangeId(range), Index(i - 20));
        const Index first(i > 20 ? i - 19 : 1);
        auto entries = log_->ReadEntries(RangeId(range), first, Index(i), UINT64_MAX);
        ASSERT_TRUE(entries.ok()) << entries.status();
        EXPECT_EQ(entries->front().payload, Payload(range, first.value(), 10));
        EXPECT_EQ(entries->back().index, Index(i));
      }
    });
  }
  std::atomic<bool> done{false};
  std::thread writer([this, &done] {
    while (!done.load() || log_->HasPending()) {
      WriteAll();
    }
  });
  for (std::thread& thread : threads) thread.join();
  done.store(true);
  writer.join();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(recovered_.ranges[RangeId(3)].last.index, Index(kEntries));
}

}  // namespace
}  // namespace rasputin::consensus::log
