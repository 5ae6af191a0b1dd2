// See response.h. Field numbers are those of rasputin/kv/v1/kv.proto and rasputin/v1/error.proto.

#include "kv/response.h"

#include <utility>

#include "kv/batch_division.h"
#include "kv/key.h"

namespace rasputin::kv {
namespace {

// gRPC's codes and the ErrorReasons of the outcomes that are errors.
struct ErrorCodes {
  int code;
  uint64_t reason;
};

ErrorCodes CodesOf(OutcomeCode code) {
  switch (code) {
    case OutcomeCode::kSessionExpired:
      return {9, 9};
    case OutcomeCode::kFailedPrecondition:
      return {9, 8};
    case OutcomeCode::kResourceExhausted:
      return {8, 3};
    case OutcomeCode::kNotFound:
      return {5, 6};
    case OutcomeCode::kAlreadyExists:
      return {6, 7};
    default:
      return {3, 5};
  }
}

void AppendValue(uint32_t field, const ResponseValue& value, absl::Cord* out) {
  if (!value.bytes.empty()) {
    std::string header;
    AppendBytesHeader(field, value.bytes.size(), &header);
    out->Append(header);
    out->Append(value.bytes);
  }
}

}  // namespace

absl::string_view HeldRow::payload() const {
  return absl::string_view(bytes).substr(kRowHeaderBytes);
}

absl::StatusOr<std::optional<HeldRow>> TakeRow(std::optional<std::string> row) {
  if (!row) return std::optional<HeldRow>();
  RowView view;
  absl::Status status = DecodeRow(*row, &view);
  if (!status.ok()) return status;
  return std::optional<HeldRow>(HeldRow{view.version, *std::move(row)});
}

ResponseValue ValueOf(HeldRow row) {
  ResponseValue value;
  value.bytes = absl::Cord(std::move(row.bytes));
  value.bytes.RemovePrefix(kRowHeaderBytes);
  return value;
}

absl::Cord EncodeGetResponse(std::optional<HeldRow> row) {
  if (!row) return absl::Cord();
  std::string head;
  AppendNumberField(1, 1, &head);
  AppendNumberField(2, row->version, &head);
  absl::Cord response(std::move(head));
  AppendValue(3, ValueOf(*std::move(row)), &response);
  return response;
}

std::string EncodeSetResponse(uint64_t version) {
  std::string response;
  AppendNumberField(1, version, &response);
  return response;
}

absl::Cord EncodeCasResponse(bool success, bool found, uint64_t version,
                             const ResponseValue& value) {
  std::string head;
  AppendNumberField(1, success ? 1 : 0, &head);
  AppendNumberField(2, found ? 1 : 0, &head);
  AppendNumberField(3, version, &head);
  if (value.omitted) AppendNumberField(5, 1, &head);
  absl::Cord response(std::move(head));
  if (!value.omitted) AppendValue(4, value, &response);
  return response;
}

absl::Cord EncodeDeleteResponse(uint64_t previous_version, const ResponseValue& previous,
                                uint64_t version) {
  std::string head;
  AppendNumberField(1, 1, &head);
  AppendNumberField(2, previous_version, &head);
  absl::Cord response(head);
  if (!previous.omitted) AppendValue(3, previous, &response);
  std::string tail;
  AppendNumberField(4, version, &tail);
  AppendNumberField(5, previous.omitted ? 1 : 0, &tail);
  response.Append(tail);
  return response;
}

absl::Cord EncodeBatchResult(uint32_t field, const Outcome& outcome) {
  if (outcome.code != OutcomeCode::kOk) {
    const ErrorCodes codes = CodesOf(outcome.code);
    std::string detail;
    AppendNumberField(1, codes.reason, &detail);
    return ErrorResult(codes.code, outcome.message, absl::Cord(detail));
  }
  std::string header;
  AppendBytesHeader(field, outcome.response.size(), &header);
  absl::Cord result(header);
  result.Append(outcome.response);
  return result;
}

}  // namespace rasputin::kv
