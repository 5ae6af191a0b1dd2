// Frames: hand-written encoding against the generated parser, round trips, copies, and garbage.
//
// The generated classes are the authority: what they parse must be what was put in.

#include "consensus/wire/frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "rasputin/peer/v1/peer.pb.h"

namespace rasputin::consensus::wire {
namespace {

namespace peer = rasputin::peer::v1;

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

Entry MakeEntry(uint64_t index, EntryType type, const std::string& payload) {
  return {Term(3), Index(index), type, absl::Cord(payload)};
}

std::vector<MessageBody> AllBodies() {
  std::vector<MessageBody> bodies;
  bodies.push_back(ProbeRequest{7, {Term(1), Index(2)}});
  bodies.push_back(ProbeReply{
      7, ProbeStatus::kBound, Term(4), {Term(3), Index(9)}, Nonce(kHuge), ReplicaId(12), Term(5)});
  bodies.push_back(VoteRequest{{Term(8), Index(300)}, Nonce(77), Term(6)});
  bodies.push_back(VoteReply{true});
  AppendRequest append;
  append.previous = {Term(2), Index(128)};
  append.entries = {MakeEntry(129, EntryType::kNoop, ""),
                    MakeEntry(130, EntryType::kCommand, std::string(3, '\0')),
                    MakeEntry(131, EntryType::kConfig, std::string(100000, 'x'))};
  append.commit = Index(100);
  append.held_by_all = Index(90);
  append.epoch = Epoch(17);
  append.read_context = 1234567;
  bodies.push_back(append);
  bodies.push_back(AppendReply{true, Index(131), {Term(1), Index(1)}, Epoch(17), 9});
  bodies.push_back(PullRequest{3, {Term(2), Index(5)}});
  bodies.push_back(PullReply{3, {Term(2), Index(5)}, true, append.entries, {Term(3), Index(200)}});
  bodies.push_back(Release{Term(9), ReplicaId(2)});
  bodies.push_back(ReleaseAck{Term(9)});
  bodies.push_back(ReleaseQuery{Term(8)});
  bodies.push_back(SnapshotChunk{
      21, 300, {Term(4), Index(1000)}, 0xfedcba98, absl::Cord(std::string(600, 's')), true});
  bodies.push_back(SnapshotAck{21, 301, SnapshotStatus::kBusy});
  bodies.push_back(Removed{Generation(12), absl::Cord(std::string(90, 'a'))});
  // All fields at their defaults: the body is still told apart.
  bodies.push_back(VoteReply{});
  bodies.push_back(AppendRequest{});
  bodies.push_back(ReleaseQuery{});
  bodies.push_back(SnapshotChunk{});
  bodies.push_back(SnapshotAck{});
  bodies.push_back(Removed{});
  return bodies;
}

std::vector<Message> AllMessages() {
  std::vector<Message> messages;
  for (const MessageBody& body : AllBodies()) {
    messages.push_back({RangeId(5), Generation(6), ReplicaId(1), ReplicaId(2), StoreId(11),
                        StoreId(12), Term(kHuge - 1), body});
  }
  return messages;
}

ForwardRequest FullRequest() {
  ForwardRequest request;
  request.id = 42;
  request.hops = 2;
  request.kind = ForwardKind::kTransferLease;
  request.range = RangeId(5);
  request.generation = Generation(8);
  request.operation = 3;
  request.body = absl::Cord(std::string(2000, 'b'));
  request.request_id = ForwardRequestId{1, 2, 3, kHuge};
  request.first_key = std::string("a\0b", 3);
  request.last_key = "z";
  request.read_index = true;
  request.target = StoreId(9);
  request.time_left = std::chrono::milliseconds(1500);
  return request;
}

ForwardReply FullReply() {
  ForwardReply reply;
  reply.id = 42;
  reply.outcome = 3;
  reply.body = absl::Cord("body");
  reply.message = "try again";
  type::v1::RangeDescriptor descriptor;
  descriptor.set_range_id(4);
  descriptor.set_start_key("k");
  descriptor.add_replicas()->set_store_id(2);
  reply.descriptors = {descriptor, descriptor};
  reply.leader_store = StoreId(3);
  reply.retry_after = std::chrono::microseconds(77);
  return reply;
}

// The bytes of a message: equal bytes, as fields are put in a fixed order, mean equal values.
std::string Bytes(const Message& message) {
  return std::string(EncodeFrame(absl::MakeConstSpan(&message, 1)));
}

peer::ReplicateRequest Parse(const absl::Cord& bytes) {
  peer::ReplicateRequest parsed;
  EXPECT_TRUE(parsed.ParseFromString(std::string(bytes)));
  return parsed;
}

absl::Cord Fragmented(const std::string& bytes, size_t chunk) {
  absl::Cord cord;
  for (size_t at = 0; at < bytes.size(); at += chunk) {
    // Long chunks keep a node of their own; short ones would be merged when appended as bytes.
    auto* owned = new std::string(bytes.substr(at, chunk));
    cord.Append(absl::MakeCordFromExternal(*owned, [owned](absl::string_view) { delete owned; }));
  }
  return cord;
}

TEST(Frame, GivesBackEveryKindOfMessage) {
  const std::vector<Message> messages = AllMessages();
  const absl::Cord encoded = EncodeFrame(messages);
  const absl::StatusOr<Frame> frame = DecodeFrame(encoded);
  ASSERT_TRUE(frame.ok()) << frame.status();
  ASSERT_EQ(frame->messages.size(), messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(frame->messages[i].body.index(), messages[i].body.index());
    EXPECT_EQ(Bytes(frame->messages[i]), Bytes(messages[i])) << "message " << i;
    EXPECT_EQ(frame->messages[i].term, messages[i].term);
  }
  const auto& append = std::get<AppendRequest>(frame->messages[4].body);
  ASSERT_EQ(append.entries.size(), 3u);
  EXPECT_EQ(append.entries[2].payload, std::string(100000, 'x'));
  EXPECT_EQ(append.entries[0].type, EntryType::kNoop);
  EXPECT_EQ(append.held_by_all, Index(90));
  EXPECT_FALSE(frame->hello.has_value());
}

// protobuf itself, from the same .proto, writes the same bytes: every field has its number and
// type.
TEST(Frame, IsWhatTheGeneratedCodeReadsAndWrites) {
  for (const Message& message : AllMessages()) {
    const absl::Cord encoded = EncodeFrame(absl::MakeConstSpan(&message, 1));
    const peer::ReplicateRequest parsed = Parse(encoded);
    ASSERT_EQ(parsed.messages_size(), 1);
    EXPECT_EQ(parsed.messages(0).body_case(), static_cast<int>(16 + message.body.index()));
    EXPECT_EQ(parsed.SerializeAsString(), std::string(encoded));
    EXPECT_EQ(EncodedBytes(message), encoded.size());
  }
  const ForwardRequest request = FullRequest();
  const ForwardReply reply = FullReply();
  const absl::Cord encoded = EncodeFrame({}, {request}, {reply});
  const peer::ReplicateRequest parsed = Parse(encoded);
  EXPECT_EQ(parsed.SerializeAsString(), std::string(encoded));
  EXPECT_EQ(EncodedBytes(request) + EncodedBytes(reply), encoded.size());
  EXPECT_EQ(parsed.requests(0).time_left_us(), 1500000u);
  EXPECT_EQ(parsed.requests(0).request_id().issued_at_ms(), kHuge);
  EXPECT_EQ(parsed.replies(0).descriptors(1).replicas(0).store_id(), 2u);
}

// Field by field for the kinds that carry most, so that two swapped fields are noticed.
TEST(Frame, PutsValuesIntoTheFieldsOfTheirNames) {
  const std::vector<Message> messages = AllMessages();
  const peer::ReplicateRequest parsed = Parse(EncodeFrame(messages));
  const peer::GroupMessage& first = parsed.messages(0);
  EXPECT_EQ(first.range_id(), 5u);
  EXPECT_EQ(first.generation(), 6u);
  EXPECT_EQ(first.from_replica_id(), 1u);
  EXPECT_EQ(first.to_replica_id(), 2u);
  EXPECT_EQ(first.from_store_id(), 11u);
  EXPECT_EQ(first.to_store_id(), 12u);
  EXPECT_EQ(first.probe().last().index(), 2u);
  EXPECT_EQ(parsed.messages(1).probe_reply().bound_to_replica_id(), 12u);
  EXPECT_EQ(parsed.messages(1).probe_reply().bound_term(), 5u);
  EXPECT_EQ(parsed.messages(1).probe_reply().status(), peer::PROBE_STATUS_BOUND);
  EXPECT_EQ(parsed.messages(2).vote().released_term(), 6u);
  EXPECT_EQ(parsed.messages(4).append().commit_index(), 100u);
  EXPECT_EQ(parsed.messages(4).append().epoch(), 17u);
  EXPECT_EQ(parsed.messages(4).append().read_context(), 1234567u);
  EXPECT_EQ(parsed.messages(4).append().entries(1).payload(), std::string(3, '\0'));
  EXPECT_EQ(parsed.messages(4).append().entries(2).type(), peer::ENTRY_TYPE_CONFIG);
  EXPECT_EQ(parsed.messages(5).append_reply().match_index(), 131u);
  EXPECT_EQ(parsed.messages(5).append_reply().bound_epoch(), 17u);
  EXPECT_EQ(parsed.messages(7).pull_reply().donor_last().index(), 200u);
  EXPECT_EQ(parsed.messages(8).release().target_replica_id(), 2u);
  const peer::GroupSnapshotChunk& chunk = parsed.messages(11).snapshot_chunk();
  EXPECT_EQ(chunk.snapshot_id(), 21u);
  EXPECT_EQ(chunk.sequence(), 300u);
  EXPECT_EQ(chunk.position().index(), 1000u);
  EXPECT_EQ(chunk.crc32c(), 0xfedcba98u);
  EXPECT_EQ(chunk.data(), std::string(600, 's'));
  EXPECT_TRUE(chunk.last());
  EXPECT_EQ(parsed.messages(12).snapshot_ack().next_sequence(), 301u);
  EXPECT_EQ(parsed.messages(12).snapshot_ack().status(), peer::SNAPSHOT_STATUS_BUSY);
  EXPECT_EQ(parsed.messages(13).removed().generation(), 12u);
}

TEST(Frame, GivesBackForwardedRequestsAndReplies) {
  const absl::StatusOr<Frame> frame = DecodeFrame(EncodeFrame({}, {FullRequest()}, {FullReply()}));
  ASSERT_TRUE(frame.ok()) << frame.status();
  ASSERT_EQ(frame->requests.size(), 1u);
  const ForwardRequest& request = frame->requests[0];
  EXPECT_EQ(request.first_key, std::string("a\0b", 3));
  EXPECT_EQ(request.time_left, std::chrono::milliseconds(1500));
  EXPECT_EQ(request.request_id->sequence, 2u);
  EXPECT_EQ(std::string(EncodeFrame({}, {request})), std::string(EncodeFrame({}, {FullRequest()})));
  ASSERT_EQ(frame->replies.size(), 1u);
  EXPECT_EQ(frame->replies[0].message, "try again");
  EXPECT_EQ(frame->replies[0].descriptors.size(), 2u);
  EXPECT_EQ(std::string(EncodeFrame({}, {}, frame->replies)),
            std::string(EncodeFrame({}, {}, {FullReply()})));
}

TEST(Frame, CarriesHelloFirst) {
  Hello hello{ClusterId(9), StoreId(1), StoreId(2), kFormat, 1'700'000'000'000'000};
  hello.lease_duration = std::chrono::milliseconds(2000);
  hello.clock_rate_error_max_ppb = 10'000'000;
  hello.peer_address = "node1:7770";
  const absl::Cord encoded = EncodeHelloFrame(hello);
  EXPECT_EQ(Parse(encoded).hello().to_store_id(), 2u);
  EXPECT_EQ(Parse(encoded).hello().lease_duration_us(), 2'000'000u);
  EXPECT_EQ(Parse(encoded).SerializeAsString(), std::string(encoded));
  const absl::StatusOr<Frame> frame = DecodeFrame(encoded);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->hello->cluster, ClusterId(9));
  EXPECT_EQ(frame->hello->format, kFormat);
  EXPECT_EQ(Parse(encoded).hello().wall_us(), 1'700'000'000'000'000u);
  EXPECT_EQ(frame->hello->wall_us, 1'700'000'000'000'000u);
  EXPECT_EQ(frame->hello->lease_duration, hello.lease_duration);
  EXPECT_EQ(Parse(encoded).hello().peer_address(), "node1:7770");
  EXPECT_EQ(frame->hello->peer_address, "node1:7770");
  EXPECT_EQ(frame->hello->clock_rate_error_max_ppb, hello.clock_rate_error_max_ppb);
  EXPECT_TRUE(DecodeFrame(absl::Cord()).ok()) << "an empty frame is a frame";
}

TEST(Frame, RefersToLargePayloadsInBothDirections) {
  Message message = AllMessages()[4];
  const std::string payload(1 << 20, 'p');
  absl::Cord shared = absl::MakeCordFromExternal(payload, [] {});
  std::get<AppendRequest>(message.body).entries = {
      {Term(1), Index(1), EntryType::kCommand, shared}};
  const auto refers = [&](const absl::Cord& cord) {
    for (absl::string_view chunk : cord.Chunks()) {
      if (chunk.data() >= payload.data() && chunk.data() < payload.data() + payload.size()) {
        return true;
      }
    }
    return false;
  };
  const absl::Cord encoded = EncodeFrame({message});
  EXPECT_TRUE(refers(encoded));
  const absl::StatusOr<Frame> frame = DecodeFrame(encoded);
  ASSERT_TRUE(frame.ok());
  const Entry& entry = std::get<AppendRequest>(frame->messages[0].body).entries[0];
  EXPECT_EQ(entry.payload.size(), payload.size());
  EXPECT_TRUE(refers(entry.payload));
}

TEST(Frame, DoesNotDependOnHowItsBytesAreSpread) {
  const std::string bytes(EncodeFrame(AllMessages(), {FullRequest()}, {FullReply()}));
  for (const size_t chunk : {1, 2, 3, 7, 64, 513, 4096}) {
    const absl::StatusOr<Frame> frame = DecodeFrame(Fragmented(bytes, chunk));
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_EQ(std::string(EncodeFrame(frame->messages, frame->requests, frame->replies)), bytes);
  }
}

TEST(Frame, SkipsUnknownFieldsAndDropsUnknownMessages) {
  peer::ReplicateRequest request = Parse(EncodeFrame(AllMessages()));
  // Fields of tomorrow, of every wire type, in the frame, a message, an entry.
  peer::ReplicateRequest extended = request;
  auto* append = extended.mutable_messages(4)->mutable_append();
  for (google::protobuf::Message* message :
       {static_cast<google::protobuf::Message*>(&extended),
        static_cast<google::protobuf::Message*>(extended.mutable_messages(4)),
        static_cast<google::protobuf::Message*>(append->mutable_entries(2))}) {
    auto* unknown = message->GetReflection()->MutableUnknownFields(message);
    unknown->AddVarint(1000, kHuge);
    unknown->AddFixed32(1001, 1);
    unknown->AddFixed64(1002, 2);
    unknown->AddLengthDelimited(1003, std::string(5000, 'u'));
  }
  // A message whose body is of tomorrow.
  auto* strange = extended.add_messages();
  strange->set_range_id(1);
  strange->GetReflection()->MutableUnknownFields(strange)->AddLengthDelimited(900, "new");
  const absl::StatusOr<Frame> frame = DecodeFrame(absl::Cord(extended.SerializeAsString()));
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(std::string(EncodeFrame(frame->messages)), request.SerializeAsString());
}

TEST(Frame, RefusesAnEntryOfUnknownTypeInsteadOfLeavingAHole) {
  peer::ReplicateRequest request;
  auto* entry = request.add_messages()->mutable_append()->add_entries();
  entry->set_index(1);
  EXPECT_FALSE(DecodeFrame(absl::Cord(request.SerializeAsString())).ok());
  entry->set_type(static_cast<peer::EntryType>(4));
  EXPECT_FALSE(DecodeFrame(absl::Cord(request.SerializeAsString())).ok());
  entry->set_type(peer::ENTRY_TYPE_NOOP);
  EXPECT_TRUE(DecodeFrame(absl::Cord(request.SerializeAsString())).ok());
}

TEST(Frame, RefusesWhatIsBeyondItsLimits) {
  std::string messages;
  for (size_t i = 0; i <= kFrameElementsMax; ++i) messages += std::string("\x12\x00", 2);
  EXPECT_FALSE(DecodeFrame(absl::Cord(messages)).ok());
  messages.resize(messages.size() - 2);
  EXPECT_TRUE(DecodeFrame(absl::Cord(messages)).ok());
  absl::Cord large;
  const absl::Cord mebibyte(std::string(1 << 20, 'x'));
  while (large.size() <= kFrameBytesMax) large.Append(mebibyte);
  EXPECT_FALSE(DecodeFrame(large).ok());
}

// As the generated parser does.
TEST(Frame, RefusesTagsAndLengthsOfMoreThanFiveBytes) {
  EXPECT_TRUE(DecodeFrame(absl::Cord(std::string("\x12\x80\x80\x80\x80\0", 6))).ok());
  EXPECT_FALSE(DecodeFrame(absl::Cord(std::string("\x12\x80\x80\x80\x80\x80\0", 7))).ok());
  EXPECT_FALSE(DecodeFrame(absl::Cord(std::string("\x92\x80\x80\x80\x80\0\0", 7))).ok());
}

// Every prefix of a frame ends somewhere; none may be read past its end.
TEST(Frame, SurvivesEveryTruncation) {
  std::vector<Message> messages = AllMessages();
  std::get<AppendRequest>(messages[4].body).entries[2].payload = absl::Cord(std::string(600, 'x'));
  std::get<PullReply>(messages[7].body).entries.clear();
  const std::string bytes(EncodeFrame(messages, {FullRequest()}, {FullReply()}));
  size_t refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    refused += DecodeFrame(absl::Cord(bytes.substr(0, size))).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, bytes.size() * 9 / 10);
}

TEST(LeaseFrame, GivesBackRequestsAndReplies) {
  const std::vector<lease::LeaseMessage> messages = {
      {StoreId(1), StoreId(2), lease::SupportRequest{Epoch(5), Round(6), Nonce(kHuge)}},
      {StoreId(2), StoreId(1), lease::SupportReply{Epoch(5), Round(6), true, Epoch(4), Nonce(8)}},
      {StoreId(2), StoreId(1), lease::SupportReply{}}};
  const absl::Cord encoded = EncodeLeaseFrame(messages);
  peer::LeasesRequest parsed;
  ASSERT_TRUE(parsed.ParseFromString(std::string(encoded)));
  EXPECT_EQ(parsed.SerializeAsString(), std::string(encoded));
  EXPECT_EQ(parsed.messages(0).request().echo(), kHuge);
  EXPECT_EQ(parsed.messages(1).reply().lowest_accepted(), 4u);
  EXPECT_EQ(parsed.messages(1).reply().nonce(), 8u);
  EXPECT_TRUE(parsed.messages(1).reply().supported());
  const absl::StatusOr<LeaseFrame> frame = DecodeLeaseFrame(encoded);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(std::string(EncodeLeaseFrame(frame->messages)), std::string(encoded));
  const absl::StatusOr<LeaseFrame> hello =
      DecodeLeaseFrame(EncodeLeaseHelloFrame({ClusterId(1), StoreId(2), StoreId(3), kFormat}));
  EXPECT_EQ(hello->hello->store, StoreId(2));
}

}  // namespace
}  // namespace rasputin::consensus::wire
