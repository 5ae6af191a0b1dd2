// Requests of rasputin.kv.v1 in a form that refers to the encoded bytes instead of copying them.
//
// Stricter than protobuf: unknown fields, repeated singular fields and wrong types are refused, so
// that a node never commits what it would not understand, and every reader of the bytes sees the
// same request. Not responsible for limits (fields.h). Errors are INVALID_ARGUMENT with a text for
// the user.

#ifndef RASPUTIN_KV_REQUEST_PARSER_H_
#define RASPUTIN_KV_REQUEST_PARSER_H_

#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "kv/command.h"
#include "kv/wire.h"

namespace rasputin::kv {

enum class Expectation : uint8_t { kNone = 0, kValue = 1, kVersion = 2, kAbsent = 3 };

// Spans are of the whole request.
struct ParsedOperation {
  Operation kind = Operation::kNone;             // kGet, kSet, kCas or kDelete.
  ByteSpan key;                                  // Never empty.
  ByteSpan value;                                // kSet, kCas.
  Expectation expectation = Expectation::kNone;  // kCas: never kNone.
  ByteSpan expected_value;
  uint64_t expected_version = 0;
  // What is added to RequestId.sequence: its position in the client's batch.
  uint32_t position = 0;
  ByteSpan message;  // In a batch: of the BatchOperation.
};

struct ParsedRequest {
  ByteSpan collection;
  std::optional<RequestId> request_id;
  bool read_index = false;
  absl::InlinedVector<ParsedOperation, 1> operations;
};

struct ParsedScan {
  ByteSpan collection;
  bool read_index = false;
  ByteSpan start;
  ByteSpan end;
  uint64_t limit = 0;
  bool keys_only = false;
  uint64_t page_rows_max = 0;
  uint64_t page_bytes_max = 0;
};

// `operation`: kGet, kSet, kCas, kDelete or kBatch. `parsed` must be as constructed.
absl::Status ParseRequest(Operation operation, const absl::Cord& request, ParsedRequest* parsed);
absl::Status ParseScan(const absl::Cord& request, ParsedScan* parsed);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_REQUEST_PARSER_H_
