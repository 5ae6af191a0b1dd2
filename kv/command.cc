// See command.h. The header is {format, operation, flags, generation, version, origin,
// origin sequence, [session]}; see kv/README.md for the bytes.

#include "kv/command.h"

#include <glog/logging.h>

#include "absl/strings/str_cat.h"
#include "kv/wire.h"

namespace rasputin::kv {
namespace {

constexpr uint8_t kFormat = 1;
constexpr uint8_t kHasSession = 1;
// Format, operation, flags and at most eight varints.
constexpr size_t kHeaderBytesMax = 3 + 8 * 10;

bool IsMutation(uint8_t operation) {
  switch (static_cast<Operation>(operation)) {
    case Operation::kSet:
    case Operation::kCas:
    case Operation::kDelete:
    case Operation::kBatch:
    case Operation::kSplit:
    case Operation::kMeta:
    case Operation::kMergeBegin:
    case Operation::kFreeze:
    case Operation::kMerge:
    case Operation::kMergeAbandon:
    case Operation::kThaw:
    case Operation::kMergeEnd:
    case Operation::kDropRange:
      return true;
    default:
      return false;
  }
}

bool TakeVarint(absl::string_view* in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !in->empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

absl::Cord EncodeCommand(const Command& command) {
  CHECK(IsMutation(static_cast<uint8_t>(command.operation)))
      << "operation " << static_cast<int>(command.operation) << " never belongs in a log";
  std::string header;
  header.reserve(kHeaderBytesMax);
  header.push_back(static_cast<char>(kFormat));
  header.push_back(static_cast<char>(command.operation));
  header.push_back(static_cast<char>(command.session ? kHasSession : 0));
  AppendVarint(command.generation, &header);
  AppendVarint(command.version, &header);
  AppendVarint(command.origin, &header);
  AppendVarint(command.origin_sequence, &header);
  if (command.session) {
    AppendVarint(command.session->client_id, &header);
    AppendVarint(command.session->sequence, &header);
    AppendVarint(command.session->acked_below, &header);
    AppendVarint(command.session->issued_at_ms, &header);
  }
  absl::Cord encoded(std::move(header));
  encoded.Append(command.body);
  return encoded;
}

absl::StatusOr<Command> DecodeCommand(const absl::Cord& encoded) {
  const absl::Cord head = encoded.Subcord(0, kHeaderBytesMax);
  std::string scratch;
  absl::string_view in = CordBytes(head).View({0, head.size()}, &scratch);
  const size_t head_size = in.size();
  if (in.size() < 3) return absl::InvalidArgumentError("not a command: shorter than its header");
  const uint8_t format = static_cast<uint8_t>(in[0]);
  const uint8_t operation = static_cast<uint8_t>(in[1]);
  const uint8_t flags = static_cast<uint8_t>(in[2]);
  if (format != kFormat) {
    return absl::InvalidArgumentError(absl::StrCat("a command has format ", format,
                                                   "; this program knows format ", kFormat,
                                                   ": is it older?"));
  }
  if (!IsMutation(operation) || (flags & ~kHasSession) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("a command has operation ", operation,
                                                   " and flags ", flags,
                                                   ", which this program does not know"));
  }
  in.remove_prefix(3);
  Command command;
  command.operation = static_cast<Operation>(operation);
  bool ok = TakeVarint(&in, &command.generation) && TakeVarint(&in, &command.version) &&
            TakeVarint(&in, &command.origin) && TakeVarint(&in, &command.origin_sequence);
  if (ok && (flags & kHasSession) != 0) {
    RequestId& id = command.session.emplace();
    ok = TakeVarint(&in, &id.client_id) && TakeVarint(&in, &id.sequence) &&
         TakeVarint(&in, &id.acked_below) && TakeVarint(&in, &id.issued_at_ms);
  }
  if (!ok) return absl::InvalidArgumentError("not a command: its header is cut short");
  command.body = encoded.Subcord(head_size - in.size(), encoded.size());
  return command;
}

}  // namespace rasputin::kv
