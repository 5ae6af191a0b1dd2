// What other stores send, damaged: frames of both streams, and what they carry.
//
// Whatever a decoder takes, it can say again and means the same by it, however the bytes were cut;
// and the generated parser takes it as well.

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "consensus/core/configuration_codec.h"
#include "consensus/wire/frame.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/front/forward_frame.h"
#include "server/front/member_change.h"
#include "tests/fuzz/inputs.h"
#include "tests/fuzz/trial.h"

namespace rasputin::fuzz {
namespace {

namespace wire = consensus::wire;

TEST(FuzzFrames, OfReplicateMeanTheSameTwice) {
  peer::v1::ReplicateRequest scratch;
  TryInputs({"frames of Replicate", 1, 30'000, 0.05}, [&](Random* random, uint64_t,
                                                          bool* accepted) {
    const std::string bytes = AnyInput(random, &scratch);
    const absl::StatusOr<wire::Frame> frame = wire::DecodeFrame(Fragmented(random, bytes));
    ASSERT_EQ(frame.ok(), wire::DecodeFrame(absl::Cord(bytes)).ok());
    if (!frame.ok()) {
      ASSERT_EQ(frame.status().code(), absl::StatusCode::kInvalidArgument) << frame.status();
      return;
    }
    *accepted = true;
    ASSERT_TRUE(IsMessage(bytes, &scratch)) << absl::CHexEscape(bytes);
    const absl::Cord again = wire::EncodeFrame(frame->messages, frame->requests, frame->replies);
    const absl::StatusOr<wire::Frame> twice =
        wire::DecodeFrame(Fragmented(random, std::string(again)));
    ASSERT_TRUE(twice.ok()) << twice.status();
    ASSERT_EQ(wire::EncodeFrame(twice->messages, twice->requests, twice->replies), again);
    if (frame->hello.has_value()) {
      const absl::Cord hello = wire::EncodeHelloFrame(*frame->hello);
      const auto hello_again = wire::DecodeFrame(hello);
      ASSERT_TRUE(hello_again.ok() && hello_again->hello.has_value());
      ASSERT_EQ(wire::EncodeHelloFrame(*hello_again->hello), hello);
    }
    for (const wire::ForwardRequest& request : frame->requests) {
      (void)server::FromFrame(request).ok();
    }
    for (const wire::ForwardReply& reply : frame->replies) (void)server::FromFrame(reply);
  });
}

TEST(FuzzFrames, OfLeasesMeanTheSameTwice) {
  peer::v1::LeasesRequest scratch;
  TryInputs({"frames of Leases", 2, 30'000, 0.05}, [&](Random* random, uint64_t, bool* accepted) {
    const std::string bytes = AnyInput(random, &scratch);
    const absl::StatusOr<wire::LeaseFrame> frame =
        wire::DecodeLeaseFrame(Fragmented(random, bytes));
    ASSERT_EQ(frame.ok(), wire::DecodeLeaseFrame(absl::Cord(bytes)).ok());
    if (!frame.ok()) return;
    *accepted = true;
    ASSERT_TRUE(IsMessage(bytes, &scratch)) << absl::CHexEscape(bytes);
    const absl::Cord again = wire::EncodeLeaseFrame(frame->messages);
    const absl::StatusOr<wire::LeaseFrame> twice = wire::DecodeLeaseFrame(again);
    ASSERT_TRUE(twice.ok()) << twice.status();
    ASSERT_EQ(wire::EncodeLeaseFrame(twice->messages), again);
  });
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
  TryInputs({"configurations", 3, 30'000, 0.05}, [&](Random* random, uint64_t run, bool* accepted) {
    const consensus::Configuration made = AnyConfiguration(random);
    std::string bytes(run % 2 == 0 ? consensus::EncodeConfiguration(made)
                                   : consensus::EncodeForcedConfiguration(made));
    if ((*random)() % 3 != 0) bytes = Mutated(random, std::move(bytes));
    const absl::Cord cord = Fragmented(random, bytes);
    const bool forced = consensus::IsForcedConfiguration(cord);
    const auto decoded = consensus::DecodeConfiguration(cord);
    if (!decoded.ok()) {
      ASSERT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss) << decoded.status();
      return;
    }
    *accepted = true;
    // The only encoding of what it says.
    ASSERT_EQ(forced ? consensus::EncodeForcedConfiguration(*decoded)
                     : consensus::EncodeConfiguration(*decoded),
              bytes);
  });
}

TEST(FuzzMemberChanges, MeanTheSameTwice) {
  peer::v1::ReplicaChange scratch;
  TryInputs({"changes of members", 4, 30'000, 0.05}, [&](Random* random, uint64_t, bool* accepted) {
    const std::string bytes = AnyInput(random, &scratch);
    const auto change = server::DecodeReplicaChange(Fragmented(random, bytes));
    if (!change.has_value()) return;
    *accepted = true;
    const absl::Cord again = server::EncodeReplicaChange(*change);
    const auto twice = server::DecodeReplicaChange(again);
    ASSERT_TRUE(twice.has_value());
    ASSERT_EQ(server::EncodeReplicaChange(*twice), again);
  });
}

}  // namespace
}  // namespace rasputin::fuzz
