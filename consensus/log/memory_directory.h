// A log directory in memory with the faults of disks: the simulated disk of tests and the
// simulator.
//
// Files are byte strings; what was written since the last sync of a file may be lost at a crash,
// per sector of 512 bytes and in any subset, the last one torn at any byte. Names are durable at
// once (the contract of SegmentDirectory). Damage lies over what was written until it is written
// anew, so that both can be told apart. Deterministic: what a crash leaves depends only on the
// calls made and the seed. Not responsible for time: a stall is a wait in the hook of whoever
// simulates it.
//
// Thread-safe by one mutex. Handles of before a crash fail every call afterwards.

#ifndef RASPUTIN_CONSENSUS_LOG_MEMORY_DIRECTORY_H_
#define RASPUTIN_CONSENSUS_LOG_MEMORY_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "consensus/log/segment_file.h"

namespace rasputin::consensus::log {

// What the operating system is asked for, as seen by the fault hook.
enum class DiskOperation : uint8_t {
  kList = 1,
  kOpen = 2,
  kCreate = 3,
  kRename = 4,
  kRemove = 5,
  kReplace = 6,
  kReadFile = 7,
  kWrite = 8,
  kSync = 9,
  kRead = 10,
};

// What becomes of the sectors written and not synced when the machine stops.
enum class CrashKind : uint8_t {
  kProcess = 1,     // The process alone died: everything written is kept (and stays unsynced).
  kLoseAll = 2,     // Nothing unsynced reached the disk.
  kAnySectors = 3,  // Each sector by itself: old, new, or new up to some byte.
  kPrefix = 4,      // Per file: new up to some byte of what was written, old behind it.
};

class MemoryDirectory final : public SegmentDirectory {
 public:
  static constexpr uint64_t kSectorBytes = 512;

  MemoryDirectory();
  ~MemoryDirectory() override;

  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<std::unique_ptr<SegmentFile>> Open(const std::string& name) override;
  absl::StatusOr<std::unique_ptr<SegmentFile>> Create(const std::string& name,
                                                      uint64_t size_bytes) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& name) override;
  absl::Status ReplaceFile(const std::string& name, absl::string_view content) override;
  absl::StatusOr<std::string> ReadFile(const std::string& name) override;
  absl::StatusOr<uint64_t> FreeBytes() override;

  // ---- Faults. All stay until changed, unless said otherwise.

  // Stops the machine or the process. The directory may be opened anew at once; the hook is kept.
  void Crash(CrashKind kind, uint64_t seed);
  // Called before each operation with the file's name ("" for kList). An error is returned to the
  // caller and nothing is done: EIO, a failed sync, a dead process. Null: none.
  using Hook = std::function<absl::Status(DiskOperation operation, const std::string& name)>;
  void SetHook(Hook hook);
  // Total size of all files, beyond which Create and ReplaceFile answer RESOURCE_EXHAUSTED.
  void SetCapacity(uint64_t bytes);
  // The next write is reported as done and is not (once).
  void LoseNextWrite(bool lose = true);
  // The next write lands `delta` bytes further on, if it fits there, else nowhere (once).
  void MisdirectNextWrite(int64_t delta);
  // Flips bits of a file, durably; CHECK: the file exists and is longer than `offset`.
  void Damage(const std::string& name, uint64_t offset, uint8_t xor_mask = 1);
  // The file ends at `size_bytes`; CHECK: it exists and is at least so long.
  void Truncate(const std::string& name, uint64_t size_bytes);
  // Whether some byte would be read otherwise than it was written; flips, truncations, lost and
  // misdirected writes do that, crashes do not.
  bool Damaged() const;
  // Undoes all of it.
  void Mend();

  // ---- For tests and counters.

  struct Stats {
    uint64_t writes = 0;
    uint64_t bytes_written = 0;
    uint64_t syncs = 0;
    uint64_t creates = 0;
    uint64_t renames = 0;
    uint64_t crashes = 0;
    uint64_t writes_astray = 0;  // Lost or misdirected.
    uint64_t sectors_lost = 0;   // Unsynced sectors of which nothing reached the disk.
    uint64_t sectors_torn = 0;   // Of which a part did.
    uint64_t sectors_kept = 0;   // Which reached it whole although never synced.
  };
  Stats stats() const;
  uint64_t UnsyncedSectors() const;
  // A copy of everything, without hook, open handles and pending faults.
  std::unique_ptr<MemoryDirectory> Clone() const;
  // Of names and contents, unsynced ones included.
  uint64_t Hash() const;

 private:
  struct FileState;
  class File;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace rasputin::consensus::log

#endif  // RASPUTIN_CONSENSUS_LOG_MEMORY_DIRECTORY_H_
