// See key.h.

#include "kv/key.h"

#include <glog/logging.h>

#include "absl/strings/str_cat.h"

namespace rasputin::kv {
namespace {

constexpr char kRowFormat = 1;

}  // namespace

void AppendFixed64(uint64_t value, std::string* out) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  out->append(bytes, sizeof(bytes));
}

uint64_t ReadFixed64(absl::string_view bytes) {
  CHECK_GE(bytes.size(), 8u);
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

std::string DataKey(uint64_t collection_id, absl::string_view user_key) {
  std::string key;
  key.reserve(9 + user_key.size());
  key.push_back(kDataSpace);
  AppendFixed64(collection_id, &key);
  key.append(user_key.data(), user_key.size());
  return key;
}

std::string DataEnd(uint64_t collection_id) {
  if (collection_id == ~uint64_t{0}) return std::string(1, kDataSpace + 1);
  return DataKey(collection_id + 1, "");
}

absl::string_view UserKeyOf(absl::string_view data_key) { return data_key.substr(9); }

std::string FullKey(uint64_t collection_id, absl::string_view user_key) {
  std::string key;
  key.reserve(8 + user_key.size());
  AppendFixed64(collection_id, &key);
  key.append(user_key.data(), user_key.size());
  return key;
}

std::string DataKeyOfFull(absl::string_view full_key) {
  return absl::StrCat(absl::string_view(&kDataSpace, 1), full_key);
}

void AppendEscaped(absl::string_view user_key, std::string* out) {
  for (char c : user_key) {
    out->push_back(c);
    if (c == '\0') out->push_back('\xff');
  }
  out->append("\x00\x01", 2);
}

bool ConsumeEscaped(absl::string_view* in, std::string* user_key) {
  user_key->clear();
  for (size_t i = 0; i < in->size(); ++i) {
    if ((*in)[i] != '\0') {
      user_key->push_back((*in)[i]);
      continue;
    }
    if (++i == in->size()) return false;
    if ((*in)[i] == '\x01') {
      in->remove_prefix(i + 1);
      return true;
    }
    if ((*in)[i] != '\xff') return false;
    user_key->push_back('\0');
  }
  return false;
}

std::string RangeRowKey(uint64_t range_id, uint8_t kind) {
  std::string key(1, kRangeSpace);
  AppendFixed64(range_id, &key);
  key.push_back(static_cast<char>(kind));
  return key;
}

std::string RangeRowsEnd(uint64_t range_id) { return RangeRowKey(range_id, 0xff); }

std::string EncodeRow(uint64_t version, const CordBytes& bytes, ByteSpan payload) {
  std::string row;
  row.reserve(kRowHeaderBytes + payload.size);
  row.push_back(kRowFormat);
  row.push_back(0);
  AppendFixed64(version, &row);
  bytes.AppendTo(payload, &row);
  return row;
}

absl::Status DecodeRow(absl::string_view row, RowView* view) {
  if (row.size() < kRowHeaderBytes) {
    return absl::DataLossError(absl::StrCat("a row has ", row.size(), " bytes, fewer than ",
                                            kRowHeaderBytes, ": the engine's data is damaged"));
  }
  if (row[0] != kRowFormat || row[1] != 0) {
    return absl::DataLossError(absl::StrCat(
        "a row has format ", static_cast<uint8_t>(row[0]), " and flags ",
        static_cast<uint8_t>(row[1]), "; this program knows format 1 without flags: is it older?"));
  }
  view->version = ReadFixed64(row.substr(2));
  view->payload = row.substr(kRowHeaderBytes);
  return absl::OkStatus();
}

}  // namespace rasputin::kv
