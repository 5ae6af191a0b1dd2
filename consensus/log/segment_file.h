// The port through which the shared log reaches its directory: real files, or simulated disks.
//
// Real: recycled segment files (server/disk). Simulated: tests/sim. Calls may block; Write and Sync
// of one directory are called from one thread at a time (the log writer), reads from any.

#ifndef RASPUTIN_CONSENSUS_LOG_SEGMENT_FILE_H_
#define RASPUTIN_CONSENSUS_LOG_SEGMENT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rasputin::consensus::log {

class SegmentFile {
 public:
  virtual ~SegmentFile() = default;  // Closes.

  // Writes all of `data` at `offset`. RESOURCE_EXHAUSTED: no space left (nothing is promised about
  // the bytes written); any other error is fail-stop [H-18].
  virtual absl::Status Write(uint64_t offset, absl::string_view data) = 0;
  // Makes all earlier writes durable (fdatasync). An error is fail-stop: never retried [H-18].
  virtual absl::Status Sync() = 0;
  // Reads exactly `length` bytes at `offset` or fails (OUT_OF_RANGE past the end of the file).
  virtual absl::Status Read(uint64_t offset, uint64_t length, std::string* out) const = 0;
  virtual uint64_t Size() const = 0;
};

class SegmentDirectory {
 public:
  virtual ~SegmentDirectory() = default;

  // Names of all files, sorted.
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  // Opens an existing file for reading and writing.
  virtual absl::StatusOr<std::unique_ptr<SegmentFile>> Open(const std::string& name) = 0;
  // Creates a file of `size_bytes` whose blocks are all written once (zeros), so that later syncs
  // touch no metadata; durable with its name. RESOURCE_EXHAUSTED: no space.
  virtual absl::StatusOr<std::unique_ptr<SegmentFile>> Create(const std::string& name,
                                                              uint64_t size_bytes) = 0;
  // Atomic and durable (directory synced).
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& name) = 0;
  // Replaces a small file atomically and durably (the store manifest).
  virtual absl::Status ReplaceFile(const std::string& name, absl::string_view content) = 0;
  virtual absl::StatusOr<std::string> ReadFile(const std::string& name) = 0;  // NOT_FOUND.
  virtual absl::StatusOr<uint64_t> FreeBytes() = 0;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_SEGMENT_FILE_H_
