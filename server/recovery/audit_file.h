// AUDIT: what operators did to a store against the protocol's own judgement, one line each, kept
// for good: withdrawals of promises [S-9] and recoveries from a survivor.
//
// A plain text file in the storage directory that only grows. A line is durable when Append
// returns. Not thread-safe.

#ifndef RASPUTIN_SERVER_RECOVERY_AUDIT_FILE_H_
#define RASPUTIN_SERVER_RECOVERY_AUDIT_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rasputin::server {

inline constexpr char kAuditFileName[] = "AUDIT";
inline constexpr char kRecoveryBegun[] = "RECOVERY BEGUN";
inline constexpr char kRecoveryFinished[] = "RECOVERY FINISHED";

class AuditFile {
 public:
  // Of the storage directory `directory`; the file is made by the first line.
  explicit AuditFile(const std::string& directory);

  // Adds "TIME TEXT", TIME being `wall_us` (microseconds since the Unix epoch) in UTC. Line breaks
  // in the text become spaces. Errors name the file and what the system said.
  absl::Status Append(int64_t wall_us, absl::string_view text) const;
  // All lines, oldest first; empty if there is no file or it cannot be read. A line that a crash
  // cut short is among them.
  std::vector<std::string> Lines() const;
  // A recovery was begun and the line that it is finished is missing.
  bool RecoveryUnfinished() const;

 private:
  const std::string directory_;
  const std::string path_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RECOVERY_AUDIT_FILE_H_
