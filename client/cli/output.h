// How results are written: tables for people, JSON for programs, bytes in both.
//
// Pure functions. JSON is always valid: bytes that are not UTF-8 go under NAME_base64. Versions and
// the cluster id are JSON strings, because many readers of JSON keep only 53 bits of a number.

#ifndef RASPUTIN_CLIENT_CLI_OUTPUT_H_
#define RASPUTIN_CLIENT_CLI_OUTPUT_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rasputin::client {

using Json = nlohmann::ordered_json;

bool IsUtf8(const std::string& bytes);
// Sets `name`, or `name`_base64 if the bytes are not UTF-8.
void SetBytes(Json* object, const std::string& name, const std::string& bytes);

// Bytes in one line of a table: UTF-8 as it is, the rest escaped; with `hex` all in hexadecimal.
std::string Show(const std::string& bytes, bool hex);
// The same, but cut after about so many bytes, with the size behind it.
std::string ShowShort(const std::string& bytes, bool hex, size_t bytes_max);
// What the user typed, or with `hex` what its digits stand for. `what` names it in the error.
absl::StatusOr<std::string> BytesOf(const std::string& text, bool hex, const std::string& what);

// Columns aligned with blanks; the first row is the header.
std::string AlignedTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_OUTPUT_H_
