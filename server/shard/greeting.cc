// The rules of a greeting; see the header.

#include "server/shard/greeting.h"

#include <glog/logging.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

using consensus::wire::Hello;
using consensus::wire::kFormat;

bool IsPeer(const storage::v1::StoreManifest& manifest, consensus::StoreId store) {
  if (store.value() == manifest.store_id()) return false;
  for (const auto& listed : manifest.bootstrap().stores()) {
    if (listed.store_id() == store.value()) return true;
  }
  return false;
}

// Empty: nothing is.
std::string WhatIsWrong(const storage::v1::StoreManifest& manifest, const Hello& hello) {
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
  if (!IsPeer(manifest, hello.store)) {
    return absl::StrCat("store ", hello.store.value(), " is no other store of cluster ",
                        manifest.cluster_id(), " as store ", manifest.store_id(), " knows it");
  }
  return "";
}

}  // namespace

absl::Status GreetingCheck::Check(const storage::v1::StoreManifest& manifest, const Hello& hello,
                                  consensus::Instant now) {
  const std::string wrong = WhatIsWrong(manifest, hello);
  if (wrong.empty()) return absl::OkStatus();
  if (now >= next_log_) {
    next_log_ = now + kLogInterval;
    ++logged_;
    LOG(ERROR) << "refused a stream of store " << hello.store << " of cluster " << hello.cluster
               << ": " << wrong;
  }
  return absl::FailedPreconditionError(wrong);
}

}  // namespace rasputin::server
