// Forwarded requests and replies as the values that peer frames carry, and back.
//
// Pure conversions between server/front and consensus/wire, whose types know neither kv nor range;
// bodies are passed by reference. What is out of range after decoding is refused. Thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_FORWARD_FRAME_H_
#define RASPUTIN_SERVER_FRONT_FORWARD_FRAME_H_

#include "absl/status/statusor.h"
#include "consensus/wire/frame.h"
#include "server/front/ports.h"

namespace rasputin::server {

consensus::wire::ForwardRequest ToFrame(const ForwardRequest& request);
consensus::wire::ForwardReply ToFrame(const ForwardReply& reply);

// INVALID_ARGUMENT: a kind or an operation that this version does not know; not executed. The id is
// that of the frame, so that a refusal can be sent.
absl::StatusOr<ForwardRequest> FromFrame(const consensus::wire::ForwardRequest& frame);
// An outcome that this version does not know counts as unknown.
ForwardReply FromFrame(const consensus::wire::ForwardReply& frame);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_FORWARD_FRAME_H_
