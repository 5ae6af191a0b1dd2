// The commands on keys; see kv_commands.h.

#include "client/cli/kv_commands.h"

#include <array>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"

namespace rasputin::client {
namespace {

// Of a value in the table of a scan; JSON has all of it.
constexpr size_t kShownBytesMax = 200;

// Longer than any value; what is longer is refused by its first bytes, also if it never ends.
constexpr size_t kReadBytesMax = 64 << 20;

// Everything in a file or standard input, `name`. What a folder answers becomes a state of the
// stream here, and not, as with iterators, an exception.
absl::StatusOr<std::string> ReadAll(std::istream* in, const std::string& name) {
  std::string all;
  std::array<char, 1 << 16> chunk;
  while (in->read(chunk.data(), chunk.size()) || in->gcount() > 0) {
    all.append(chunk.data(), static_cast<size_t>(in->gcount()));
    if (all.size() <= kReadBytesMax) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " holds more than ", kReadBytesMax, " bytes: it is no value"));
  }
  if (!in->bad()) return all;
  return absl::InvalidArgumentError(
      absl::StrCat("cannot read ", name, ": it must be a file, not a directory"));
}

absl::StatusOr<std::string> KeyOf(const Context& context) {
  absl::StatusOr<std::string> key = BytesOf(context.line.Operand(0), context.hex(), "KEY");
  if (key.ok() && key->empty()) return absl::InvalidArgumentError("KEY must not be empty");
  return key;
}

// The value to write: --file, or the operand, where '-' stands for standard input.
absl::StatusOr<std::string> ValueOf(const Context& context, const std::string& name) {
  const bool has_operand = context.line.operands().size() > 1;
  if (context.line.Has("file") == has_operand) {
    return absl::InvalidArgumentError(
        absl::StrCat("give either ", name, " or --file PATH (", name, " '-': standard input)"));
  }
  if (has_operand) {
    const std::string operand = context.line.Operand(1);
    if (operand == "-") return ReadAll(context.streams.in, "standard input");
    return BytesOf(operand, context.hex(), name);
  }
  const std::string path = absl::StrCat("--file ", context.line.Text("file"));
  std::ifstream file(context.line.Text("file"), std::ios::binary);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  return ReadAll(&file, path);
}

void SetVersion(Json* object, uint64_t version) { (*object)["version"] = absl::StrCat(version); }

// A value for people: alone with --raw, otherwise with a newline behind it.
std::string ValueText(const Context& context, const std::string& value) {
  if (context.line.Has("raw")) return value;
  if (context.hex()) return absl::StrCat(Show(value, true), "\n");
  return absl::StrCat(value, "\n");
}

Json KeyJson(const std::string& key) {
  Json json;
  SetBytes(&json, "key", key);
  return json;
}

// Sets the condition of a cas from exactly one of three flags.
absl::Status SetExpectation(const Context& context, kv::v1::CasRequest* request) {
  const CommandLine& line = context.line;
  if (line.Has("expect") + line.Has("expect-version") + line.Has("absent") != 1) {
    return absl::InvalidArgumentError(
        "give one of --expect VALUE, --expect-version VERSION and --absent");
  }
  if (line.Has("absent")) {
    request->set_expected_absent(true);
  } else if (line.Has("expect-version")) {
    uint64_t version = 0;
    if (!absl::SimpleAtoi(line.Text("expect-version"), &version) || version == 0) {
      return absl::InvalidArgumentError("--expect-version must be a number above 0");
    }
    request->set_expected_version(version);
  } else {
    absl::StatusOr<std::string> value = BytesOf(line.Text("expect"), context.hex(), "--expect");
    if (!value.ok()) return value.status();
    request->set_expected_value(*std::move(value));
  }
  return absl::OkStatus();
}

// A repeat is answered from what the server remembers, which is no value over 4 KiB.
void NoteOmittedValue(const Context& context) {
  context.Note("the value is not shown: this is the answer to a repeat");
}

int WriteCasResult(const Context& context, const kv::v1::CasResponse& response, Json json) {
  json["success"] = response.success();
  json["found"] = response.found();
  if (response.found()) {
    SetVersion(&json, response.version());
    if (response.value_omitted()) {
      json["value_omitted"] = true;
    } else {
      SetBytes(&json, "value", response.value());
    }
  }
  if (response.success()) {
    context.Write(json, absl::StrCat("version ", response.version(), "\n"));
    return kDone;
  }
  const bool shown = response.found() && !response.value_omitted();
  context.Write(json, shown ? ValueText(context, response.value()) : std::string());
  if (response.found() && !shown) NoteOmittedValue(context);
  context.Note(response.found()
                   ? absl::StrCat("not written: the key holds another value, of version ",
                                  response.version())
                   : std::string("not written: the key does not exist"));
  return kNo;
}

// The first key behind all keys that begin with `prefix`; "": there is none.
std::string EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

absl::StatusOr<kv::v1::ScanRequest> ScanRequestOf(const Context& context) {
  const CommandLine& line = context.line;
  kv::v1::ScanRequest request;
  request.set_collection(line.Text("collection"));
  request.set_keys_only(line.Has("keys-only"));
  absl::StatusOr<uint64_t> limit = line.Number("limit", 0, uint64_t{1} << 62);
  if (!limit.ok()) return limit.status();
  request.set_limit(*limit);
  if (line.Has("prefix") && !line.operands().empty()) {
    return absl::InvalidArgumentError("give either --prefix or START and END");
  }
  absl::StatusOr<std::string> start = line.Has("prefix")
                                          ? BytesOf(line.Text("prefix"), context.hex(), "--prefix")
                                          : BytesOf(line.Operand(0), context.hex(), "START");
  if (!start.ok()) return start.status();
  absl::StatusOr<std::string> end =
      line.Has("prefix") ? EndOfPrefix(*start) : BytesOf(line.Operand(1), context.hex(), "END");
  if (!end.ok()) return end.status();
  if (!end->empty() && *start >= *end) {
    return absl::InvalidArgumentError(
        "START must come before END, in the order of the bytes: nothing lies between them");
  }
  request.set_start(*std::move(start));
  request.set_end(*std::move(end));
  return request;
}

void WriteRow(const Context& context, const kv::v1::KeyValue& row, bool first) {
  const bool keys_only = context.line.Has("keys-only");
  if (context.json) {
    Json json = KeyJson(row.key());
    SetVersion(&json, row.version());
    if (!keys_only) SetBytes(&json, "value", row.value());
    *context.streams.out << (first ? "\n  " : ",\n  ") << json.dump();
    return;
  }
  *context.streams.out << Show(row.key(), context.hex()) << "\t" << row.version();
  if (!keys_only) {
    *context.streams.out << "\t" << ShowShort(row.value(), context.hex(), kShownBytesMax);
  }
  *context.streams.out << "\n";
}

}  // namespace

int KvGet(const Context& context) {
  absl::StatusOr<std::string> key = KeyOf(context);
  if (!key.ok()) return context.FailUsage(key.status());
  kv::v1::GetRequest request;
  request.set_collection(context.line.Text("collection"));
  request.set_key(*key);
  if (context.line.Has("read-index")) {
    request.set_consistency(type::v1::CONSISTENCY_READ_INDEX);
  }
  const absl::StatusOr<kv::v1::GetResponse> response = Client(context.options).Get(request);
  if (!response.ok()) return context.Fail(response.status(), false);
  Json json = KeyJson(*key);
  json["found"] = response->found();
  if (!response->found()) {
    context.Write(json, "");
    context.Note("no such key");
    return kNo;
  }
  SetVersion(&json, response->version());
  SetBytes(&json, "value", response->value());
  context.Write(json, ValueText(context, response->value()));
  return kDone;
}

int KvSet(const Context& context) {
  absl::StatusOr<std::string> key = KeyOf(context);
  if (!key.ok()) return context.FailUsage(key.status());
  absl::StatusOr<std::string> value = ValueOf(context, "VALUE");
  if (!value.ok()) return context.FailUsage(value.status());
  kv::v1::SetRequest request;
  request.set_collection(context.line.Text("collection"));
  request.set_key(*key);
  request.set_value(*std::move(value));
  const absl::StatusOr<kv::v1::SetResponse> response =
      Client(context.options).Set(std::move(request));
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json = KeyJson(*key);
  SetVersion(&json, response->version());
  context.Write(json, absl::StrCat("version ", response->version(), "\n"));
  return kDone;
}

int KvCas(const Context& context) {
  absl::StatusOr<std::string> key = KeyOf(context);
  if (!key.ok()) return context.FailUsage(key.status());
  kv::v1::CasRequest request;
  const absl::Status expectation = SetExpectation(context, &request);
  if (!expectation.ok()) return context.FailUsage(expectation);
  absl::StatusOr<std::string> value = ValueOf(context, "NEW");
  if (!value.ok()) return context.FailUsage(value.status());
  request.set_collection(context.line.Text("collection"));
  request.set_key(*key);
  request.set_value(*std::move(value));
  const absl::StatusOr<kv::v1::CasResponse> response =
      Client(context.options).Cas(std::move(request));
  if (!response.ok()) return context.Fail(response.status(), true);
  return WriteCasResult(context, *response, KeyJson(*key));
}

int KvDel(const Context& context) {
  absl::StatusOr<std::string> key = KeyOf(context);
  if (!key.ok()) return context.FailUsage(key.status());
  kv::v1::DeleteRequest request;
  request.set_collection(context.line.Text("collection"));
  request.set_key(*key);
  const absl::StatusOr<kv::v1::DeleteResponse> response =
      Client(context.options).Delete(std::move(request));
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json = KeyJson(*key);
  json["found"] = response->found();
  if (!response->found()) {
    context.Write(json, "");
    context.Note("no such key");
    return kNo;
  }
  SetVersion(&json, response->version());
  json["previous_version"] = absl::StrCat(response->previous_version());
  if (response->value_omitted()) {
    json["value_omitted"] = true;
  } else {
    SetBytes(&json, "previous_value", response->previous_value());
  }
  const bool shown = !response->value_omitted();
  context.Write(json, shown ? ValueText(context, response->previous_value()) : std::string());
  if (!shown) NoteOmittedValue(context);
  return kDone;
}

int KvScan(const Context& context) {
  absl::StatusOr<kv::v1::ScanRequest> request = ScanRequestOf(context);
  if (!request.ok()) return context.FailUsage(request.status());
  if (context.json) *context.streams.out << "[";
  bool first = true;
  const absl::Status status =
      Client(context.options).Scan(*std::move(request), [&](const kv::v1::KeyValue& row) {
        WriteRow(context, row, first);
        first = false;
        // Nobody reads any more.
        return context.streams.out->good();
      });
  if (context.json) *context.streams.out << (first ? "]\n" : "\n]\n");
  context.streams.out->flush();
  return status.ok() ? kDone : context.Fail(status, false);
}

}  // namespace rasputin::client
