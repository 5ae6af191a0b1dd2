// How the meta range's rows are named and read: range/README.md "Meta range" has the table.
//
// For the parts of the meta range's state machine alone (meta_state.h, meta_directory.h,
// meta_collections.h). Not responsible for what the rows mean. Pure.

#ifndef RASPUTIN_RANGE_META_ROWS_H_
#define RASPUTIN_RANGE_META_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "kv/key.h"
#include "kv/outcome.h"
#include "kv/turn.h"
#include "range/descriptor.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range::meta {

inline absl::string_view View(const std::string& s) {
  return absl::string_view(s.data(), s.size());
}

inline std::string Row(absl::string_view user_key) {
  return kv::DataKey(kMetaCollectionId, user_key);
}
inline std::string IdRow(char kind, uint64_t id) {
  return Row(absl::StrCat(absl::string_view(&kind, 1), CollectionPrefix(id)));
}
// First row beyond all rows of a kind.
inline std::string EndOfKind(char kind) {
  const char next = static_cast<char>(kind + 1);
  return Row(absl::string_view(&next, 1));
}
// 8 bytes, big-endian; 0 for anything else.
inline uint64_t DecodeNumber(absl::string_view bytes) {
  if (bytes.size() != 8) return 0;
  uint64_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

// The same bytes on every replica: the order of a map's entries is fixed.
std::string Serialize(const google::protobuf::Message& message);

template <typename Proto>
absl::Status Parse(absl::string_view value, Proto* out) {
  if (!out->ParseFromArray(value.data(), static_cast<int>(value.size())))
    return absl::DataLossError("meta range: a row does not parse");
  return absl::OkStatus();
}

template <typename Proto>
absl::StatusOr<std::optional<Proto>> Load(const std::string& row, const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> value = turn.Get(row);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::optional<Proto>();
  Proto proto;
  if (absl::Status status = Parse(View(**value), &proto); !status.ok()) return status;
  return std::optional<Proto>(std::move(proto));
}

inline kv::Outcome Refusal(kv::OutcomeCode code, std::string message) {
  kv::Outcome outcome;
  outcome.code = code;
  outcome.message = std::move(message);
  return outcome;
}

inline kv::Outcome Done(const storage::v1::MetaResult& result) {
  kv::Outcome outcome;
  outcome.response = absl::Cord(result.SerializeAsString());
  return outcome;
}

}  // namespace rasputin::range::meta

#endif  // RASPUTIN_RANGE_META_ROWS_H_
