// Mutants 29, 40 and 41: each breaks one rule of the log, and the log's own tests notice.
//
// Compiled with RASPUTIN_MUTANTS from the log's sources; what ships has no mutants.

#include <gtest/gtest.h>

#include <cstdio>

#include "absl/strings/cord.h"
#include "consensus/log/crash_run.h"

#ifndef RASPUTIN_MUTANTS
#error "this test needs the mutants"
#endif

namespace rasputin::consensus::log {
namespace {

// The first seed whose crashes show the mutant; 0: none did.
uint64_t CaughtBySeed(Mutants mutants, std::string* how) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CrashRun run(seed, mutants);
    for (int cycle = 0; cycle < 12; ++cycle) {
      const bool recovered = run.Reopen();
      if (recovered) run.Work(30);
      *how = run.failure();
      if (!recovered || !how->empty()) return seed;
      run.Crash();
    }
  }
  return 0;
}

TEST(LogMutants, NoneIsNotCaught) {
  std::string how;
  EXPECT_EQ(CaughtBySeed(Mutants(), &how), 0u) << how;
}

TEST(LogMutants, AnAckBeforeTheSyncIsCaughtByTheModel) {
  std::string how;
  const uint64_t seed = CaughtBySeed(Mutants(29), &how);
  EXPECT_NE(seed, 0u);
  std::printf("mutant 29: seed %lu\n%s\n", seed, how.substr(0, 200).c_str());
}

TEST(LogMutants, AKeptTornTailIsCaughtByTheModel) {
  std::string how;
  const uint64_t seed = CaughtBySeed(Mutants(40), &how);
  EXPECT_NE(seed, 0u);
  std::printf("mutant 40: seed %lu\n%s\n", seed, how.substr(0, 200).c_str());
}

// What is truncated in the middle was acknowledged: the next start must not succeed.
TEST(LogMutants, CorruptionInTheMiddleIsTruncatedByMutant41Alone) {
  for (const bool mutant : {false, true}) {
    MemoryDirectory directory;
    LogOptions options;
    options.store = StoreId(7);
    options.segment_bytes = 8 << 10;
    options.reserve_bytes = 0;
    Recovered recovered;
    auto log = SharedLog::Open(options, &directory, &recovered);
    ASSERT_TRUE(log.ok());
    for (uint64_t i = 1; i <= 5; ++i) {
      RangeAppend append;
      append.range = RangeId(1);
      append.entries.push_back(
          {Term(1), Index(i), EntryType::kCommand, absl::Cord(std::string(100, 'p'))});
      (*log)->Append({append});
      std::unique_ptr<WriteJob> job = (*log)->TakeWrite();
      ASSERT_TRUE((*log)->Execute(job.get()).ok());
      (*log)->FinishWrite(std::move(job));
    }
    log->reset();
    directory.Damage("segment-0000000000000001", 400);
    if (mutant) options.mutants = Mutants(41);
    auto again = SharedLog::Open(options, &directory, &recovered);
    EXPECT_EQ(again.ok(), mutant) << again.status();
    if (mutant) {
      EXPECT_LT(recovered.ranges[RangeId(1)].last.index, Index(5));
    }
  }
}

}  // namespace
}  // namespace rasputin::consensus::log
