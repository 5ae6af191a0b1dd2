// See request_parser.h. Field numbers are those of rasputin/kv/v1/kv.proto.

#include "kv/request_parser.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace rasputin::kv {
namespace {

// Fields that each occur at most once, of one message.
class FieldSet {
 public:
  // False: seen before.
  bool Add(uint32_t field) {
    const uint32_t bit = 1u << (field & 31);
    if ((seen_ & bit) != 0) return false;
    seen_ |= bit;
    return true;
  }

 private:
  uint32_t seen_ = 0;
};

absl::Status Malformed(absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the bytes are not a ", message, ": check that client and server agree on kv.proto"));
}

absl::Status UnknownField(absl::string_view message, uint32_t field) {
  return absl::InvalidArgumentError(
      absl::StrCat("field ", field, " of ", message,
                   " is unknown to this server or has a wrong type: is the client newer?"));
}

absl::Status Repeated(absl::string_view message, uint32_t field) {
  return absl::InvalidArgumentError(
      absl::StrCat("field ", field, " of ", message, " is given more than once"));
}

bool IsBytes(const WireReader& reader) { return reader.type() == WireType::kBytes; }
bool IsNumber(const WireReader& reader) { return reader.type() == WireType::kVarint; }

absl::Status ParseRequestId(WireReader reader, RequestId* id) {
  FieldSet seen;
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (field > 4 || !IsNumber(reader)) return UnknownField("RequestId", field);
    if (!seen.Add(field)) return Repeated("RequestId", field);
    switch (field) {
      case 1:
        id->client_id = reader.number();
        break;
      case 2:
        id->sequence = reader.number();
        break;
      case 3:
        id->acked_below = reader.number();
        break;
      case 4:
        id->issued_at_ms = reader.number();
        break;
    }
  }
  if (!reader.ok()) return Malformed("RequestId");
  if (id->client_id == 0) return absl::InvalidArgumentError("request_id.client_id is 0");
  if (id->sequence == 0) return absl::InvalidArgumentError("request_id.sequence is 0");
  if (id->issued_at_ms == 0) return absl::InvalidArgumentError("request_id.issued_at_ms is 0");
  if (id->acked_below > id->sequence) {
    return absl::InvalidArgumentError(absl::StrCat("request_id.acked_below is ", id->acked_below,
                                                   ", above the request's own sequence ",
                                                   id->sequence));
  }
  if (id->sequence > std::numeric_limits<uint64_t>::max() / 2) {
    return absl::InvalidArgumentError("request_id.sequence is above 2^63 - 1");
  }
  return absl::OkStatus();
}

absl::Status ParseConsistency(const WireReader& reader, bool* read_index) {
  if (reader.number() > 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("consistency ", reader.number(), " is unknown to this server"));
  }
  *read_index = reader.number() == 2;
  return absl::OkStatus();
}

// Fields 2 and 4 to 7, which Set, Cas and the operations of a batch share.
// False: not such a field of this kind of operation.
bool ParseOperationField(const WireReader& reader, ParsedOperation* operation, int* expectations) {
  const bool writes = operation->kind == Operation::kSet || operation->kind == Operation::kCas;
  const bool compares = operation->kind == Operation::kCas;
  switch (reader.field()) {
    case 2:
      operation->key = reader.span();
      return IsBytes(reader);
    case 4:
      operation->value = reader.span();
      return writes && IsBytes(reader);
    case 5:
      operation->expectation = Expectation::kValue;
      operation->expected_value = reader.span();
      ++*expectations;
      return compares && IsBytes(reader);
    case 6:
      operation->expectation = Expectation::kVersion;
      operation->expected_version = reader.number();
      ++*expectations;
      return compares && IsNumber(reader);
    case 7:
      operation->expectation = reader.number() != 0 ? Expectation::kAbsent : Expectation::kNone;
      ++*expectations;
      return compares && IsNumber(reader);
    default:
      return false;
  }
}

absl::Status CheckOperation(const ParsedOperation& operation, int expectations) {
  if (operation.key.size == 0) {
    return absl::InvalidArgumentError("the key is empty: a key has at least 1 byte");
  }
  if (operation.kind != Operation::kCas) return absl::OkStatus();
  if (expectations == 0) {
    return absl::InvalidArgumentError(
        "the cas has no condition: give expected_value, expected_version or expected_absent");
  }
  if (expectations > 1) {
    return absl::InvalidArgumentError("the cas has more than one condition: give one");
  }
  if (operation.expectation == Expectation::kNone) {
    return absl::InvalidArgumentError("expected_absent is false: it may only be given as true");
  }
  if (operation.expectation == Expectation::kVersion && operation.expected_version == 0) {
    return absl::InvalidArgumentError(
        "expected_version is 0, which no key has: use expected_absent for a missing key");
  }
  return absl::OkStatus();
}

absl::string_view RequestName(Operation operation) {
  switch (operation) {
    case Operation::kGet:
      return "GetRequest";
    case Operation::kSet:
      return "SetRequest";
    case Operation::kCas:
      return "CasRequest";
    case Operation::kDelete:
      return "DeleteRequest";
    default:
      return "BatchRequest";
  }
}

absl::Status ParseSingle(Operation kind, const absl::Cord& request, ParsedRequest* parsed) {
  const absl::string_view name = RequestName(kind);
  parsed->operations.resize(1);
  ParsedOperation& operation = parsed->operations[0];
  operation.kind = kind;
  int expectations = 0;
  FieldSet seen;
  WireReader reader(request);
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (field > 7) return UnknownField(name, field);
    if (!seen.Add(field)) return Repeated(name, field);
    if (field == 1 && IsBytes(reader)) {
      parsed->collection = reader.span();
    } else if (field == 3 && kind == Operation::kGet && IsNumber(reader)) {
      absl::Status status = ParseConsistency(reader, &parsed->read_index);
      if (!status.ok()) return status;
    } else if (field == 3 && kind != Operation::kGet && IsBytes(reader)) {
      absl::Status status = ParseRequestId(reader.Message(), &parsed->request_id.emplace());
      if (!status.ok()) return status;
    } else if (!ParseOperationField(reader, &operation, &expectations)) {
      return UnknownField(name, field);
    }
  }
  if (!reader.ok()) return Malformed(name);
  return CheckOperation(operation, expectations);
}

// The message within the oneof of a BatchOperation.
absl::Status ParseInner(WireReader reader, ParsedOperation* operation) {
  int expectations = 0;
  FieldSet seen;
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (field > 7) return UnknownField("BatchOperation", field);
    if (!seen.Add(field)) return Repeated("BatchOperation", field);
    if (!ParseOperationField(reader, operation, &expectations)) {
      return UnknownField("an operation of BatchOperation", field);
    }
  }
  if (!reader.ok()) return Malformed("BatchOperation");
  return CheckOperation(*operation, expectations);
}

absl::Status ParseBatchOperation(WireReader reader, ParsedOperation* operation) {
  static constexpr Operation kKinds[] = {Operation::kNone, Operation::kGet, Operation::kSet,
                                         Operation::kCas, Operation::kDelete};
  FieldSet seen;
  while (reader.Next()) {
    const uint32_t field = reader.field();
    if (field >= 1 && field <= 4 && IsBytes(reader)) {
      if (operation->kind != Operation::kNone) return Repeated("BatchOperation", field);
      operation->kind = kKinds[field];
      absl::Status status = ParseInner(reader.Message(), operation);
      if (!status.ok()) return status;
    } else if (field == 5 && IsNumber(reader)) {
      if (!seen.Add(field)) return Repeated("BatchOperation", field);
      if (reader.number() > std::numeric_limits<uint32_t>::max()) {
        return absl::InvalidArgumentError("position of a BatchOperation is above 2^32 - 1");
      }
      operation->position = static_cast<uint32_t>(reader.number());
    } else {
      return UnknownField("BatchOperation", field);
    }
  }
  if (!reader.ok()) return Malformed("BatchOperation");
  if (operation->kind == Operation::kNone) {
    return absl::InvalidArgumentError(
        "an operation of the batch says neither get, set, cas nor delete");
  }
  return absl::OkStatus();
}

absl::Status ParseBatch(const absl::Cord& request, ParsedRequest* parsed) {
  FieldSet seen;
  WireReader reader(request);
  while (reader.Next()) {
    const uint32_t field = reader.field();
    absl::Status status;
    if (field < 4 && !seen.Add(field)) return Repeated("BatchRequest", field);
    if (field == 1 && IsBytes(reader)) {
      parsed->collection = reader.span();
    } else if (field == 2 && IsBytes(reader)) {
      status = ParseRequestId(reader.Message(), &parsed->request_id.emplace());
    } else if (field == 3 && IsNumber(reader)) {
      status = ParseConsistency(reader, &parsed->read_index);
    } else if (field == 4 && IsBytes(reader)) {
      ParsedOperation& operation = parsed->operations.emplace_back();
      operation.message = reader.span();
      status = ParseBatchOperation(reader.Message(), &operation);
      if (operation.position == 0) {
        operation.position = static_cast<uint32_t>(parsed->operations.size() - 1);
      }
    } else {
      return UnknownField("BatchRequest", field);
    }
    if (!status.ok()) return status;
  }
  if (!reader.ok()) return Malformed("BatchRequest");
  if (parsed->operations.empty()) {
    return absl::InvalidArgumentError("the batch has no operations: it needs at least 1");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseRequest(Operation operation, const absl::Cord& request, ParsedRequest* parsed) {
  switch (operation) {
    case Operation::kGet:
    case Operation::kSet:
    case Operation::kCas:
    case Operation::kDelete:
      return ParseSingle(operation, request, parsed);
    case Operation::kBatch:
      return ParseBatch(request, parsed);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("operation ", static_cast<int>(operation), " has no keys of the kv type"));
  }
}

absl::Status ParseScan(const absl::Cord& request, ParsedScan* parsed) {
  FieldSet seen;
  WireReader reader(request);
  while (reader.Next()) {
    const uint32_t field = reader.field();
    const bool is_bytes = field <= 3;
    if (field > 8 || (is_bytes ? !IsBytes(reader) : !IsNumber(reader))) {
      return UnknownField("ScanRequest", field);
    }
    if (!seen.Add(field)) return Repeated("ScanRequest", field);
    switch (field) {
      case 1:
        parsed->collection = reader.span();
        break;
      case 2:
        parsed->start = reader.span();
        break;
      case 3:
        parsed->end = reader.span();
        break;
      case 4: {
        absl::Status status = ParseConsistency(reader, &parsed->read_index);
        if (!status.ok()) return status;
        break;
      }
      case 5:
        parsed->limit = reader.number();
        break;
      case 6:
        parsed->keys_only = reader.number() != 0;
        break;
      case 7:
        parsed->page_rows_max = reader.number() & 0xffffffff;
        break;
      case 8:
        parsed->page_bytes_max = reader.number() & 0xffffffff;
        break;
    }
  }
  if (!reader.ok()) return Malformed("ScanRequest");
  return absl::OkStatus();
}

}  // namespace rasputin::kv
