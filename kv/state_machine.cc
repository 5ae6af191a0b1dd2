// See state_machine.h.

#include "kv/state_machine.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "kv/batch_division.h"
#include "kv/key.h"
#include "kv/request_parser.h"
#include "kv/response.h"
#include "kv/session_table.h"

namespace rasputin::kv {
namespace {

Outcome Refuse(OutcomeCode code, absl::string_view message) {
  Outcome outcome;
  outcome.code = code;
  outcome.message = std::string(message);
  return outcome;
}

Outcome Answer(absl::Cord response) {
  Outcome outcome;
  outcome.response = std::move(response);
  return outcome;
}

Outcome SessionExpired() {
  return Refuse(OutcomeCode::kSessionExpired,
                absl::StrCat("the request_id is older than what is remembered (",
                             kIssuedAgeMaxMs / 60000, " minutes, ", kSessionPlaces,
                             " sequences per client): whether it was executed is unknown"));
}

uint32_t ResultField(Operation kind) {
  switch (kind) {
    case Operation::kGet:
      return 1;
    case Operation::kSet:
      return 2;
    case Operation::kCas:
      return 3;
    default:
      return 4;
  }
}

using ReadRow = absl::FunctionRef<absl::StatusOr<std::optional<std::string>>(absl::string_view)>;

absl::StatusOr<std::optional<HeldRow>> Hold(absl::StatusOr<std::optional<std::string>> row) {
  if (!row.ok()) return row.status();
  return TakeRow(*std::move(row));
}

absl::StatusOr<Outcome> GetOne(absl::string_view key, ReadRow read, uint64_t budget) {
  absl::StatusOr<std::optional<HeldRow>> row = Hold(read(key));
  if (!row.ok()) return row.status();
  if (row->has_value() && (*row)->payload().size() > budget) {
    return Refuse(OutcomeCode::kResourceExhausted,
                  absl::StrCat("the answers of the batch would have over ", kBatchResponseBytesMax,
                               " bytes: get this key by itself"));
  }
  return Answer(EncodeGetResponse(*std::move(row)));
}

// The results of a batch, and how many bytes of values it may still answer.
class BatchAnswer {
 public:
  uint64_t budget() const {
    return response_.size() < kBatchResponseBytesMax ? kBatchResponseBytesMax - response_.size()
                                                     : 0;
  }
  void Add(Operation kind, const Outcome& outcome) {
    const absl::Cord result = EncodeBatchResult(ResultField(kind), outcome);
    std::string header;
    AppendBytesHeader(1, result.size(), &header);
    response_.Append(header);
    response_.Append(result);
  }
  Outcome Take() { return Answer(std::move(response_)); }

 private:
  absl::Cord response_;
};

// One command while it is applied.
class Application {
 public:
  Application(const Space& space, const Command& command, Turn* turn)
      : space_(space),
        command_(command),
        turn_(turn),
        bytes_(command.body),
        sessions_(space.range_id, command.version, turn) {}

  absl::StatusOr<Outcome> Run() {
    const absl::Status status = ParseRequest(command_.operation, command_.body, &parsed_);
    if (!status.ok()) {
      return Refuse(OutcomeCode::kInvalidArgument, status.message());
    }
    if (command_.session) {
      absl::StatusOr<SessionTable::Admission> admission = sessions_.Admit(*command_.session);
      if (!admission.ok()) return admission.status();
      if (*admission == SessionTable::Admission::kExpired) return SessionExpired();
      if (*admission == SessionTable::Admission::kClockAhead) return ClockAhead();
    }
    if (command_.operation != Operation::kBatch) {
      return RunOne(parsed_.operations[0], kBatchResponseBytesMax);
    }
    BatchAnswer answer;
    for (const ParsedOperation& operation : parsed_.operations) {
      absl::StatusOr<Outcome> outcome = RunOne(operation, answer.budget());
      if (!outcome.ok()) return outcome.status();
      answer.Add(operation.kind, *outcome);
    }
    return answer.Take();
  }

 private:
  Outcome ClockAhead() const {
    return Refuse(OutcomeCode::kFailedPrecondition,
                  absl::StrCat("request_id.issued_at_ms is ",
                               command_.session->issued_at_ms - (command_.version >> 16),
                               " ms ahead of the cluster; at most ", kClockAheadMaxMs,
                               " ms are allowed: set the client's clock"));
  }

  // Answers a repeat; nullopt: the operation is new.
  absl::StatusOr<std::optional<Outcome>> Recall(const ParsedOperation& operation) {
    std::string remembered;
    absl::StatusOr<SessionTable::Memory> memory =
        sessions_.Recall(SequenceOf(operation), operation.kind, &remembered);
    if (!memory.ok()) return memory.status();
    switch (*memory) {
      case SessionTable::Memory::kNew:
        return std::optional<Outcome>();
      case SessionTable::Memory::kForgotten:
        return std::optional<Outcome>(SessionExpired());
      case SessionTable::Memory::kMismatch:
        return std::optional<Outcome>(
            Refuse(OutcomeCode::kInvalidArgument,
                   "request_id.sequence was used before for a request of another kind"));
      case SessionTable::Memory::kRepeat:
        break;
    }
    return std::optional<Outcome>(Answer(absl::Cord(std::move(remembered))));
  }

  uint64_t SequenceOf(const ParsedOperation& operation) const {
    return command_.session->sequence + operation.position;
  }

  void Remember(const ParsedOperation& operation, absl::string_view response) {
    if (command_.session) sessions_.Remember(SequenceOf(operation), operation.kind, response);
  }

  absl::StatusOr<Outcome> RunOne(const ParsedOperation& operation, uint64_t budget) {
    std::string scratch;
    std::string key = DataKey(space_.collection_id, bytes_.View(operation.key, &scratch));
    if (operation.kind == Operation::kGet) {
      return GetOne(
          key, [this](absl::string_view k) { return turn_->Get(k); }, budget);
    }
    if (command_.session) {
      absl::StatusOr<std::optional<Outcome>> repeat = Recall(operation);
      if (!repeat.ok()) return repeat.status();
      if (repeat->has_value()) return **std::move(repeat);
    }
    switch (operation.kind) {
      case Operation::kSet:
        return Set(operation, std::move(key));
      case Operation::kCas:
        return Cas(operation, std::move(key), budget);
      default:
        return Delete(operation, std::move(key), budget);
    }
  }

  Outcome Set(const ParsedOperation& operation, std::string key) {
    turn_->Put(std::move(key), EncodeRow(command_.version, bytes_, operation.value));
    std::string response = EncodeSetResponse(command_.version);
    Remember(operation, response);
    return Answer(absl::Cord(std::move(response)));
  }

  bool Holds(const ParsedOperation& operation, const std::optional<HeldRow>& row) const {
    switch (operation.expectation) {
      case Expectation::kAbsent:
        return !row.has_value();
      case Expectation::kVersion:
        return row.has_value() && row->version == operation.expected_version;
      case Expectation::kValue:
        return row.has_value() && bytes_.Equals(operation.expected_value, row->payload());
      case Expectation::kNone:
        break;
    }
    return false;
  }

  absl::StatusOr<Outcome> Cas(const ParsedOperation& operation, std::string key, uint64_t budget) {
    absl::StatusOr<std::optional<HeldRow>> row = Hold(turn_->Get(key));
    if (!row.ok()) return row.status();
    const bool success = Holds(operation, *row);
    bool found = true;
    uint64_t version = command_.version;
    ResponseValue value;
    if (success) {
      turn_->Put(std::move(key), EncodeRow(command_.version, bytes_, operation.value));
      value.bytes = bytes_.Sub(operation.value);
    } else {
      found = row->has_value();
      version = found ? (*row)->version : 0;
      if (found) value = ValueOf(**std::move(row));
    }
    return AnswerAndRemember(operation, std::move(value), budget, [&](const ResponseValue& v) {
      return EncodeCasResponse(success, found, version, v);
    });
  }

  absl::StatusOr<Outcome> Delete(const ParsedOperation& operation, std::string key,
                                 uint64_t budget) {
    absl::StatusOr<std::optional<HeldRow>> row = Hold(turn_->Get(key));
    if (!row.ok()) return row.status();
    if (!row->has_value()) {
      Remember(operation, "");
      return Answer(absl::Cord());
    }
    turn_->Delete(std::move(key));
    const uint64_t previous_version = (*row)->version;
    return AnswerAndRemember(operation, ValueOf(**std::move(row)), budget,
                             [&](const ResponseValue& v) {
                               return EncodeDeleteResponse(previous_version, v, command_.version);
                             });
  }

  // The first answer leaves a value out only if the batch has no room for it, what is remembered
  // leaves out a long one.
  Outcome AnswerAndRemember(const ParsedOperation& operation, ResponseValue value, uint64_t budget,
                            absl::FunctionRef<absl::Cord(const ResponseValue&)> encode) {
    const ResponseValue omitted{absl::Cord(), true};
    if (command_.session) {
      const bool is_long = value.bytes.size() > kRememberedValueBytesMax;
      Remember(operation, std::string(encode(is_long ? omitted : value)));
    }
    return Answer(encode(value.bytes.size() > budget ? omitted : value));
  }

  const Space& space_;
  const Command& command_;
  Turn* const turn_;
  const CordBytes bytes_;
  SessionTable sessions_;
  ParsedRequest parsed_;
};

}  // namespace

absl::StatusOr<Outcome> Apply(const Space& space, const Command& command, Turn* turn) {
  switch (command.operation) {
    case Operation::kSet:
    case Operation::kCas:
    case Operation::kDelete:
    case Operation::kBatch:
      return Application(space, command, turn).Run();
    default:
      return absl::InternalError(absl::StrCat("operation ", static_cast<int>(command.operation),
                                              " is not one of the kv type"));
  }
}

absl::StatusOr<Outcome> Get(const Space& space, const absl::Cord& request, const Engine& engine) {
  ParsedRequest parsed;
  absl::Status status = ParseRequest(Operation::kGet, request, &parsed);
  if (!status.ok()) return Refuse(OutcomeCode::kInvalidArgument, status.message());
  std::string scratch;
  const absl::string_view key = CordBytes(request).View(parsed.operations[0].key, &scratch);
  return GetOne(
      DataKey(space.collection_id, key), [&](absl::string_view k) { return engine.Get(k); },
      ~uint64_t{0});
}

absl::StatusOr<Outcome> GetBatch(const Space& space, const absl::Cord& request,
                                 const Engine& engine) {
  ParsedRequest parsed;
  absl::Status status = ParseRequest(Operation::kBatch, request, &parsed);
  if (!status.ok()) return Refuse(OutcomeCode::kInvalidArgument, status.message());
  const CordBytes bytes(request);
  std::string scratch;
  BatchAnswer answer;
  for (const ParsedOperation& operation : parsed.operations) {
    if (operation.kind != Operation::kGet) {
      return absl::InternalError("a batch that writes was given to be read");
    }
    absl::StatusOr<Outcome> outcome = GetOne(
        DataKey(space.collection_id, bytes.View(operation.key, &scratch)),
        [&](absl::string_view k) { return engine.Get(k); }, answer.budget());
    if (!outcome.ok()) return outcome.status();
    answer.Add(Operation::kGet, *outcome);
  }
  return answer.Take();
}

}  // namespace rasputin::kv
