// Full keys; see full_key.h. No state, thread-safe.
//
// Big-endian, so that the order of the bytes is the order of the collection ids.

#include "client/route/full_key.h"

#include <glog/logging.h>

namespace rasputin::client {

std::string KeyPrefix(uint64_t collection_id) { return FullKey(collection_id, ""); }

std::string FullKey(uint64_t collection_id, absl::string_view user_key) {
  std::string full;
  full.reserve(kKeyPrefixBytes + user_key.size());
  for (int shift = 56; shift >= 0; shift -= 8) {
    full.push_back(static_cast<char>(collection_id >> shift & 0xff));
  }
  full.append(user_key.data(), user_key.size());
  return full;
}

uint64_t CollectionOf(absl::string_view full_key) {
  if (full_key.size() < kKeyPrefixBytes) return 0;
  uint64_t id = 0;
  for (size_t i = 0; i < kKeyPrefixBytes; ++i) id = id << 8 | static_cast<uint8_t>(full_key[i]);
  return id;
}

absl::string_view UserKeyOf(absl::string_view full_key) {
  CHECK_GE(full_key.size(), kKeyPrefixBytes);
  return full_key.substr(kKeyPrefixBytes);
}

bool KeyInBounds(absl::string_view full_key, absl::string_view start, absl::string_view end) {
  return full_key >= start && (end.empty() || full_key < end);
}

}  // namespace rasputin::client
