// Configurations as bytes: the worked example of consensus/README.md, round trips, and garbage.

#include "consensus/core/configuration_codec.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace rasputin::consensus {
namespace {

Member At(uint64_t replica, uint64_t store) { return {ReplicaId(replica), StoreId(store)}; }

Configuration Joint() {
  Configuration joint;
  joint.voters = {At(1, 11), At(4, UINT64_MAX)};
  joint.outgoing = {At(1, 11), At(2, 12), At(3, 13)};
  joint.learners = {At(7, 17)};
  return joint;
}

TEST(ConfigurationCodec, WritesTheBytesOfTheWorkedExample) {
  Configuration configuration;
  configuration.voters = {At(1, 0x0102)};
  configuration.learners = {At(5, 3)};
  const std::string expected(
      "\x01"
      "\0\0\0\x01"
      "\0\0\0\0"
      "\0\0\0\x01"
      "\0\0\0\0\0\0\0\x01"
      "\0\0\0\0\0\0\x01\x02"
      "\0\0\0\0\0\0\0\x05"
      "\0\0\0\0\0\0\0\x03",
      45);
  EXPECT_EQ(std::string(EncodeConfiguration(configuration)), expected);
}

TEST(ConfigurationCodec, GivesBackEveryList) {
  const auto decoded = DecodeConfiguration(EncodeConfiguration(Joint()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(*decoded == Joint()) << ToString(*decoded);
}

TEST(ConfigurationCodec, MarksWhatWasForcedAndGivesBackTheSame) {
  const absl::Cord forced = EncodeForcedConfiguration(Joint());
  EXPECT_TRUE(IsForcedConfiguration(forced));
  EXPECT_FALSE(IsForcedConfiguration(EncodeConfiguration(Joint())));
  EXPECT_FALSE(IsForcedConfiguration(absl::Cord()));
  const auto decoded = DecodeConfiguration(forced);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(*decoded == Joint()) << ToString(*decoded);
}

TEST(ConfigurationCodec, RefusesWhatIsCutOrTooLong) {
  const std::string bytes(EncodeConfiguration(Joint()));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeConfiguration(absl::Cord(bytes.substr(0, size))).ok()) << size;
  }
  EXPECT_FALSE(DecodeConfiguration(absl::Cord(bytes + "x")).ok());
}

TEST(ConfigurationCodec, RefusesAnotherFormatUnsortedListsAndUnsetIds) {
  std::string bytes(EncodeConfiguration(Joint()));
  bytes[0] = 3;
  EXPECT_FALSE(DecodeConfiguration(absl::Cord(bytes)).ok());
  const std::vector<std::vector<Member>> lists = {
      {}, {At(2, 1), At(1, 2)}, {At(2, 1), At(2, 2)}, {At(0, 1)}, {At(1, 0)}};
  for (const std::vector<Member>& voters : lists) {
    Configuration configuration;
    configuration.voters = voters;
    EXPECT_FALSE(DecodeConfiguration(EncodeConfiguration(configuration)).ok())
        << ToString(configuration);
  }
}

TEST(ConfigurationCodec, RefusesCountsBeyondTheLimitBeforeItReadsMembers) {
  Configuration configuration;
  for (uint64_t i = 1; i <= kConfigurationMembersMax + 1; ++i) {
    configuration.voters.push_back(At(i, i));
  }
  EXPECT_FALSE(DecodeConfiguration(EncodeConfiguration(configuration)).ok());
  configuration.voters.pop_back();
  EXPECT_TRUE(DecodeConfiguration(EncodeConfiguration(configuration)).ok());
}

}  // namespace
}  // namespace rasputin::consensus
