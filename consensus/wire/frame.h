// What travels between stores, as plain values, and its encoding as the protobuf messages of
// api/rasputin/peer/v1/peer.proto.
//
// Encoded and decoded by hand, so that payloads are passed by reference and never copied when they
// are large. Not responsible for streams, versions or authentication (server/peer). Pure functions;
// thread-safe.
//
// Decoding takes anything: what is malformed or beyond a limit is an InvalidArgument error; unknown
// fields are skipped, and messages of an unknown kind dropped, as if they had been lost.

#ifndef RASPUTIN_CONSENSUS_WIRE_FRAME_H_
#define RASPUTIN_CONSENSUS_WIRE_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "consensus/core/message.h"
#include "consensus/core/types.h"
#include "consensus/lease/message.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::consensus::wire {

// Format of the frames, carried by Hello.
inline constexpr uint32_t kFormat = 1;
// Limits of one frame; a sender that has more splits (see EncodedBytes).
inline constexpr size_t kFrameBytesMax = size_t{64} << 20;
inline constexpr size_t kFrameElementsMax = 131072;  // Messages, requests and replies together.
inline constexpr size_t kFrameEntriesMax = size_t{1} << 20;  // Log entries, over all messages.
inline constexpr size_t kLeaseMessagesMax = 4096;
// Byte strings up to this size are copied into the frame's flat parts, larger ones referenced.
inline constexpr size_t kCopiedBytesMax = 512;

// First on each stream; in each frame of a lease stream, for the clock.
struct Hello {
  ClusterId cluster;
  StoreId store;
  StoreId to_store;
  uint32_t format = kFormat;
  // The sender's wall clock, microseconds since the Unix epoch; 0: not said. Decoded as any number.
  uint64_t wall_us = 0;
  Duration lease_duration{};              // Sent in whole microseconds, rounded down.
  uint64_t clock_rate_error_max_ppb = 0;  // Parts per 10^9.
  std::string peer_address{};             // Valid UTF-8; empty: not said.
};

// As peer.v1.ForwardKind.
enum class ForwardKind : uint8_t {
  kRange = 1,
  kDescribeRange = 2,
  kTransferLease = 3,
  kStoreStatus = 4,
  kChangeReplicas = 5,
  kStoreLoad = 6,
  kPlan = 7,
};

struct ForwardRequestId {
  uint64_t client_id = 0;
  uint64_t sequence = 0;
  uint64_t acked_below = 0;
  uint64_t issued_at_ms = 0;
};

// A client's request on its way to the leader; numbers as in kv/command.h and server/front.
struct ForwardRequest {
  uint64_t id = 0;
  uint32_t hops = 0;
  ForwardKind kind = ForwardKind::kRange;
  RangeId range;
  Generation generation;
  uint32_t operation = 0;
  absl::Cord body;
  std::optional<ForwardRequestId> request_id;
  std::string first_key;
  std::string last_key;
  bool read_index = false;
  StoreId target;
  Duration time_left{};  // Sent in whole microseconds, rounded down; negative: 0.
};

struct ForwardReply {
  uint64_t id = 0;
  uint32_t outcome = 0;  // Numbered as in range/request.h.
  absl::Cord body;
  std::string message;  // Valid UTF-8, or the generated parser refuses it (this one does not look).
  std::vector<type::v1::RangeDescriptor> descriptors;
  StoreId leader_store;
  Duration retry_after{};  // As ForwardRequest::time_left.
};

// A decoded frame of PeerService.Replicate.
struct Frame {
  std::optional<Hello> hello;
  std::vector<Message> messages;
  std::vector<ForwardRequest> requests;
  std::vector<ForwardReply> replies;
};

// An encoded ReplicateRequest. Limits are the caller's business (see EncodedBytes).
absl::Cord EncodeFrame(absl::Span<const Message> messages,
                       absl::Span<const ForwardRequest> requests = {},
                       absl::Span<const ForwardReply> replies = {});
// The first frame of a stream.
absl::Cord EncodeHelloFrame(const Hello& hello);
// What one element adds to a frame, in bytes.
size_t EncodedBytes(const Message& message);
size_t EncodedBytes(const ForwardRequest& request);
size_t EncodedBytes(const ForwardReply& reply);

// Payloads above kCopiedBytesMax refer to the memory of `bytes`.
absl::StatusOr<Frame> DecodeFrame(const absl::Cord& bytes);

// A decoded frame of PeerService.Leases.
struct LeaseFrame {
  std::optional<Hello> hello;
  std::vector<lease::LeaseMessage> messages;
};

// An encoded LeasesRequest.
absl::Cord EncodeLeaseFrame(absl::Span<const lease::LeaseMessage> messages);
absl::Cord EncodeLeaseHelloFrame(const Hello& hello);
absl::StatusOr<LeaseFrame> DecodeLeaseFrame(const absl::Cord& bytes);

}  // namespace rasputin::consensus::wire

#endif  // RASPUTIN_CONSENSUS_WIRE_FRAME_H_
