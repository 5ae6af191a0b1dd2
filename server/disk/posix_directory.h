// The log directory of a real store: files in one folder, by pwrite, fdatasync and rename.
//
// Implements the port of the shared log (consensus/log/segment_file.h). Not responsible for keeping
// a second process out of the folder. Thread-safe: no state but the folder; a file's Write and Sync
// are called by one thread at a time.

#ifndef RASPUTIN_SERVER_DISK_POSIX_DIRECTORY_H_
#define RASPUTIN_SERVER_DISK_POSIX_DIRECTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "consensus/log/segment_file.h"

namespace rasputin::server {

class PosixDirectory final : public consensus::log::SegmentDirectory {
 public:
  // Of the folder `path`, which is created (not its parents) if it is not there; leftovers of calls
  // that a crash interrupted are removed. Errors name the path and what the system said.
  static absl::StatusOr<std::unique_ptr<PosixDirectory>> At(const std::string& path);
  ~PosixDirectory() override;

  // Regular files only. Names given to the calls below must be plain (CHECK: no slash, not hidden).
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<std::unique_ptr<consensus::log::SegmentFile>> Open(
      const std::string& name) override;
  // Written and synced under another name first: after a crash or an error there is nothing.
  absl::StatusOr<std::unique_ptr<consensus::log::SegmentFile>> Create(const std::string& name,
                                                                      uint64_t size_bytes) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& name) override;
  absl::Status ReplaceFile(const std::string& name, absl::string_view content) override;
  absl::StatusOr<std::string> ReadFile(const std::string& name) override;
  // What an unprivileged process may still use.
  absl::StatusOr<uint64_t> FreeBytes() override;

 private:
  PosixDirectory(std::string path, int descriptor);
  absl::Status SyncNames();
  // Writes a new file under `name` with a suffix, syncs it, then gives it its name.
  absl::Status WriteNew(const std::string& name, absl::string_view content, uint64_t zeros);

  const std::string path_;
  const int descriptor_;  // Of the folder.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_DISK_POSIX_DIRECTORY_H_
