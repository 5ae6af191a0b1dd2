// See the header. No line is logged under the mutex, so that pages never wait for the log.

#include "server/shard/turn_watch.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace rasputin::server {
namespace {

int64_t Milliseconds(consensus::Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

void TurnWatch::Look(consensus::Instant now, std::optional<consensus::Instant> busy_since) {
  std::string trouble;
  consensus::Duration took{};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (now - looked_ > limit_ / 2) awake_since_ = now;
    looked_ = now;
    const bool hangs = busy_since.has_value() && now - std::max(*busy_since, awake_since_) > limit_;
    if (hangs && !hung_since_.has_value()) {
      hung_since_ = busy_since;
      trouble = Text(now);
    } else if (hung_since_.has_value() && busy_since != hung_since_) {
      took = now - *hung_since_;
      hung_since_.reset();
    }
  }
  if (!trouble.empty()) LOG(ERROR) << trouble;
  if (took == consensus::Duration::zero()) return;
  LOG(WARNING) << "the store in --storage-dir " << folder_ << " goes on: a turn of its shard took "
               << Milliseconds(took) << " ms";
}

std::string TurnWatch::Trouble(consensus::Instant now) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return hung_since_.has_value() ? Text(now) : "";
}

std::string TurnWatch::Text(consensus::Instant now) const {
  return absl::StrCat("the store in --storage-dir ", folder_,
                      " has not ended a turn of its shard for ",
                      Milliseconds(now - hung_since_.value_or(now)),
                      " ms: its leases are not extended and ranges that it leads go to other "
                      "stores [S-7]; look at the disk, and at what else the process waits for");
}

}  // namespace rasputin::server
