// What other stores send, damaged: frames of both streams, and what they carry.
//
// Whatever a decoder takes, it can say again and means the same by it, however the bytes were cut;
// and the generated parser takes it as well.

#include <gtest/gtest.h>

#include <cstdio>

#include "absl/strings/escaping.h"
#include "consensus/core/configuration_codec.h"
#include "consensus/wire/frame.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/front/forward_frame.h"
#include "server/front/member_change.h"
#include "tests/fuzz/inputs.h"

namespace rasputin::fuzz {
namespace {

namespace wire = consensus::wire;

constexpr uint64_t kUsualRuns = 30'000;

void Report(const char* what, uint64_t inputs, uint64_t accepted) {
  std::printf("%lu inputs, %s: %lu accepted\n", inputs, what, accepted);
  // Neither everything nor nothing, or the inputs are not what they should be.
  EXPECT_GT(accepted, inputs / 20) << what;
  EXPECT_LT(accepted, inputs) << what;
}

TEST(FuzzFrames, OfReplicateMeanTheSameTwice) {
  Random random(1);
  peer::v1::ReplicateRequest scratch;
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    const std::string bytes = AnyInput(&random, &scratch);
    const absl::StatusOr<wire::Frame> frame = wire::DecodeFrame(Fragmented(&random, bytes));
    ASSERT_EQ(frame.ok(), wire::DecodeFrame(absl::Cord(bytes)).ok()) << "run " << run;
    if (!frame.ok()) {
      ASSERT_EQ(frame.status().code(), absl::StatusCode::kInvalidArgument) << frame.status();
      continue;
    }
    ++accepted;
    ASSERT_TRUE(IsMessage(bytes, &scratch)) << "run " << run << ": " << absl::CHexEscape(bytes);
    const absl::Cord again = wire::EncodeFrame(frame->messages, frame->requests, frame->replies);
    const absl::StatusOr<wire::Frame> twice =
        wire::DecodeFrame(Fragmented(&random, std::string(again)));
    ASSERT_TRUE(twice.ok()) << twice.status() << " run " << run;
    ASSERT_EQ(wire::EncodeFrame(twice->messages, twice->requests, twice->replies), again)
        << "run " << run;
    if (frame->hello.has_value()) {
      const absl::Cord hello = wire::EncodeHelloFrame(*frame->hello);
      const auto hello_again = wire::DecodeFrame(hello);
      ASSERT_TRUE(hello_again.ok() && hello_again->hello.has_value()) << "run " << run;
      ASSERT_EQ(wire::EncodeHelloFrame(*hello_again->hello), hello) << "run " << run;
    }
    for (const wire::ForwardRequest& request : frame->requests) {
      (void)server::FromFrame(request).ok();
    }
    for (const wire::ForwardReply& reply : frame->replies) (void)server::FromFrame(reply);
  }
  Report("frames of Replicate", runs, accepted);
}

TEST(FuzzFrames, OfLeasesMeanTheSameTwice) {
  Random random(2);
  peer::v1::LeasesRequest scratch;
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    const std::string bytes = AnyInput(&random, &scratch);
    const absl::StatusOr<wire::LeaseFrame> frame =
        wire::DecodeLeaseFrame(Fragmented(&random, bytes));
    ASSERT_EQ(frame.ok(), wire::DecodeLeaseFrame(absl::Cord(bytes)).ok()) << "run " << run;
    if (!frame.ok()) continue;
    ++accepted;
    ASSERT_TRUE(IsMessage(bytes, &scratch)) << "run " << run << ": " << absl::CHexEscape(bytes);
    const absl::Cord again = wire::EncodeLeaseFrame(frame->messages);
    const absl::StatusOr<wire::LeaseFrame> twice = wire::DecodeLeaseFrame(again);
    ASSERT_TRUE(twice.ok()) << twice.status() << " run " << run;
    ASSERT_EQ(wire::EncodeLeaseFrame(twice->messages), again) << "run " << run;
  }
  Report("frames of Leases", runs, accepted);
}

consensus::Configuration AnyConfiguration(Random* random) {
  consensus::Configuration configuration;
  uint64_t replica = 0;
  for (auto* members : {&configuration.voters, &configuration.outgoing, &configuration.learners}) {
    replica = 0;
    for (uint64_t n = (*random)() % 4; n > 0; --n) {
      replica += 1 + (*random)() % 3;
      members->push_back({consensus::ReplicaId(replica), consensus::StoreId(1 + (*random)() % 9)});
    }
  }
  return configuration;
}

TEST(FuzzConfigurations, ThatAreTakenAreWrittenAsTheyWere) {
  Random random(3);
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    const consensus::Configuration made = AnyConfiguration(&random);
    std::string bytes(run % 2 == 0 ? consensus::EncodeConfiguration(made)
                                   : consensus::EncodeForcedConfiguration(made));
    if (random() % 3 != 0) bytes = Mutated(&random, std::move(bytes));
    const absl::Cord cord = Fragmented(&random, bytes);
    const bool forced = consensus::IsForcedConfiguration(cord);
    const auto decoded = consensus::DecodeConfiguration(cord);
    if (!decoded.ok()) {
      ASSERT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss) << decoded.status();
      continue;
    }
    ++accepted;
    // The only encoding of what it says.
    ASSERT_EQ(forced ? consensus::EncodeForcedConfiguration(*decoded)
                     : consensus::EncodeConfiguration(*decoded),
              bytes)
        << "run " << run;
  }
  Report("configurations", runs, accepted);
}

TEST(FuzzMemberChanges, MeanTheSameTwice) {
  Random random(4);
  peer::v1::ReplicaChange scratch;
  uint64_t accepted = 0;
  const uint64_t runs = Runs(kUsualRuns);
  for (uint64_t run = 0; run < runs; ++run) {
    const std::string bytes = AnyInput(&random, &scratch);
    const auto change = server::DecodeReplicaChange(Fragmented(&random, bytes));
    if (!change.has_value()) continue;
    ++accepted;
    const absl::Cord again = server::EncodeReplicaChange(*change);
    const auto twice = server::DecodeReplicaChange(again);
    ASSERT_TRUE(twice.has_value()) << "run " << run;
    ASSERT_EQ(server::EncodeReplicaChange(*twice), again) << "run " << run;
  }
  Report("changes of members", runs, accepted);
}

}  // namespace
}  // namespace rasputin::fuzz
