// Random messages by reflection, and what damages them; see inputs.h.

#include "tests/fuzz/inputs.h"

#include <glog/logging.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "absl/strings/match.h"

namespace rasputin::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kDepthMax = 6;

uint64_t AnyNumber(Random* random) {
  switch ((*random)() % 8) {
    case 0:
      return uint64_t{1} << ((*random)() % 64);
    case 1:
      return (uint64_t{1} << ((*random)() % 64)) - 1;
    case 2:
      return (*random)();
    case 3:
      return ~uint64_t{0};
    default:
      return (*random)() % 5;
  }
}

std::string AnyText(Random* random) {
  const uint64_t kind = (*random)() % 64;
  if (kind == 0) return std::string((*random)() % 9000, 'x');
  if (kind < 8) return "default";
  if (kind < 12) return "";
  std::string text;
  for (uint64_t n = 1 + (*random)() % 3; n > 0; --n) {
    text += static_cast<char>('a' + (*random)() % 4);
  }
  return text;
}

std::string AnyBytes(Random* random) {
  const uint64_t kind = (*random)() % 8;
  std::string bytes;
  if (kind < 2) bytes = std::string(7, '\0') + static_cast<char>((*random)() % 4);
  if (kind == 2) {
    for (uint64_t n = (*random)() % 24; n > 0; --n) bytes += static_cast<char>((*random)());
    return bytes;
  }
  return bytes + AnyText(random);
}

void FillAtDepth(Random* random, Message* message, int depth);

// Sets a singular field, or adds one value to a repeated one.
template <typename Set, typename Add, typename Value>
void Put(const FieldDescriptor* field, Set set, Add add, const Value& value) {
  if (field->is_repeated()) {
    add(value);
  } else {
    set(value);
  }
}

void PutValue(Random* random, const FieldDescriptor* field, Message* message, int depth) {
  const Reflection* reflection = message->GetReflection();
  const uint64_t number = AnyNumber(random);
  const auto put = [&](auto set, auto add, const auto& value) {
    Put(
        field, [&](const auto& v) { (reflection->*set)(message, field, v); },
        [&](const auto& v) { (reflection->*add)(message, field, v); }, value);
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      put(&Reflection::SetInt32, &Reflection::AddInt32, static_cast<int32_t>(number));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      put(&Reflection::SetInt64, &Reflection::AddInt64, static_cast<int64_t>(number));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      put(&Reflection::SetUInt32, &Reflection::AddUInt32, static_cast<uint32_t>(number));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      put(&Reflection::SetUInt64, &Reflection::AddUInt64, number);
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      put(&Reflection::SetDouble, &Reflection::AddDouble, static_cast<double>(number));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      put(&Reflection::SetFloat, &Reflection::AddFloat, static_cast<float>(number));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      put(&Reflection::SetBool, &Reflection::AddBool, number % 2 == 0);
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      put(&Reflection::SetEnumValue, &Reflection::AddEnumValue,
          static_cast<int>(number % (field->enum_type()->value_count() + 1)));
      return;
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text =
          field->type() == FieldDescriptor::TYPE_BYTES ? AnyBytes(random) : AnyText(random);
      if (field->is_repeated()) {
        reflection->AddString(message, field, text);
      } else {
        reflection->SetString(message, field, text);
      }
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* part = field->is_repeated() ? reflection->AddMessage(message, field)
                                           : reflection->MutableMessage(message, field);
      if (depth < kDepthMax) FillAtDepth(random, part, depth + 1);
      return;
    }
  }
  LOG(FATAL) << "unknown type of field " << field->full_name();
}

void FillAtDepth(Random* random, Message* message, int depth) {
  const google::protobuf::Descriptor* descriptor = message->GetDescriptor();
  for (int i = 0; i < descriptor->oneof_decl_count(); ++i) {
    const auto* choices = descriptor->oneof_decl(i);
    const uint64_t choice = (*random)() % static_cast<uint64_t>(choices->field_count() + 1);
    if (choice == 0 && (*random)() % 4 != 0) continue;
    PutValue(random, choices->field(static_cast<int>(choice == 0 ? 0 : choice - 1)), message,
             depth);
  }
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->containing_oneof() != nullptr || (*random)() % 4 == 0) continue;
    const uint64_t values = field->is_repeated() ? (*random)() % 4 : 1;
    for (uint64_t n = 0; n < values; ++n) PutValue(random, field, message, depth);
  }
}

// Of the generated parser, about texts that are not UTF-8: it has nothing else to say.
std::atomic<uint64_t> g_complaints{0};

void CountComplaint(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  if (absl::StrContains(message, "UTF-8")) ++g_complaints;
}

}  // namespace

uint64_t Runs(uint64_t usual) {
  google::protobuf::SetLogHandler(CountComplaint);
  const char* wanted = std::getenv("FUZZ_RUNS");
  if (wanted == nullptr) return usual;
  char* end = nullptr;
  const uint64_t runs = std::strtoull(wanted, &end, 10);
  CHECK(runs > 0 && *end == '\0') << "FUZZ_RUNS=" << wanted << " is not a positive number";
  return runs;
}

bool IsMessage(absl::string_view bytes, Message* scratch, bool* parsed) {
  const uint64_t complaints = g_complaints;
  const bool ok = scratch->ParseFromString(std::string(bytes));
  if (parsed != nullptr) *parsed = ok;
  return ok || g_complaints > complaints;
}

void Fill(Random* random, Message* message) {
  message->Clear();
  FillAtDepth(random, message, 0);
}

std::string Mutated(Random* random, std::string bytes) {
  if (bytes.empty()) {
    for (uint64_t n = (*random)() % 12; n > 0; --n) bytes += static_cast<char>((*random)());
    return bytes;
  }
  for (uint64_t n = 1 + (*random)() % 4; n > 0 && !bytes.empty(); --n) {
    const uint64_t at = (*random)() % bytes.size();
    switch ((*random)() % 8) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << ((*random)() % 8)));
        break;
      case 1:
        bytes[at] = static_cast<char>((*random)() % 3 == 0 ? 0xff : (*random)());
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, std::string(1 + (*random)() % 16, static_cast<char>((*random)())));
        break;
      case 4:
        bytes.erase(at, 1 + (*random)() % 4);
        break;
      case 5:
        bytes.insert(at, bytes.substr((*random)() % bytes.size(), (*random)() % 24));
        break;
      case 6: {
        // A number in more bytes than it needs.
        const char last = bytes[at];
        if ((last & 0x80) != 0) break;
        bytes[at] = static_cast<char>(last | 0x80);
        bytes.insert(at + 1, std::string((*random)() % 9, '\x80') + '\0');
        break;
      }
      default:
        bytes.replace(at, 8, bytes.substr((*random)() % bytes.size(), 8));
    }
  }
  return bytes;
}

std::string AnyInput(Random* random, Message* scratch) {
  Fill(random, scratch);
  std::string bytes = scratch->SerializeAsString();
  return (*random)() % 3 == 0 ? bytes : Mutated(random, std::move(bytes));
}

absl::Cord Fragmented(Random* random, absl::string_view bytes) {
  if ((*random)() % 2 == 0) return absl::Cord(bytes);
  absl::Cord cord;
  const uint64_t piece_max = 1 + (*random)() % 100;
  while (!bytes.empty()) {
    // Each piece in a node of its own: short ones that are appended as bytes would be merged.
    auto* piece = new std::string(bytes.substr(0, 1 + (*random)() % piece_max));
    bytes.remove_prefix(piece->size());
    cord.Append(absl::MakeCordFromExternal(*piece, [piece](absl::string_view) { delete piece; }));
  }
  return cord;
}

}  // namespace rasputin::fuzz
