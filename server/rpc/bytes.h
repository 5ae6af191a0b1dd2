// Between gRPC's reference-counted slices and absl::Cord, without copying what is large.
//
// Pure functions; thread-safe.

#ifndef RASPUTIN_SERVER_RPC_BYTES_H_
#define RASPUTIN_SERVER_RPC_BYTES_H_

#include <cstddef>

#include "absl/strings/cord.h"
#include "grpcpp/support/byte_buffer.h"

namespace rasputin::server {

// Below this size a copy is cheaper than a reference, which also would keep a whole receive buffer
// alive for a few bytes.
inline constexpr size_t kCopyBelowBytes = 512;

// The bytes of `buffer`, by reference from kCopyBelowBytes on. Leaves the buffer valid but
// unspecified.
absl::Cord ToCord(grpc::ByteBuffer* buffer);

// The bytes of `cord`, by reference from kCopyBelowBytes on.
grpc::ByteBuffer ToByteBuffer(const absl::Cord& cord);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_BYTES_H_
