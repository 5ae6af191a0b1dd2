// See output.h.

#include "client/cli/output.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace rasputin::client {
namespace {

// Bytes of the sequence that begins at `at`, 0 if it is none: Unicode 15, table 3-7.
size_t SequenceAt(const std::string& bytes, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : uint8_t{0};
  };
  const auto follows = [&](size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool second =
        byte(1) >= (first == 0xE0 ? 0xA0 : 0x80) && byte(1) <= (first == 0xED ? 0x9F : 0xBF);
    return second && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool second =
        byte(1) >= (first == 0xF0 ? 0x90 : 0x80) && byte(1) <= (first == 0xF4 ? 0x8F : 0xBF);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool IsUtf8(const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = SequenceAt(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void SetBytes(Json* object, const std::string& name, const std::string& bytes) {
  if (IsUtf8(bytes)) {
    (*object)[name] = bytes;
  } else {
    (*object)[absl::StrCat(name, "_base64")] = absl::Base64Escape(bytes);
  }
}

std::string Show(const std::string& bytes, bool hex) {
  if (hex) return absl::BytesToHexString(bytes);
  return IsUtf8(bytes) ? absl::Utf8SafeCHexEscape(bytes) : absl::CHexEscape(bytes);
}

std::string ShowShort(const std::string& bytes, bool hex, size_t bytes_max) {
  if (bytes.size() <= bytes_max) return Show(bytes, hex);
  size_t cut = bytes_max;
  // Not inside a character.
  while (cut > 0 && (static_cast<uint8_t>(bytes[cut]) & 0xC0) == 0x80) --cut;
  return absl::StrCat(Show(bytes.substr(0, cut == 0 ? bytes_max : cut), hex), "... (", bytes.size(),
                      " bytes)");
}

absl::StatusOr<std::string> BytesOf(const std::string& text, bool hex, const std::string& what) {
  if (!hex) return text;
  if (text.size() % 2 != 0 || !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " must be hexadecimal digits, two for each byte, because of --hex"));
  }
  return absl::HexStringToBytes(text);
}

std::string AlignedTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size() + 2, ' '));
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace rasputin::client
