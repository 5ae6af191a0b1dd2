// See batch_division.h. Field numbers are those of rasputin/kv/v1/kv.proto.

#include "kv/batch_division.h"

#include "absl/strings/str_cat.h"
#include "kv/request_parser.h"
#include "kv/wire.h"

namespace rasputin::kv {
namespace {

void AppendBytesCord(uint32_t field, const absl::Cord& payload, absl::Cord* out) {
  std::string header;
  AppendBytesHeader(field, payload.size(), &header);
  out->Append(header);
  out->Append(payload);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> BatchKeys(const absl::Cord& request) {
  ParsedRequest parsed;
  absl::Status status = ParseRequest(Operation::kBatch, request, &parsed);
  if (!status.ok()) return status;
  const CordBytes bytes(request);
  std::vector<std::string> keys(parsed.operations.size());
  for (size_t i = 0; i < keys.size(); ++i) bytes.AppendTo(parsed.operations[i].key, &keys[i]);
  return keys;
}

absl::StatusOr<absl::Cord> SubBatch(const absl::Cord& request, absl::Span<const uint32_t> indexes) {
  ParsedRequest parsed;
  absl::Status status = ParseRequest(Operation::kBatch, request, &parsed);
  if (!status.ok()) return status;
  const CordBytes bytes(request);
  std::string head;
  if (parsed.collection.size > 0) AppendBytesHeader(1, parsed.collection.size, &head);
  bytes.AppendTo(parsed.collection, &head);
  if (parsed.request_id) {
    std::string id;
    AppendNumberField(1, parsed.request_id->client_id, &id);
    AppendNumberField(2, parsed.request_id->sequence, &id);
    AppendNumberField(3, parsed.request_id->acked_below, &id);
    AppendNumberField(4, parsed.request_id->issued_at_ms, &id);
    AppendBytesField(2, id, &head);
  }
  AppendNumberField(3, parsed.read_index ? 2 : 0, &head);
  absl::Cord batch(head);
  for (uint32_t index : indexes) {
    if (index >= parsed.operations.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no operation ", index, " in a batch of ", parsed.operations.size()));
    }
    const ParsedOperation& operation = parsed.operations[index];
    // The oneof's field is kept as it is; a position of before is replaced.
    absl::Cord message;
    WireReader reader = WireReader(request).At(operation.message);
    while (reader.Next()) {
      if (reader.field() == 5) continue;
      AppendBytesCord(reader.field(), bytes.Sub(reader.span()), &message);
    }
    std::string position;
    AppendNumberField(5, operation.position, &position);
    message.Append(position);
    AppendBytesCord(4, message, &batch);
  }
  return batch;
}

absl::StatusOr<std::vector<absl::Cord>> BatchResults(const absl::Cord& response, uint32_t count) {
  const CordBytes bytes(response);
  std::vector<absl::Cord> results;
  WireReader reader(response);
  while (reader.Next()) {
    if (reader.field() != 1 || reader.type() != WireType::kBytes) continue;
    results.push_back(bytes.Sub(reader.span()));
  }
  if (!reader.ok()) return absl::InternalError("a range's answer is not a BatchResponse");
  if (results.size() != count) {
    return absl::InternalError(
        absl::StrCat("a range answered ", results.size(), " operations of ", count));
  }
  return results;
}

absl::Cord ErrorResult(int code, absl::string_view message, const absl::Cord& detail) {
  std::string head;
  AppendNumberField(1, static_cast<uint64_t>(code), &head);
  AppendBytesField(2, message, &head);
  absl::Cord error(head);
  if (!detail.empty()) AppendBytesCord(3, detail, &error);
  absl::Cord result;
  AppendBytesCord(5, error, &result);
  return result;
}

absl::Cord BatchResponseOf(absl::Span<const absl::Cord> results) {
  absl::Cord response;
  for (const absl::Cord& result : results) AppendBytesCord(1, result, &response);
  return response;
}

}  // namespace rasputin::kv
