// Engine keys and rows: where everything lies in the engine, byte by byte.
//
// Formats with worked examples: kv/README.md. Pure functions. Not responsible for what the rows of
// the range-local space hold (range_rows.h, session_table.h).

#ifndef RASPUTIN_KV_KEY_H_
#define RASPUTIN_KV_KEY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kv/wire.h"

namespace rasputin::kv {

// First byte of every engine key. `l` and `h` are reserved for transactions and retained history.
inline constexpr char kDataSpace = 'd';
inline constexpr char kLockSpace = 'l';
inline constexpr char kHistorySpace = 'h';
inline constexpr char kRangeSpace = 'r';

// Big-endian, so that numbers sort as bytes.
void AppendFixed64(uint64_t value, std::string* out);
uint64_t ReadFixed64(absl::string_view bytes);  // Of the first 8 bytes; there must be as many.

// 'd', collection id, user key. An empty user key: where the collection begins.
std::string DataKey(uint64_t collection_id, absl::string_view user_key);
// Where the data of the collection ends, exclusive.
std::string DataEnd(uint64_t collection_id);
// The user key in a key made by DataKey.
absl::string_view UserKeyOf(absl::string_view data_key);

// Collection id, user key: the form of RangeDescriptor.start_key and of the directory.
std::string FullKey(uint64_t collection_id, absl::string_view user_key);
// 'd' and a full key; the same bytes as DataKey.
std::string DataKeyOfFull(absl::string_view full_key);

// For spaces `l` and `h`: the user key with 00 replaced by 00 FF, ended by 00 01, so that no key is
// a prefix of another and the order is kept.
void AppendEscaped(absl::string_view user_key, std::string* out);
// Takes an escaped key off the front of `*in`. False: not one.
bool ConsumeEscaped(absl::string_view* in, std::string* user_key);

// 'r', range id, kind of row; what follows is up to the kind.
std::string RangeRowKey(uint64_t range_id, uint8_t kind);
// Where the rows of the range end, exclusive.
std::string RangeRowsEnd(uint64_t range_id);

// A row of the data space: {format, flags, version, payload}; no flags are defined yet.
inline constexpr size_t kRowHeaderBytes = 10;
std::string EncodeRow(uint64_t version, const CordBytes& bytes, ByteSpan payload);

struct RowView {
  uint64_t version = 0;
  absl::string_view payload;
};
// DATA_LOSS: not a row, or of a newer format (says which).
absl::Status DecodeRow(absl::string_view row, RowView* view);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_KEY_H_
