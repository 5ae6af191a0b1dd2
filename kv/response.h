// Responses of rasputin.kv.v1, encoded without a copy of the value where it is large.
//
// Pure functions; rows are those of key.h. Not responsible for which response is due
// (state_machine.h).

#ifndef RASPUTIN_KV_RESPONSE_H_
#define RASPUTIN_KV_RESPONSE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "kv/outcome.h"
#include "kv/wire.h"

namespace rasputin::kv {

// A row as read from the engine, taken apart; the payload is not copied.
struct HeldRow {
  uint64_t version = 0;
  std::string bytes;  // The whole row.

  absl::string_view payload() const;
};
// nullopt: no row. DATA_LOSS: see DecodeRow.
absl::StatusOr<std::optional<HeldRow>> TakeRow(std::optional<std::string> row);

// The value of a response: what to send, or that it is left out.
struct ResponseValue {
  absl::Cord bytes;
  bool omitted = false;
};
// References the row's bytes if they are many.
ResponseValue ValueOf(HeldRow row);

absl::Cord EncodeGetResponse(std::optional<HeldRow> row);
std::string EncodeSetResponse(uint64_t version);
// `found` and `version`: of what the key holds now.
absl::Cord EncodeCasResponse(bool success, bool found, uint64_t version,
                             const ResponseValue& value);
// `version`: of the removal.
absl::Cord EncodeDeleteResponse(uint64_t previous_version, const ResponseValue& previous,
                                uint64_t version);

// A BatchResult: the response under its field, or the error. `field`: of the oneof, 1 to 4.
absl::Cord EncodeBatchResult(uint32_t field, const Outcome& outcome);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_RESPONSE_H_
