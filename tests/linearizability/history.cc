// Text forms of histories; see history.h.

#include "tests/linearizability/history.h"

#include <algorithm>
#include <cstdio>
#include <tuple>

namespace rasputin::linearizability {
namespace {

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte > 0x7e) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Quoted(const std::optional<std::string>& text) {
  return text.has_value() ? Quoted(*text) : "null";
}

std::string Asked(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kSet:
      return Quoted(operation.value);
    case Kind::kCas:
      return "[" + Quoted(operation.expected) + "," + Quoted(operation.value) + "]";
    case Kind::kGet:
    case Kind::kDelete:
      break;
  }
  return "null";
}

std::string Answered(const Operation& operation) {
  if (operation.result != Result::kOk) return Asked(operation);
  switch (operation.kind) {
    case Kind::kGet:
    case Kind::kDelete:
      return Quoted(operation.observed);
    case Kind::kSet:
      return Quoted(operation.value);
    case Kind::kCas:
      break;
  }
  // A cas that failed is an answer with what was there instead.
  return operation.swapped ? Asked(operation) : "{\"current\":" + Quoted(operation.observed) + "}";
}

const char* ReturnType(const Operation& operation) {
  if (operation.result == Result::kUnknown) return "info";
  if (operation.result == Result::kNotExecuted) return "fail";
  return "ok";
}

}  // namespace

const char* ToString(Kind kind) {
  switch (kind) {
    case Kind::kGet:
      return "get";
    case Kind::kSet:
      return "set";
    case Kind::kCas:
      return "cas";
    case Kind::kDelete:
      return "delete";
  }
  return "?";
}

const char* ToString(Result result) {
  switch (result) {
    case Result::kOk:
      return "ok";
    case Result::kNotExecuted:
      return "not executed";
    case Result::kUnknown:
      return "unknown";
  }
  return "?";
}

std::string ToString(const Operation& operation) {
  std::string line =
      "process " + std::to_string(operation.process) + " [" + std::to_string(operation.called_ns) +
      ", " + (operation.returned_ns == kNever ? "-" : std::to_string(operation.returned_ns)) +
      "] " + ToString(operation.kind) + " " + Quoted(operation.key);
  const std::string asked = Asked(operation);
  if (asked != "null") line += " " + asked;
  line += std::string(" -> ") + ToString(operation.result);
  if (operation.result == Result::kOk) line += " " + Answered(operation);
  if (operation.version != 0) line += " @" + std::to_string(operation.version);
  return line;
}

void WriteJsonLines(const History& history, std::ostream* out) {
  // (time, is return, position): a call before a return at the same time, as the checker has it.
  std::vector<std::tuple<int64_t, bool, size_t>> moments;
  for (size_t i = 0; i < history.size(); ++i) {
    moments.emplace_back(history[i].called_ns, false, i);
    moments.emplace_back(history[i].returned_ns, true, i);
  }
  std::sort(moments.begin(), moments.end());
  for (const auto& [time, is_return, position] : moments) {
    const Operation& operation = history[position];
    *out << "{\"process\":" << operation.process << ",\"type\":\""
         << (is_return ? ReturnType(operation) : "invoke") << "\",\"f\":\""
         << ToString(operation.kind) << "\",\"key\":" << Quoted(operation.key)
         << ",\"value\":" << (is_return ? Answered(operation) : Asked(operation))
         << ",\"time\":" << (time == kNever ? std::string("null") : std::to_string(time)) << "}\n";
  }
}

}  // namespace rasputin::linearizability
