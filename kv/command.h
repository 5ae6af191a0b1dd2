// The command that a log entry holds: a small header, then the client's request, verbatim.
//
// Encoding with a worked byte example: kv/README.md. Plain values; the operation bytes are
// reference-counted, never copied. A newer format is refused.

#ifndef RASPUTIN_KV_COMMAND_H_
#define RASPUTIN_KV_COMMAND_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"

namespace rasputin::kv {

// What the operation bytes are. Never renumbered; a new one is gated by the cluster version.
enum class Operation : uint8_t {
  kNone = 0,
  // Reads; never in a log.
  kGet = 1,
  kScan = 2,
  // rasputin.kv.v1 requests.
  kSet = 16,
  kCas = 17,
  kDelete = 18,
  kBatch = 19,
  // Of range/ (descriptor changes); opaque here.
  kMetaRead = 3,  // Of range/: MetaQuery.
  kSplit = 32,
  kMeta = 33,
  // Steps of a merge (storage.proto); opaque here.
  kMergeBegin = 34,
  kFreeze = 35,
  kMerge = 36,
  kMergeAbandon = 37,
  kThaw = 38,
  kMergeEnd = 39,
  kDropRange = 40,
};

// True iff the operation goes through the log.
constexpr bool IsWrite(Operation operation) { return operation >= Operation::kSet; }
// What clients ask of keys; everything else keeps ranges going.
constexpr bool IsOfClients(Operation operation) {
  switch (operation) {
    case Operation::kGet:
    case Operation::kScan:
    case Operation::kSet:
    case Operation::kCas:
    case Operation::kDelete:
    case Operation::kBatch:
      return true;
    default:
      return false;
  }
}

// From rasputin.type.v1.RequestId; absent: the request is not deduplicated.
struct RequestId {
  uint64_t client_id = 0;
  uint64_t sequence = 0;
  uint64_t acked_below = 0;
  uint64_t issued_at_ms = 0;
};

struct Command {
  uint64_t generation = 0;  // Of the range's descriptor when proposed.
  uint64_t version = 0;     // Hybrid logical: 48 bits of wall milliseconds, 16 bits of counter.
  uint64_t origin = 0;      // Store that proposed it; with `origin_sequence` finds the waiter.
  uint64_t origin_sequence = 0;
  std::optional<RequestId> session;
  Operation operation = Operation::kNone;
  absl::Cord body;
};

absl::Cord EncodeCommand(const Command& command);
// INVALID_ARGUMENT: not a command, or a newer format (says which).
absl::StatusOr<Command> DecodeCommand(const absl::Cord& encoded);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_COMMAND_H_
