// The format of log entries: the documented bytes, every field there and back, and no crash on
// garbage.

#include "kv/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"

namespace rasputin::kv {
namespace {

using ::testing::HasSubstr;

Command Sample() {
  Command command;
  command.generation = 3;
  command.version = 0x018bcfe568000001;
  command.origin = 2;
  command.origin_sequence = 300;
  command.operation = Operation::kSet;
  command.body = absl::Cord("\x12\x01k\x22\x01v");
  return command;
}

void ExpectEqual(const Command& a, const Command& b) {
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.origin, b.origin);
  EXPECT_EQ(a.origin_sequence, b.origin_sequence);
  EXPECT_EQ(a.operation, b.operation);
  EXPECT_EQ(a.body, b.body);
  ASSERT_EQ(a.session.has_value(), b.session.has_value());
  if (!a.session) return;
  EXPECT_EQ(a.session->client_id, b.session->client_id);
  EXPECT_EQ(a.session->sequence, b.session->sequence);
  EXPECT_EQ(a.session->acked_below, b.session->acked_below);
  EXPECT_EQ(a.session->issued_at_ms, b.session->issued_at_ms);
}

TEST(Command, HasTheDocumentedBytes) {
  EXPECT_EQ(absl::BytesToHexString(std::string(EncodeCommand(Sample()))),
            "01"
            "10"
            "00"
            "03"
            "818080c0d6fcf3c501"
            "02"
            "ac02"
            "12016b220176");
  Command command = Sample();
  command.session = RequestId{7, 1, 0, 5};
  EXPECT_EQ(absl::BytesToHexString(std::string(EncodeCommand(command))),
            "01"
            "10"
            "01"
            "03"
            "818080c0d6fcf3c501"
            "02"
            "ac02"
            "07010005"
            "12016b220176");
}

TEST(Command, ComesBackAsItWas) {
  Command command = Sample();
  ExpectEqual(DecodeCommand(EncodeCommand(command)).value(), command);
  command.session = RequestId{~0ull, ~0ull >> 1, 12, 1'700'000'000'000};
  command.version = ~0ull;
  for (Operation operation : {Operation::kSet, Operation::kCas, Operation::kDelete,
                              Operation::kBatch, Operation::kSplit, Operation::kMeta}) {
    command.operation = operation;
    ExpectEqual(DecodeCommand(EncodeCommand(command)).value(), command);
  }
  command.body.Clear();
  ExpectEqual(DecodeCommand(EncodeCommand(command)).value(), command);
}

TEST(Command, ReferencesALongBodyInsteadOfCopyingIt) {
  const std::string bytes(1 << 20, 'v');
  Command command = Sample();
  command.body = absl::MakeCordFromExternal(bytes, [] {});
  const absl::Cord decoded = DecodeCommand(EncodeCommand(command))->body;
  ASSERT_TRUE(decoded.TryFlat().has_value());
  EXPECT_EQ(decoded.TryFlat()->data(), bytes.data());
}

TEST(Command, OfANewerFormatIsRefusedByName) {
  std::string bytes(EncodeCommand(Sample()));
  bytes[0] = 2;
  const absl::Status status = DecodeCommand(absl::Cord(bytes)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 2"));
}

TEST(Command, WithAnUnknownOperationOrFlagIsRefused) {
  for (int position : {1, 2}) {
    std::string bytes(EncodeCommand(Sample()));
    bytes[position] = 0x7f;
    EXPECT_FALSE(DecodeCommand(absl::Cord(bytes)).ok());
  }
  for (Operation operation : {Operation::kGet, Operation::kScan, Operation::kMetaRead}) {
    std::string bytes(EncodeCommand(Sample()));
    bytes[1] = static_cast<char>(operation);
    EXPECT_FALSE(DecodeCommand(absl::Cord(bytes)).ok()) << "a read never belongs in a log";
  }
}

TEST(Command, CutShortInItsHeaderIsRefused) {
  Command command = Sample();
  command.session = RequestId{7, 1, 0, 5};
  const size_t header = EncodeCommand(command).size() - command.body.size();
  for (size_t size = 0; size < header; ++size) {
    EXPECT_FALSE(DecodeCommand(EncodeCommand(command).Subcord(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace rasputin::kv
