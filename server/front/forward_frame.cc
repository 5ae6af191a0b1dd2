// Conversions of forwarded requests; see forward_frame.h. No state.
//
// Numbers of operations and outcomes are those of kv/command.h and range/request.h, never
// renumbered.

#include "server/front/forward_frame.h"

#include <string>

namespace rasputin::server {

namespace wire = consensus::wire;

namespace {

bool IsKnownOperation(uint32_t number) {
  switch (static_cast<kv::Operation>(number)) {
    case kv::Operation::kNone:
    case kv::Operation::kGet:
    case kv::Operation::kScan:
    case kv::Operation::kMetaRead:
    case kv::Operation::kSet:
    case kv::Operation::kCas:
    case kv::Operation::kDelete:
    case kv::Operation::kBatch:
    case kv::Operation::kSplit:
    case kv::Operation::kMeta:
    case kv::Operation::kMergeBegin:
    case kv::Operation::kFreeze:
    case kv::Operation::kMerge:
    case kv::Operation::kMergeAbandon:
    case kv::Operation::kThaw:
    case kv::Operation::kMergeEnd:
    case kv::Operation::kDropRange:
      return number <= 255;
  }
  return false;
}

}  // namespace

wire::ForwardRequest ToFrame(const ForwardRequest& request) {
  wire::ForwardRequest frame;
  frame.id = request.id;
  frame.hops = request.hops;
  frame.kind = static_cast<wire::ForwardKind>(request.kind);
  frame.range = request.range;
  frame.generation = request.generation;
  frame.operation = static_cast<uint32_t>(request.operation);
  frame.body = request.body;
  if (request.request_id.has_value()) {
    const kv::RequestId& id = *request.request_id;
    frame.request_id =
        wire::ForwardRequestId{id.client_id, id.sequence, id.acked_below, id.issued_at_ms};
  }
  frame.first_key = request.first_key;
  frame.last_key = request.last_key;
  frame.read_index = request.read_index;
  frame.target = request.target;
  frame.time_left = request.time_left;
  return frame;
}

wire::ForwardReply ToFrame(const ForwardReply& reply) {
  wire::ForwardReply frame;
  frame.id = reply.id;
  frame.outcome = static_cast<uint32_t>(reply.response.outcome);
  frame.body = reply.response.body;
  frame.message = reply.response.message;
  frame.descriptors = reply.response.descriptors;
  frame.leader_store = reply.response.leader_store;
  frame.retry_after = reply.response.retry_after;
  return frame;
}

absl::StatusOr<ForwardRequest> FromFrame(const wire::ForwardRequest& frame) {
  if (frame.kind < wire::ForwardKind::kRange || frame.kind > wire::ForwardKind::kPlan) {
    return absl::InvalidArgumentError("a forwarded request of an unknown kind");
  }
  const bool needs_operation = frame.kind == wire::ForwardKind::kRange;
  if (!IsKnownOperation(frame.operation) || (needs_operation && frame.operation == 0)) {
    return absl::InvalidArgumentError("operation " + std::to_string(frame.operation) +
                                      " is not known to this version");
  }
  ForwardRequest request;
  request.id = frame.id;
  request.hops = frame.hops;
  request.kind = static_cast<ForwardKind>(frame.kind);
  request.range = frame.range;
  request.generation = frame.generation;
  request.operation = static_cast<kv::Operation>(frame.operation);
  request.body = frame.body;
  if (frame.request_id.has_value()) {
    const wire::ForwardRequestId& id = *frame.request_id;
    request.request_id = kv::RequestId{id.client_id, id.sequence, id.acked_below, id.issued_at_ms};
  }
  request.first_key = frame.first_key;
  request.last_key = frame.last_key;
  request.read_index = frame.read_index;
  request.target = frame.target;
  request.time_left = frame.time_left;
  return request;
}

ForwardReply FromFrame(const wire::ForwardReply& frame) {
  ForwardReply reply;
  reply.id = frame.id;
  const bool known = frame.outcome >= static_cast<uint32_t>(range::Outcome::kOk) &&
                     frame.outcome <= static_cast<uint32_t>(range::Outcome::kDataLoss);
  reply.response.outcome =
      known ? static_cast<range::Outcome>(frame.outcome) : range::Outcome::kOutcomeUnknown;
  reply.response.body = frame.body;
  reply.response.message = frame.message;
  reply.response.descriptors = frame.descriptors;
  reply.response.leader_store = frame.leader_store;
  reply.response.retry_after = frame.retry_after;
  return reply;
}

}  // namespace rasputin::server
