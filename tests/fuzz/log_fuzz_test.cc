// Mutated segments, deterministically: decoders survive any bytes and invent no record.
//
// Checksums of mutated parts are now and then made right again, so that mutations reach what lies
// behind them.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "consensus/log/frame.h"
#include "consensus/log/fuzz_input.h"
#include "tests/fuzz/inputs.h"
#include "tests/fuzz/trial.h"

namespace rasputin::consensus::log {
namespace {

using fuzz::Mutated;
using fuzz::Random;

// Segment 5 of store 7 with a few frames of all types; notes where frames begin.
std::string MakeSegment(Random* random, std::vector<uint64_t>* frames, int* records) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  SegmentHeader header;
  header.store = StoreId(7);
  header.sequence = 5;
  EncodeSegmentHeader(&header, &bytes[0]);
  uint32_t chain = header.crc;
  uint64_t sequence = 1;
  *records = 0;
  for (uint64_t n = 1 + (*random)() % 4; n > 0; --n) {
    std::string body;
    FrameHeader frame;
    for (uint64_t i = (*random)() % 5; i > 0; --i) {
      const RangeId range(1 + (*random)() % 3);
      switch ((*random)() % 5) {
        case 0:
          AppendHardStateRecord(range, sequence++, HardState(), &body);
          break;
        case 1:
          AppendLogStartRecord(range, sequence++, {{Term(1), Index(1)}, 0}, &body);
          break;
        case 2:
          AppendLeasePairRecord(sequence++, lease::PairState(), &body);
          break;
        default:
          AppendEntryRecord(range, sequence++,
                            {Term(1), Index(sequence), EntryType::kCommand,
                             absl::Cord(std::string((*random)() % 100, 'p'))},
                            &body);
      }
      frame.records += 1;
    }
    *records += static_cast<int>(frame.records);
    frame.body_bytes = static_cast<uint32_t>(body.size());
    frame.body_crc = Crc32c(0, body);
    frame.next_sequence = sequence;
    frame.synced_segment = 5;
    frame.synced_offset = static_cast<uint32_t>(bytes.size());
    frame.previous_crc = chain;
    std::string head(kFrameHeaderBytes, '\0');
    EncodeFrameHeader(&frame, 5, bytes.size(), &head[0]);
    chain = frame.crc;
    frames->push_back(bytes.size());
    bytes += head + body;
    bytes.resize(AlignFrame(bytes.size()));
  }
  bytes.resize(bytes.size() + (*random)() % 200);
  return bytes;
}

// Makes the header of a frame (and its body, as far as it is there) look whole again.
void Forge(uint64_t at, std::string* bytes) {
  if (bytes->size() < at + kFrameHeaderBytes) return;
  auto put = [&](uint64_t where, uint32_t value) {
    for (int i = 0; i < 4; ++i) (*bytes)[where + i] = static_cast<char>(value >> (8 * i));
  };
  uint32_t body_bytes = 0;
  for (int i = 3; i >= 0; --i) {
    body_bytes = body_bytes << 8 | static_cast<uint8_t>((*bytes)[at + 4 + i]);
  }
  put(at + 8, Crc32c(0, absl::string_view(*bytes).substr(at + kFrameHeaderBytes, body_bytes)));
  std::string place(16, '\0');
  place[0] = 5;
  for (int i = 0; i < 8; ++i) place[8 + i] = static_cast<char>(at >> (8 * i));
  put(at,
      Crc32c(Crc32c(0, place), absl::string_view(*bytes).substr(at + 4, kFrameHeaderBytes - 4)));
}

TEST(FuzzLog, MutatedSegmentsAreSurvivedAndInventNoRecord) {
  uint64_t found = 0, lost = 0;
  const fuzz::TrialOptions options{"segments (accepted: with a record)", 1, 300'000, 0.05};
  fuzz::TryInputs(options, [&](Random* random, uint64_t run, bool* accepted) {
    std::vector<uint64_t> frames;
    int records = 0;
    std::string bytes = MakeSegment(random, &frames, &records);
    if (run % 16 == 0) {
      ASSERT_EQ(DecodeAnything(bytes), records);
    }
    bytes = Mutated(random, std::move(bytes));
    const bool forge = (*random)() % 3 == 0;
    if (forge) Forge(frames[(*random)() % frames.size()], &bytes);
    const int decoded = DecodeAnything(bytes);
    if (!forge) {
      ASSERT_LE(decoded, records);
    }
    *accepted = decoded > 0;
    found += static_cast<uint64_t>(decoded);
    lost += static_cast<uint64_t>(records - std::min(records, decoded));
  });
  EXPECT_GT(found, 0u);
  EXPECT_GT(lost, 0u);
}

}  // namespace
}  // namespace rasputin::consensus::log
