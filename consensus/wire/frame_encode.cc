// Encoding half of frame.h: each Put... function names the fields of one message of peer.proto.
//
// Thread-safety: pure functions. Fields are put in the order of their numbers, as protobuf does.

#include <chrono>

#include "consensus/wire/frame.h"
#include "consensus/wire/wire_writer.h"

namespace rasputin::consensus::wire {
namespace {

// Field numbers of the repeated fields of the two frames.
constexpr uint32_t kHelloField = 1;
constexpr uint32_t kMessagesField = 2;
constexpr uint32_t kRequestsField = 3;
constexpr uint32_t kRepliesField = 4;

uint64_t ToMicroseconds(Duration duration) {
  if (duration <= Duration::zero()) return 0;
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

template <typename Sink>
void PutHello(Sink& sink, const Hello& hello) {
  sink.Varint(1, hello.cluster.value());
  sink.Varint(2, hello.store.value());
  sink.Varint(3, hello.to_store.value());
  sink.Varint(4, hello.format);
  sink.Varint(5, hello.wall_us);
  sink.Varint(6, ToMicroseconds(hello.lease_duration));
  sink.Varint(7, hello.clock_rate_error_max_ppb);
  sink.Bytes(8, hello.peer_address);
}

template <typename Sink>
void PutPosition(Sink& sink, uint32_t field, const LogPosition& position) {
  if (position == LogPosition{}) return;
  sink.Nested(field, [&](auto& inner) {
    inner.Varint(1, position.term.value());
    inner.Varint(2, position.index.value());
  });
}

template <typename Sink>
void PutEntries(Sink& sink, uint32_t field, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    sink.Nested(field, [&](auto& inner) {
      inner.Varint(1, entry.term.value());
      inner.Varint(2, entry.index.value());
      inner.Varint(3, static_cast<uint64_t>(entry.type));
      inner.Bytes(4, entry.payload);
    });
  }
}

// The number of the body's field in GroupMessage.
uint32_t BodyField(const ProbeRequest&) { return 16; }
uint32_t BodyField(const ProbeReply&) { return 17; }
uint32_t BodyField(const VoteRequest&) { return 18; }
uint32_t BodyField(const VoteReply&) { return 19; }
uint32_t BodyField(const AppendRequest&) { return 20; }
uint32_t BodyField(const AppendReply&) { return 21; }
uint32_t BodyField(const PullRequest&) { return 22; }
uint32_t BodyField(const PullReply&) { return 23; }
uint32_t BodyField(const Release&) { return 24; }
uint32_t BodyField(const ReleaseAck&) { return 25; }
uint32_t BodyField(const ReleaseQuery&) { return 26; }
uint32_t BodyField(const SnapshotChunk&) { return 27; }
uint32_t BodyField(const SnapshotAck&) { return 28; }
uint32_t BodyField(const Removed&) { return 29; }

template <typename Sink>
void PutBody(Sink& sink, const ProbeRequest& body) {
  sink.Varint(1, body.attempt);
  PutPosition(sink, 2, body.last);
}

template <typename Sink>
void PutBody(Sink& sink, const ProbeReply& body) {
  sink.Varint(1, body.attempt);
  sink.Varint(2, static_cast<uint64_t>(body.status));
  sink.Varint(3, body.term.value());
  PutPosition(sink, 4, body.last);
  sink.Varint(5, body.nonce.value());
  sink.Varint(6, body.bound_to.value());
  sink.Varint(7, body.bound_term.value());
}

template <typename Sink>
void PutBody(Sink& sink, const VoteRequest& body) {
  PutPosition(sink, 1, body.last);
  sink.Varint(2, body.nonce.value());
  sink.Varint(3, body.released_term.value());
}

template <typename Sink>
void PutBody(Sink& sink, const VoteReply& body) {
  sink.Varint(1, body.granted ? 1 : 0);
}

template <typename Sink>
void PutBody(Sink& sink, const AppendRequest& body) {
  // All members by name: one more that is not sent does not compile.
  const auto& [previous, entries, commit, held_by_all, epoch, read_context] = body;
  PutPosition(sink, 1, previous);
  PutEntries(sink, 2, entries);
  sink.Varint(3, commit.value());
  sink.Varint(4, epoch.value());
  sink.Varint(5, read_context);
  sink.Varint(6, held_by_all.value());
}

template <typename Sink>
void PutBody(Sink& sink, const AppendReply& body) {
  sink.Varint(1, body.accepted ? 1 : 0);
  sink.Varint(2, body.match.value());
  PutPosition(sink, 3, body.conflict_hint);
  sink.Varint(4, body.bound_epoch.value());
  sink.Varint(5, body.read_context);
}

template <typename Sink>
void PutBody(Sink& sink, const PullRequest& body) {
  sink.Varint(1, body.attempt);
  PutPosition(sink, 2, body.after);
}

template <typename Sink>
void PutBody(Sink& sink, const PullReply& body) {
  sink.Varint(1, body.attempt);
  PutPosition(sink, 2, body.previous);
  sink.Varint(3, body.matched ? 1 : 0);
  PutEntries(sink, 4, body.entries);
  PutPosition(sink, 5, body.donor_last);
}

template <typename Sink>
void PutBody(Sink& sink, const Release& body) {
  sink.Varint(1, body.released_term.value());
  sink.Varint(2, body.target.value());
}

template <typename Sink>
void PutBody(Sink& sink, const ReleaseAck& body) {
  sink.Varint(1, body.released_term.value());
}

template <typename Sink>
void PutBody(Sink& sink, const ReleaseQuery& body) {
  sink.Varint(1, body.bound_term.value());
}

template <typename Sink>
void PutBody(Sink& sink, const SnapshotChunk& body) {
  // All members by name: one more that is not sent does not compile.
  const auto& [snapshot_id, sequence, position, crc32c, data, last] = body;
  sink.Varint(1, snapshot_id);
  sink.Varint(2, sequence);
  PutPosition(sink, 3, position);
  sink.Varint(4, crc32c);
  sink.Bytes(5, data);
  sink.Varint(6, last ? 1 : 0);
}

template <typename Sink>
void PutBody(Sink& sink, const SnapshotAck& body) {
  sink.Varint(1, body.snapshot_id);
  sink.Varint(2, body.next_sequence);
  sink.Varint(3, static_cast<uint64_t>(body.status));
}

template <typename Sink>
void PutBody(Sink& sink, const Removed& body) {
  sink.Varint(1, body.generation.value());
  sink.Bytes(2, body.absorbed);
}

template <typename Sink>
void PutMessage(Sink& sink, const Message& message) {
  sink.Varint(1, message.range.value());
  sink.Varint(2, message.generation.value());
  sink.Varint(3, message.from.value());
  sink.Varint(4, message.to.value());
  sink.Varint(5, message.from_store.value());
  sink.Varint(6, message.to_store.value());
  sink.Varint(7, message.term.value());
  std::visit(
      [&](const auto& body) {
        sink.Nested(BodyField(body), [&](auto& inner) { PutBody(inner, body); });
      },
      message.body);
}

template <typename Sink>
void PutRequest(Sink& sink, const ForwardRequest& request) {
  sink.Varint(1, request.id);
  sink.Varint(2, request.hops);
  sink.Varint(3, static_cast<uint64_t>(request.kind));
  sink.Varint(4, request.range.value());
  sink.Varint(5, request.generation.value());
  sink.Varint(6, request.operation);
  sink.Bytes(7, request.body);
  if (request.request_id.has_value()) {
    sink.Nested(8, [&](auto& inner) {
      inner.Varint(1, request.request_id->client_id);
      inner.Varint(2, request.request_id->sequence);
      inner.Varint(3, request.request_id->acked_below);
      inner.Varint(4, request.request_id->issued_at_ms);
    });
  }
  sink.Bytes(9, request.first_key);
  sink.Bytes(10, request.last_key);
  sink.Varint(11, request.read_index ? 1 : 0);
  sink.Varint(12, request.target.value());
  sink.Varint(13, ToMicroseconds(request.time_left));
}

template <typename Sink>
void PutReply(Sink& sink, const ForwardReply& reply) {
  sink.Varint(1, reply.id);
  sink.Varint(2, reply.outcome);
  sink.Bytes(3, reply.body);
  sink.Bytes(4, reply.message);
  for (const type::v1::RangeDescriptor& descriptor : reply.descriptors) {
    sink.Bytes(5, descriptor.SerializeAsString());
  }
  sink.Varint(6, reply.leader_store.value());
  sink.Varint(7, ToMicroseconds(reply.retry_after));
}

template <typename Sink>
void PutLeaseMessage(Sink& sink, const lease::LeaseMessage& message) {
  sink.Varint(1, message.from.value());
  sink.Varint(2, message.to.value());
  if (const auto* request = std::get_if<lease::SupportRequest>(&message.body)) {
    sink.Nested(3, [&](auto& inner) {
      inner.Varint(1, request->epoch.value());
      inner.Varint(2, request->round.value());
      inner.Varint(3, request->echo.value());
    });
  } else if (const auto* reply = std::get_if<lease::SupportReply>(&message.body)) {
    sink.Nested(4, [&](auto& inner) {
      inner.Varint(1, reply->epoch.value());
      inner.Varint(2, reply->round.value());
      inner.Varint(3, reply->supported ? 1 : 0);
      inner.Varint(4, reply->lowest_accepted.value());
      inner.Varint(5, reply->nonce.value());
    });
  }
}

}  // namespace

absl::Cord EncodeFrame(absl::Span<const Message> messages,
                       absl::Span<const ForwardRequest> requests,
                       absl::Span<const ForwardReply> replies) {
  WireWriter writer(kCopiedBytesMax);
  for (const Message& message : messages) {
    writer.Nested(kMessagesField, [&](auto& sink) { PutMessage(sink, message); });
  }
  for (const ForwardRequest& request : requests) {
    writer.Nested(kRequestsField, [&](auto& sink) { PutRequest(sink, request); });
  }
  for (const ForwardReply& reply : replies) {
    writer.Nested(kRepliesField, [&](auto& sink) { PutReply(sink, reply); });
  }
  return writer.Finish();
}

absl::Cord EncodeHelloFrame(const Hello& hello) {
  WireWriter writer(kCopiedBytesMax);
  writer.Nested(kHelloField, [&](auto& sink) { PutHello(sink, hello); });
  return writer.Finish();
}

size_t EncodedBytes(const Message& message) {
  WireCounter counter;
  counter.Nested(kMessagesField, [&](auto& sink) { PutMessage(sink, message); });
  return counter.bytes();
}

size_t EncodedBytes(const ForwardRequest& request) {
  WireCounter counter;
  counter.Nested(kRequestsField, [&](auto& sink) { PutRequest(sink, request); });
  return counter.bytes();
}

size_t EncodedBytes(const ForwardReply& reply) {
  WireCounter counter;
  counter.Nested(kRepliesField, [&](auto& sink) { PutReply(sink, reply); });
  return counter.bytes();
}

absl::Cord EncodeLeaseFrame(absl::Span<const lease::LeaseMessage> messages) {
  WireWriter writer(kCopiedBytesMax);
  for (const lease::LeaseMessage& message : messages) {
    writer.Nested(kMessagesField, [&](auto& sink) { PutLeaseMessage(sink, message); });
  }
  return writer.Finish();
}

absl::Cord EncodeLeaseHelloFrame(const Hello& hello) { return EncodeHelloFrame(hello); }

}  // namespace rasputin::consensus::wire
