// The bytes of the log: the worked example of README.md, round trips, and refusal of damage.

#include "consensus/log/frame.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"

namespace rasputin::consensus::log {
namespace {

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

TEST(Crc32c, IsTheCastagnoliChecksumOfTheLiterature) {
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);  // RFC 3720, B.4 and the usual check value.
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(Crc32c(0, "1234"), "56789"), 0xe3069283u);
}

TEST(Frame, WorkedExampleOfTheReadme) {
  SegmentHeader segment;
  segment.store = StoreId(7);
  segment.sequence = 3;
  segment.previous_end = 4096;
  segment.file_bytes = 16 << 20;
  std::string bytes(kSegmentHeaderBytes, '?');
  EncodeSegmentHeader(&segment, &bytes[0]);
  EXPECT_EQ(Hex(bytes),
            "52415350554c4f47"  // RASPULOG
            "01000000"          // Format 1.
            "02070ee1"          // Checksum of the other bytes.
            "0700000000000000"  // Store 7.
            "0300000000000000"  // Segment 3.
            "00100000"          // The segment before ends at 4096.
            "00000001"          // The file has 16 MiB.
            "000000000000000000000000000000000000000000000000");

  std::string body;
  AppendEntryRecord(RangeId(258), 21, {Term(5), Index(9), EntryType::kCommand, absl::Cord("set k")},
                    &body);
  EXPECT_EQ(Hex(body),
            "0a8e24c1"          // Checksum of what follows.
            "16000000"          // Payload of 22 bytes.
            "0201000000000000"  // Range 258.
            "1500000000000000"  // Sequence 21.
            "01"                // An entry:
            "0500000000000000"  // term 5,
            "0900000000000000"  // index 9,
            "01"                // a command,
            "736574206b");      // "set k".

  FrameHeader frame;
  frame.body_bytes = static_cast<uint32_t>(body.size());
  frame.body_crc = Crc32c(0, body);
  frame.records = 1;
  frame.next_sequence = 22;
  frame.synced_segment = 2;
  frame.synced_offset = 4096;
  frame.previous_crc = segment.crc;
  bytes.assign(kFrameHeaderBytes, '?');
  EncodeFrameHeader(&frame, 3, kSegmentHeaderBytes, &bytes[0]);
  EXPECT_EQ(Hex(bytes),
            "6f6a063d"          // Checksum of segment 3, offset 64 and what follows.
            "2f000000"          // A body of 47 bytes
            "59b4c350"          // with this checksum
            "01000000"          // and one record.
            "1600000000000000"  // The next sequence is 22.
            "0200000000000000"  // Synced: all of segment 2
            "00100000"          // up to its end at 4096.
            "02070ee1");        // Chain: crc of the segment header.
}

TEST(Frame, HeadersAreRefusedAtAnyOtherPlace) {
  FrameHeader frame;
  frame.body_bytes = 100;
  frame.next_sequence = 5;
  std::string bytes(kFrameHeaderBytes, '\0');
  EncodeFrameHeader(&frame, 3, 64, &bytes[0]);
  FrameHeader read;
  EXPECT_TRUE(DecodeFrameHeader(bytes, 3, 64, &read));
  EXPECT_EQ(read.body_bytes, 100u);
  EXPECT_EQ(read.crc, frame.crc);
  EXPECT_FALSE(DecodeFrameHeader(bytes, 4, 64, &read)) << "a frame of the file's former use";
  EXPECT_FALSE(DecodeFrameHeader(bytes, 3, 72, &read)) << "a misdirected write";
  EXPECT_FALSE(DecodeFrameHeader(bytes.substr(0, kFrameHeaderBytes - 1), 3, 64, &read));
}

TEST(Frame, AnyFlippedBitOfAHeaderIsSeen) {
  SegmentHeader segment;
  segment.store = StoreId(7);
  segment.sequence = 3;
  std::string bytes(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader(&segment, &bytes[0]);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(absl::IsDataLoss(DecodeSegmentHeader(damaged).status())) << bit;
  }
}

TEST(Frame, ANewerFormatIsRefusedWithBothNumbers) {
  SegmentHeader segment;
  segment.store = StoreId(7);
  segment.sequence = 3;
  std::string bytes(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader(&segment, &bytes[0]);
  bytes[8] = 2;
  const uint32_t crc = Crc32c(Crc32c(0, bytes.substr(0, 12)), bytes.substr(16));
  for (int i = 0; i < 4; ++i) bytes[12 + i] = static_cast<char>(crc >> (8 * i));
  const absl::Status status = DecodeSegmentHeader(bytes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "log format 2, this version reads up to 1: start a newer version");
}

TEST(Record, EveryTypeComesBackAsItWas) {
  std::string bytes;
  Entry entry{Term(1), Index(2), EntryType::kConfig, absl::Cord(std::string(1000, 'p'))};
  entry.payload.Append(absl::Cord("tail"));
  HardState state{Term(1), ReplicaId(2), ReplicaId(3), StoreId(4), Term(5), Epoch(6), Term(7)};
  lease::PairState pair;
  pair.peer = StoreId(4);
  pair.own_epoch = Epoch(5);
  pair.lowest_accepted = Epoch(6);
  AppendEntryRecord(RangeId(10), 100, entry, &bytes);
  EXPECT_EQ(bytes.size(), EntryRecordBytes(1004));
  AppendHardStateRecord(RangeId(11), 101, state, &bytes);
  AppendLogStartRecord(RangeId(12), 102, {{Term(8), Index(9)}, 77}, &bytes);
  AppendRemovedRecord(RangeId(13), 103, &bytes);
  AppendLeasePairRecord(104, pair, &bytes);
  AppendEpochCounterRecord(105, Epoch(55), &bytes);
  AppendDiskProbeRecord(106, &bytes);
  EXPECT_EQ(bytes.size(), EntryRecordBytes(1004) + kHardStateRecordBytes + kLogStartRecordBytes +
                              kRemovedRecordBytes + kLeasePairRecordBytes +
                              kEpochCounterRecordBytes + kDiskProbeRecordBytes);
  std::vector<RecordView> records;
  for (absl::string_view rest = bytes; !rest.empty();) {
    RecordView record;
    ASSERT_TRUE(DecodeRecord(rest, &record));
    EXPECT_EQ(record.sequence, 100 + records.size());
    EXPECT_EQ(static_cast<size_t>(record.type), 1 + records.size());
    rest.remove_prefix(record.bytes);
    records.push_back(record);
  }
  ASSERT_EQ(records.size(), 7u);
  Entry entry_read;
  ASSERT_TRUE(DecodeEntry(records[0].payload, &entry_read));
  EXPECT_EQ(records[0].id, 10u);
  EXPECT_EQ(entry_read.term, Term(1));
  EXPECT_EQ(entry_read.index, Index(2));
  EXPECT_EQ(entry_read.type, EntryType::kConfig);
  EXPECT_EQ(entry_read.payload, entry.payload);
  HardState state_read;
  ASSERT_TRUE(DecodeHardState(records[1].payload, &state_read));
  EXPECT_EQ(state_read.term, Term(1));
  EXPECT_EQ(state_read.vote, ReplicaId(2));
  EXPECT_EQ(state_read.bound_leader, ReplicaId(3));
  EXPECT_EQ(state_read.bound_store, StoreId(4));
  EXPECT_EQ(state_read.bound_term, Term(5));
  EXPECT_EQ(state_read.bound_epoch, Epoch(6));
  EXPECT_EQ(state_read.released_term, Term(7));
  LogStartRecord start;
  ASSERT_TRUE(DecodeLogStart(records[2].payload, &start));
  EXPECT_TRUE((start.start == LogPosition{Term(8), Index(9)}));
  EXPECT_EQ(start.floor, 77u);
  lease::PairState pair_read;
  ASSERT_TRUE(DecodeLeasePair(records[4].payload, &pair_read));
  EXPECT_EQ(pair_read, pair);
  Epoch counter;
  ASSERT_TRUE(DecodeEpochCounter(records[5].payload, &counter));
  EXPECT_EQ(counter, Epoch(55));
}

TEST(Record, AnyFlippedBitOrMissingByteIsSeen) {
  std::string bytes;
  AppendEntryRecord(RangeId(1), 2, {Term(3), Index(4), EntryType::kNoop, absl::Cord()}, &bytes);
  RecordView record;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeRecord(damaged, &record)) << bit;
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeRecord(bytes.substr(0, size), &record)) << size;
  }
}

}  // namespace
}  // namespace rasputin::consensus::log
