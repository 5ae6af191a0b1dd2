// See fields.h.

#include "kv/fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kv/request_parser.h"

namespace rasputin::kv {
namespace {

std::string Copy(const CordBytes& bytes, ByteSpan span) {
  std::string copy;
  bytes.AppendTo(span, &copy);
  return copy;
}

absl::StatusOr<RequestFields> ScanFields(const absl::Cord& request) {
  ParsedScan scan;
  absl::Status status = ParseScan(request, &scan);
  if (!status.ok()) return status;
  const CordBytes bytes(request);
  RequestFields fields;
  fields.collection = Copy(bytes, scan.collection);
  fields.read_index = scan.read_index;
  fields.first_key = Copy(bytes, scan.start);
  fields.last_key = Copy(bytes, scan.end);
  fields.request_bytes = request.size();
  fields.key_bytes_max = std::max(scan.start.size, scan.end.size);
  return fields;
}

// Finds the lowest and the highest key; views while the Cord is in one piece.
void FindBounds(const CordBytes& bytes, const ParsedRequest& parsed, RequestFields* fields) {
  std::string scratch;
  size_t first = 0;
  size_t last = 0;
  std::string first_scratch;
  std::string last_scratch;
  absl::string_view first_key = bytes.View(parsed.operations[0].key, &first_scratch);
  absl::string_view last_key = bytes.View(parsed.operations[0].key, &last_scratch);
  for (size_t i = 1; i < parsed.operations.size(); ++i) {
    const absl::string_view key = bytes.View(parsed.operations[i].key, &scratch);
    if (key < first_key) {
      first = i;
      first_key = bytes.View(parsed.operations[first].key, &first_scratch);
    }
    if (key > last_key) {
      last = i;
      last_key = bytes.View(parsed.operations[last].key, &last_scratch);
    }
  }
  fields->first_key.assign(first_key.data(), first_key.size());
  fields->last_key.assign(last_key.data(), last_key.size());
}

absl::Status OverLimit(absl::string_view what, uint64_t actual, uint64_t limit) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", actual, " bytes; the limit is ", limit, " bytes"));
}

}  // namespace

absl::StatusOr<RequestFields> ReadFields(Operation operation, const absl::Cord& request) {
  if (operation == Operation::kScan) return ScanFields(request);
  ParsedRequest parsed;
  absl::Status status = ParseRequest(operation, request, &parsed);
  if (!status.ok()) return status;
  const CordBytes bytes(request);
  RequestFields fields;
  fields.collection = Copy(bytes, parsed.collection);
  fields.request_id = parsed.request_id;
  fields.read_index = parsed.read_index;
  fields.operations = static_cast<uint32_t>(parsed.operations.size());
  fields.request_bytes = request.size();
  for (const ParsedOperation& one : parsed.operations) {
    if (one.kind != Operation::kGet) fields.mutates = true;
    fields.key_bytes_max = std::max(fields.key_bytes_max, one.key.size);
    fields.value_bytes_max =
        std::max({fields.value_bytes_max, one.value.size, one.expected_value.size});
  }
  FindBounds(bytes, parsed, &fields);
  return fields;
}

BatchCount CountOperations(const absl::Cord& batch) {
  constexpr uint32_t kOperationsField = 4;
  constexpr uint32_t kGetField = 1;
  constexpr uint32_t kDeleteField = 4;
  BatchCount count;
  for (WireReader request(batch); request.Next();) {
    if (request.field() != kOperationsField || request.type() != WireType::kBytes) continue;
    WireReader operation = request.Message();
    ++count.operations;
    if (!operation.Next()) continue;
    if (operation.field() != kGetField) ++count.mutations;
    if (operation.field() == kDeleteField) ++count.deletes;
  }
  return count;
}

absl::Status CheckLimits(const RequestFields& fields, const Limits& limits) {
  if (fields.key_bytes_max > limits.key_bytes_max) {
    return OverLimit("the key", fields.key_bytes_max, limits.key_bytes_max);
  }
  if (fields.value_bytes_max > limits.value_bytes_max) {
    return OverLimit("the value", fields.value_bytes_max, limits.value_bytes_max);
  }
  if (fields.request_bytes > limits.request_bytes_max) {
    return OverLimit("the request", fields.request_bytes, limits.request_bytes_max);
  }
  if (fields.operations > limits.batch_operations_max) {
    return absl::InvalidArgumentError(absl::StrCat("the batch has ", fields.operations,
                                                   " operations; the limit is ",
                                                   limits.batch_operations_max));
  }
  return absl::OkStatus();
}

}  // namespace rasputin::kv
