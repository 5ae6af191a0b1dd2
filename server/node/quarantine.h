// The files by which a damaged store is set aside and replaced without an operator [H-18].
//
// In the storage directory: DAMAGED (why the store must not be opened again), REPLACES (the stores
// that were set aside and whose replicas are to be replaced, and how a new id is asked for), and
// quarantined-STORE-TIME/ (what was set aside; never deleted). Every step is durable before the
// next and may be repeated after a crash. Not responsible for deciding what is damage, nor for the
// new store (node_rejoin.cc). Thread-safe: MarkDamaged, Damage; the rest from one thread at a time.

#ifndef RASPUTIN_SERVER_NODE_QUARANTINE_H_
#define RASPUTIN_SERVER_NODE_QUARANTINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rasputin::server {

// Content of REPLACES.
struct Replacement {
  uint64_t cluster_id = 0;  // 0: not known.
  uint64_t join_token = 0;  // The new store asks for its id with it.
  // Oldest first; 0: its id could not be found out. The last one may be that in use.
  std::vector<uint64_t> stores;

  bool Has(uint64_t store) const;
};

class Quarantine {
 public:
  // So many stores are set aside at most: a disk that damages more is to be replaced.
  static constexpr size_t kKeptMax = 10;

  // Of a storage directory that is there and locked.
  explicit Quarantine(std::string storage_dir);

  // Why the store is damaged; nullopt: it is not known to be. Also an operator may put the file
  // DAMAGED there to have the store replaced.
  std::optional<std::string> Damage() const;
  // Durable when it returns; the first reason stays. On a full disk an empty file is left, which
  // says as much.
  absl::Status MarkDamaged(const std::string& reason) const;

  // nullopt: nothing is to be replaced. DATA_LOSS: the file is damaged.
  absl::StatusOr<std::optional<Replacement>> ReadReplacement() const;
  absl::Status WriteReplacement(const Replacement& replacement) const;
  absl::Status RemoveReplacement() const;
  // Before store `store` is opened: while others are to be replaced it is put behind them, with
  // `fresh_token`, at its first opening only. The token that it asked for its id with would give
  // the same id once more, to a directory that has lost what the store promised since.
  absl::Status NoteOpened(uint64_t store, uint64_t fresh_token) const;

  // Finishes what a crash broke off after the last file had been moved. At each start.
  absl::Status FinishSetAside() const;
  // Moves log, state and marks of the store into a folder of its own, the file DAMAGED last: until
  // then a restart begins here again. Returns the folder's path. `store` 0: not known.
  absl::StatusOr<std::string> SetAside(uint64_t store) const;

  // What belongs to the store has left; only the marker may still be there.
  bool IsSetAside() const;

  // Folders of what was set aside, by name.
  std::vector<std::string> Kept() const;
  // Bytes of the files in a folder, and below it.
  static uint64_t BytesOf(const std::string& folder);

 private:
  absl::Status NameFolder(uint64_t store, std::string* path) const;

  const std::string path_;
};

// The store that a damaged log is of, by the headers of its segments; 0: none is whole.
uint64_t StoreOfSegments(const std::string& log_path);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_QUARANTINE_H_
