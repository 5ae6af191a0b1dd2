// See the header.

#include "server/shard/disk_watch.h"

#include <glog/logging.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

int64_t Milliseconds(consensus::Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

DiskWatch::DiskWatch(std::string folder, consensus::Duration limit)
    : folder_(std::move(folder)), limit_(limit) {}

bool DiskWatch::Hangs(consensus::Instant now) const {
  return began_.has_value() && now - *began_ > limit_;
}

void DiskWatch::Begin(consensus::Instant now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  began_ = now;
  told_ = false;
}

void DiskWatch::End(consensus::Instant now) {
  consensus::Duration took{};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (told_) took = now - *began_;
    began_.reset();
  }
  if (took == consensus::Duration::zero()) return;
  LOG(WARNING) << "the disk of --storage-dir " << folder_
               << " works again: a write of the log took " << Milliseconds(took) << " ms";
}

void DiskWatch::Look(consensus::Instant now) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (told_ || !Hangs(now)) return;
    told_ = true;
  }
  LOG(ERROR) << Trouble(now);
}

std::string DiskWatch::Trouble(consensus::Instant now) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!Hangs(now)) return "";
  return absl::StrCat("the disk of --storage-dir ", folder_,
                      " has not completed a write of the log for ", Milliseconds(now - *began_),
                      " ms: leases of this store are not extended and ranges that it leads go to "
                      "other stores [S-7]; look at the disk");
}

}  // namespace rasputin::server
