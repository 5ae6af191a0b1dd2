// RocksDB's answers as statuses of this project.

#ifndef RASPUTIN_KV_ROCKS_STATUS_H_
#define RASPUTIN_KV_ROCKS_STATUS_H_

#include <rocksdb/status.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rasputin::kv {

// `what` was being done. RESOURCE_EXHAUSTED: a stall or a full disk; DATA_LOSS: damage.
inline absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat(what, ": ", status.ToString());
  if (status.IsIncomplete() || status.IsNoSpace() || status.IsBusy()) {
    return absl::ResourceExhaustedError(text);
  }
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsNotSupported() || status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(text);
  }
  return absl::InternalError(text);
}

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_ROCKS_STATUS_H_
