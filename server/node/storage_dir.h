// The directory of a store: made, locked, and looked at before anything in it is touched.
//
// Layout: LOCK, AUDIT (what operators did, see server/recovery/audit_file.h), INITIALIZED (of the
// node that initialised the cluster), STORES (where the other stores are), log/ (shared log and
// manifest), state/ (engine). Holds the lock until destroyed. Errors are one sentence for the user.
// Not thread-safe.

#ifndef RASPUTIN_SERVER_NODE_STORAGE_DIR_H_
#define RASPUTIN_SERVER_NODE_STORAGE_DIR_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rasputin::server {

class StorageDir {
 public:
  // Makes the directory if it is missing. UNAVAILABLE: another process has it.
  static absl::StatusOr<std::unique_ptr<StorageDir>> Open(const std::string& path);
  ~StorageDir();

  std::string log_path() const { return path_ + "/log"; }
  std::string state_path() const { return path_ + "/state"; }

  // FAILED_PRECONDITION: the store's files are there without the manifest. It is durable before
  // any of them is made, so no crash leaves that behind. For before log_path() is made.
  absl::Status CheckManifestIsThere() const;

  // FAILED_PRECONDITION: the log is there and state/ is not, as if its disk were not mounted. The
  // engine is made before the log, so no crash leaves that behind. For before state_path() is made.
  absl::Status CheckStateIsThere() const;

  // Makes state_path() for its owner alone, whatever the engine would make of it.
  absl::Status PrepareState() const;

  // See ClusterInit::Ports::is_complete.
  bool IsInitializationComplete() const;
  absl::Status MarkInitializationComplete();

  // Where the other stores are: an encoded storage.v1.StoreBook, replaced as a whole. Empty: none
  // was written, or it cannot be read.
  std::string ReadStores() const;
  absl::Status WriteStores(const std::string& book);

 private:
  StorageDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_STORAGE_DIR_H_
