// The rules of a greeting; see the header.

#include "server/shard/greeting.h"

#include <glog/logging.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

using consensus::wire::Hello;
using consensus::wire::kFormat;

// Empty: nothing is.
std::string WhatIsWrong(const storage::v1::StoreManifest& manifest, bool known,
                        const Hello& hello) {
  if (hello.cluster.value() != manifest.cluster_id()) {
    return absl::StrCat("this is a store of cluster ", manifest.cluster_id(), ", not of ",
                        hello.cluster.value());
  }
  if (hello.to_store.value() != manifest.store_id()) {
    return absl::StrCat("this is store ", manifest.store_id(), ", not ", hello.to_store.value());
  }
  if (hello.format > kFormat) {
    return absl::StrCat("frames of format ", kFormat, " and lower are understood here, not ",
                        hello.format);
  }
  if (!known) {
    return absl::StrCat("store ", hello.store.value(), " is no other store of cluster ",
                        manifest.cluster_id(), " as store ", manifest.store_id(), " knows it now");
  }
  return "";
}

}  // namespace

absl::Status GreetingCheck::Check(const storage::v1::StoreManifest& manifest, bool known,
                                  const Hello& hello, consensus::Instant now) {
  const std::string wrong = WhatIsWrong(manifest, known, hello);
  if (wrong.empty()) return absl::OkStatus();
  if (now >= next_log_) {
    next_log_ = now + kLogInterval;
    ++logged_;
    LOG(WARNING) << "refused a stream of store " << hello.store << " of cluster " << hello.cluster
                 << ": " << wrong;
  }
  return absl::FailedPreconditionError(wrong);
}

}  // namespace rasputin::server
