// Decoding half of frame.h: each Read... function takes the fields of one message of peer.proto.
//
// Thread-safety: pure functions. Everything read is bounded by the bytes that are there and by the
// limits of frame.h; a field of an unexpected wire type is skipped like an unknown one.

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "consensus/wire/frame.h"
#include "consensus/wire/wire_reader.h"
#include "consensus/wire/wire_writer.h"

namespace rasputin::consensus::wire {
namespace {

using Field = WireReader::Field;

// What one frame may still hold.
struct Budget {
  size_t elements = kFrameElementsMax;
  size_t entries = kFrameEntriesMax;

  // False, and the reader fails, if nothing is left.
  static bool Take(WireReader& reader, size_t* left) {
    if (*left == 0) {
      reader.Fail();
      return false;
    }
    --*left;
    return true;
  }
};

// Longest duration taken: about a century, so that it can be added to any instant.
constexpr uint64_t kMicrosecondsMax = uint64_t{100} * 366 * 86400 * 1000000 / 2;

Duration ReadMicroseconds(WireReader& reader) {
  const uint64_t value = std::min(reader.ReadVarint(), kMicrosecondsMax);
  return std::chrono::microseconds(static_cast<int64_t>(value));
}

uint32_t ReadUint32(WireReader& reader) {
  const uint64_t value = reader.ReadVarint();
  if (value > std::numeric_limits<uint32_t>::max()) reader.Fail();
  return static_cast<uint32_t>(value);
}

template <typename Id>
Id ReadId(WireReader& reader) {
  return Id(reader.ReadVarint());
}

// An enumerator in [1, last]; anything else fails the reader.
template <typename Enum>
Enum ReadEnum(WireReader& reader, Enum last) {
  const uint64_t value = reader.ReadVarint();
  if (value == 0 || value > static_cast<uint64_t>(last)) {
    reader.Fail();
    return last;
  }
  return static_cast<Enum>(value);
}

Hello ReadHello(WireReader& reader) {
  Hello hello;
  hello.format = 0;
  reader.ReadNested([&](Field field) {
    if (field.number == 8 && field.type == kWireBytes) {
      hello.peer_address = reader.ReadString();
      return;
    }
    if (field.type != kWireVarint) return reader.Skip(field.type);
    switch (field.number) {
      case 1:
        hello.cluster = ReadId<ClusterId>(reader);
        break;
      case 2:
        hello.store = ReadId<StoreId>(reader);
        break;
      case 3:
        hello.to_store = ReadId<StoreId>(reader);
        break;
      case 4:
        hello.format = ReadUint32(reader);
        break;
      case 5:
        hello.wall_us = reader.ReadVarint();
        break;
      case 6:
        hello.lease_duration = ReadMicroseconds(reader);
        break;
      case 7:
        hello.clock_rate_error_max_ppb = reader.ReadVarint();
        break;
      default:
        reader.Skip(field.type);
    }
  });
  return hello;
}

LogPosition ReadPosition(WireReader& reader) {
  LogPosition position;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      position.term = ReadId<Term>(reader);
    } else if (field.type == kWireVarint && field.number == 2) {
      position.index = ReadId<Index>(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return position;
}

Entry ReadEntry(WireReader& reader) {
  Entry entry;
  bool typed = false;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireBytes && field.number == 4) {
      entry.payload = reader.ReadBytes();
    } else if (field.type != kWireVarint) {
      reader.Skip(field.type);
    } else if (field.number == 1) {
      entry.term = ReadId<Term>(reader);
    } else if (field.number == 2) {
      entry.index = ReadId<Index>(reader);
    } else if (field.number == 3) {
      entry.type = ReadEnum(reader, EntryType::kConfig);
      typed = true;
    } else {
      reader.Skip(field.type);
    }
  });
  // An entry that cannot be understood must not be skipped: the log would have a hole.
  if (!typed) reader.Fail();
  return entry;
}

ProbeRequest ReadProbeRequest(WireReader& reader) {
  ProbeRequest body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      body.attempt = reader.ReadVarint();
    } else if (field.type == kWireBytes && field.number == 2) {
      body.last = ReadPosition(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

ProbeReply ReadProbeReply(WireReader& reader) {
  ProbeReply body;
  bool has_status = false;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireBytes && field.number == 4) {
      body.last = ReadPosition(reader);
    } else if (field.type != kWireVarint) {
      reader.Skip(field.type);
    } else if (field.number == 1) {
      body.attempt = reader.ReadVarint();
    } else if (field.number == 2) {
      body.status = ReadEnum(reader, ProbeStatus::kNotNow);
      has_status = true;
    } else if (field.number == 3) {
      body.term = ReadId<Term>(reader);
    } else if (field.number == 5) {
      body.nonce = ReadId<Nonce>(reader);
    } else if (field.number == 6) {
      body.bound_to = ReadId<ReplicaId>(reader);
    } else if (field.number == 7) {
      body.bound_term = ReadId<Term>(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  if (!has_status) reader.Fail();
  return body;
}

VoteRequest ReadVoteRequest(WireReader& reader) {
  VoteRequest body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireBytes && field.number == 1) {
      body.last = ReadPosition(reader);
    } else if (field.type == kWireVarint && field.number == 2) {
      body.nonce = ReadId<Nonce>(reader);
    } else if (field.type == kWireVarint && field.number == 3) {
      body.released_term = ReadId<Term>(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

VoteReply ReadVoteReply(WireReader& reader) {
  VoteReply body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      body.granted = reader.ReadVarint() != 0;
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

AppendRequest ReadAppendRequest(WireReader& reader, Budget& budget) {
  AppendRequest body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireBytes && field.number == 1) {
      body.previous = ReadPosition(reader);
    } else if (field.type == kWireBytes && field.number == 2) {
      if (Budget::Take(reader, &budget.entries)) body.entries.push_back(ReadEntry(reader));
    } else if (field.type != kWireVarint) {
      reader.Skip(field.type);
    } else if (field.number == 3) {
      body.commit = ReadId<Index>(reader);
    } else if (field.number == 4) {
      body.epoch = ReadId<Epoch>(reader);
    } else if (field.number == 5) {
      body.read_context = reader.ReadVarint();
    } else if (field.number == 6) {
      body.held_by_all = ReadId<Index>(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

AppendReply ReadAppendReply(WireReader& reader) {
  AppendReply body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireBytes && field.number == 3) {
      body.conflict_hint = ReadPosition(reader);
    } else if (field.type != kWireVarint) {
      reader.Skip(field.type);
    } else if (field.number == 1) {
      body.accepted = reader.ReadVarint() != 0;
    } else if (field.number == 2) {
      body.match = ReadId<Index>(reader);
    } else if (field.number == 4) {
      body.bound_epoch = ReadId<Epoch>(reader);
    } else if (field.number == 5) {
      body.read_context = reader.ReadVarint();
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

PullRequest ReadPullRequest(WireReader& reader) {
  PullRequest body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      body.attempt = reader.ReadVarint();
    } else if (field.type == kWireBytes && field.number == 2) {
      body.after = ReadPosition(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

PullReply ReadPullReply(WireReader& reader, Budget& budget) {
  PullReply body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      body.attempt = reader.ReadVarint();
    } else if (field.type == kWireBytes && field.number == 2) {
      body.previous = ReadPosition(reader);
    } else if (field.type == kWireVarint && field.number == 3) {
      body.matched = reader.ReadVarint() != 0;
    } else if (field.type == kWireBytes && field.number == 4) {
      if (Budget::Take(reader, &budget.entries)) body.entries.push_back(ReadEntry(reader));
    } else if (field.type == kWireBytes && field.number == 5) {
      body.donor_last = ReadPosition(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

Release ReadRelease(WireReader& reader) {
  Release body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      body.released_term = ReadId<Term>(reader);
    } else if (field.type == kWireVarint && field.number == 2) {
      body.target = ReadId<ReplicaId>(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

// The number that is the only field of a ReleaseAck and a ReleaseQuery.
template <typename Id>
Id ReadOneId(WireReader& reader) {
  Id id;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      id = ReadId<Id>(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return id;
}

SnapshotChunk ReadSnapshotChunk(WireReader& reader) {
  SnapshotChunk body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireBytes && field.number == 3) {
      body.position = ReadPosition(reader);
    } else if (field.type == kWireBytes && field.number == 5) {
      body.data = reader.ReadBytes();
    } else if (field.type != kWireVarint) {
      reader.Skip(field.type);
    } else if (field.number == 1) {
      body.snapshot_id = reader.ReadVarint();
    } else if (field.number == 2) {
      body.sequence = reader.ReadVarint();
    } else if (field.number == 4) {
      body.crc32c = ReadUint32(reader);
    } else if (field.number == 6) {
      body.last = reader.ReadVarint() != 0;
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

SnapshotAck ReadSnapshotAck(WireReader& reader) {
  SnapshotAck body;
  bool has_status = false;
  reader.ReadNested([&](Field field) {
    if (field.type != kWireVarint) {
      reader.Skip(field.type);
    } else if (field.number == 1) {
      body.snapshot_id = reader.ReadVarint();
    } else if (field.number == 2) {
      body.next_sequence = reader.ReadVarint();
    } else if (field.number == 3) {
      body.status = ReadEnum(reader, SnapshotStatus::kLost);
      has_status = true;
    } else {
      reader.Skip(field.type);
    }
  });
  if (!has_status) reader.Fail();
  return body;
}

Removed ReadRemoved(WireReader& reader) {
  Removed body;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      body.generation = ReadId<Generation>(reader);
    } else if (field.type == kWireBytes && field.number == 2) {
      body.absorbed = reader.ReadBytes();
    } else {
      reader.Skip(field.type);
    }
  });
  return body;
}

// Returns whether the field was a body.
bool ReadBody(WireReader& reader, uint32_t number, Budget& budget, MessageBody* body) {
  switch (number) {
    case 16:
      *body = ReadProbeRequest(reader);
      return true;
    case 17:
      *body = ReadProbeReply(reader);
      return true;
    case 18:
      *body = ReadVoteRequest(reader);
      return true;
    case 19:
      *body = ReadVoteReply(reader);
      return true;
    case 20:
      *body = ReadAppendRequest(reader, budget);
      return true;
    case 21:
      *body = ReadAppendReply(reader);
      return true;
    case 22:
      *body = ReadPullRequest(reader);
      return true;
    case 23:
      *body = ReadPullReply(reader, budget);
      return true;
    case 24:
      *body = ReadRelease(reader);
      return true;
    case 25:
      *body = ReleaseAck{ReadOneId<Term>(reader)};
      return true;
    case 26:
      *body = ReleaseQuery{ReadOneId<Term>(reader)};
      return true;
    case 27:
      *body = ReadSnapshotChunk(reader);
      return true;
    case 28:
      *body = ReadSnapshotAck(reader);
      return true;
    case 29:
      *body = ReadRemoved(reader);
      return true;
    default:
      return false;
  }
}

// Reads a number of GroupMessage's header; returns whether the field was one.
bool ReadHeader(WireReader& reader, uint32_t number, Message* message) {
  switch (number) {
    case 1:
      message->range = ReadId<RangeId>(reader);
      return true;
    case 2:
      message->generation = ReadId<Generation>(reader);
      return true;
    case 3:
      message->from = ReadId<ReplicaId>(reader);
      return true;
    case 4:
      message->to = ReadId<ReplicaId>(reader);
      return true;
    case 5:
      message->from_store = ReadId<StoreId>(reader);
      return true;
    case 6:
      message->to_store = ReadId<StoreId>(reader);
      return true;
    case 7:
      message->term = ReadId<Term>(reader);
      return true;
    default:
      return false;
  }
}

// Nothing if the message says something unknown.
std::optional<Message> ReadMessage(WireReader& reader, Budget& budget) {
  Message message;
  bool has_body = false;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && ReadHeader(reader, field.number, &message)) return;
    if (field.type == kWireBytes && ReadBody(reader, field.number, budget, &message.body)) {
      has_body = true;
      return;
    }
    reader.Skip(field.type);
  });
  if (!has_body) return std::nullopt;
  return message;
}

ForwardRequestId ReadRequestId(WireReader& reader) {
  ForwardRequestId id;
  reader.ReadNested([&](Field field) {
    if (field.type != kWireVarint || field.number > 4) return reader.Skip(field.type);
    const uint64_t value = reader.ReadVarint();
    if (field.number == 1) id.client_id = value;
    if (field.number == 2) id.sequence = value;
    if (field.number == 3) id.acked_below = value;
    if (field.number == 4) id.issued_at_ms = value;
  });
  return id;
}

// Reads a number of ForwardRequest; returns whether the field was one.
bool ReadRequestNumber(WireReader& reader, uint32_t number, ForwardRequest* request) {
  switch (number) {
    case 1:
      request->id = reader.ReadVarint();
      return true;
    case 2:
      request->hops = ReadUint32(reader);
      return true;
    case 3:
      request->kind = ReadEnum(reader, ForwardKind::kPlan);
      return true;
    case 4:
      request->range = ReadId<RangeId>(reader);
      return true;
    case 5:
      request->generation = ReadId<Generation>(reader);
      return true;
    case 6:
      request->operation = ReadUint32(reader);
      return true;
    case 11:
      request->read_index = reader.ReadVarint() != 0;
      return true;
    case 12:
      request->target = ReadId<StoreId>(reader);
      return true;
    case 13:
      request->time_left = ReadMicroseconds(reader);
      return true;
    default:
      return false;
  }
}

ForwardRequest ReadRequest(WireReader& reader) {
  ForwardRequest request;
  bool has_kind = false;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && ReadRequestNumber(reader, field.number, &request)) {
      has_kind = has_kind || field.number == 3;
    } else if (field.type == kWireBytes && field.number == 7) {
      request.body = reader.ReadBytes();
    } else if (field.type == kWireBytes && field.number == 8) {
      request.request_id = ReadRequestId(reader);
    } else if (field.type == kWireBytes && field.number == 9) {
      request.first_key = reader.ReadString();
    } else if (field.type == kWireBytes && field.number == 10) {
      request.last_key = reader.ReadString();
    } else {
      reader.Skip(field.type);
    }
  });
  if (!has_kind) reader.Fail();
  return request;
}

ForwardReply ReadReply(WireReader& reader, Budget& budget) {
  ForwardReply reply;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      reply.id = reader.ReadVarint();
    } else if (field.type == kWireVarint && field.number == 2) {
      reply.outcome = ReadUint32(reader);
    } else if (field.type == kWireBytes && field.number == 3) {
      reply.body = reader.ReadBytes();
    } else if (field.type == kWireBytes && field.number == 4) {
      reply.message = reader.ReadString();
    } else if (field.type == kWireBytes && field.number == 5) {
      if (!Budget::Take(reader, &budget.elements)) return;
      if (!reply.descriptors.emplace_back().ParseFromString(reader.ReadString())) reader.Fail();
    } else if (field.type == kWireVarint && field.number == 6) {
      reply.leader_store = ReadId<StoreId>(reader);
    } else if (field.type == kWireVarint && field.number == 7) {
      reply.retry_after = ReadMicroseconds(reader);
    } else {
      reader.Skip(field.type);
    }
  });
  return reply;
}

lease::SupportRequest ReadSupportRequest(WireReader& reader) {
  lease::SupportRequest request;
  reader.ReadNested([&](Field field) {
    if (field.type != kWireVarint || field.number > 3) return reader.Skip(field.type);
    const uint64_t value = reader.ReadVarint();
    if (field.number == 1) request.epoch = Epoch(value);
    if (field.number == 2) request.round = Round(value);
    if (field.number == 3) request.echo = Nonce(value);
  });
  return request;
}

lease::SupportReply ReadSupportReply(WireReader& reader) {
  lease::SupportReply reply;
  reader.ReadNested([&](Field field) {
    if (field.type != kWireVarint || field.number > 5) return reader.Skip(field.type);
    const uint64_t value = reader.ReadVarint();
    if (field.number == 1) reply.epoch = Epoch(value);
    if (field.number == 2) reply.round = Round(value);
    if (field.number == 3) reply.supported = value != 0;
    if (field.number == 4) reply.lowest_accepted = Epoch(value);
    if (field.number == 5) reply.nonce = Nonce(value);
  });
  return reply;
}

// Nothing if the message says something unknown.
std::optional<lease::LeaseMessage> ReadLeaseMessage(WireReader& reader) {
  lease::LeaseMessage message;
  bool has_body = false;
  reader.ReadNested([&](Field field) {
    if (field.type == kWireVarint && field.number == 1) {
      message.from = ReadId<StoreId>(reader);
    } else if (field.type == kWireVarint && field.number == 2) {
      message.to = ReadId<StoreId>(reader);
    } else if (field.type == kWireBytes && field.number == 3) {
      message.body = ReadSupportRequest(reader);
      has_body = true;
    } else if (field.type == kWireBytes && field.number == 4) {
      message.body = ReadSupportReply(reader);
      has_body = true;
    } else {
      reader.Skip(field.type);
    }
  });
  if (!has_body) return std::nullopt;
  return message;
}

absl::Status Malformed(absl::string_view what, size_t size) {
  return absl::InvalidArgumentError(absl::StrCat("a frame of ", what, " from another store (", size,
                                                 " bytes) is malformed or beyond a limit"));
}

}  // namespace

absl::StatusOr<Frame> DecodeFrame(const absl::Cord& bytes) {
  if (bytes.size() > kFrameBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a frame of ", bytes.size(), " bytes from another store; the limit is ", kFrameBytesMax));
  }
  WireReader reader(bytes, kCopiedBytesMax);
  Budget budget;
  Frame frame;
  while (!reader.AtEnd()) {
    const Field field = reader.ReadField();
    if (!reader.ok()) break;
    if (field.type != kWireBytes || field.number > 4) {
      reader.Skip(field.type);
    } else if (!Budget::Take(reader, &budget.elements)) {
      break;
    } else if (field.number == 1) {
      frame.hello = ReadHello(reader);
    } else if (field.number == 2) {
      std::optional<Message> message = ReadMessage(reader, budget);
      if (message.has_value()) frame.messages.push_back(*std::move(message));
    } else if (field.number == 3) {
      frame.requests.push_back(ReadRequest(reader));
    } else {
      frame.replies.push_back(ReadReply(reader, budget));
    }
  }
  if (!reader.ok()) return Malformed("messages", bytes.size());
  return frame;
}

absl::StatusOr<LeaseFrame> DecodeLeaseFrame(const absl::Cord& bytes) {
  WireReader reader(bytes, kCopiedBytesMax);
  size_t left = kLeaseMessagesMax;
  LeaseFrame frame;
  while (!reader.AtEnd()) {
    const Field field = reader.ReadField();
    if (!reader.ok()) break;
    if (field.type == kWireBytes && field.number == 1) {
      frame.hello = ReadHello(reader);
    } else if (field.type == kWireBytes && field.number == 2) {
      if (!Budget::Take(reader, &left)) break;
      std::optional<lease::LeaseMessage> message = ReadLeaseMessage(reader);
      if (message.has_value()) frame.messages.push_back(*std::move(message));
    } else {
      reader.Skip(field.type);
    }
  }
  if (!reader.ok()) return Malformed("lease messages", bytes.size());
  return frame;
}

}  // namespace rasputin::consensus::wire
