// See the header.

#include "server/node/store_replacer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::server {

StoreReplacer::StoreReplacer(uint64_t own_store, std::vector<uint64_t> old_stores, Call call)
    : own_store_(own_store), call_(std::move(call)) {
  for (const uint64_t store : old_stores) {
    if (store != own_store && store != 0) stores_.push_back(store);
  }
}

StoreReplacer::Step StoreReplacer::Run() {
  if (stores_.empty()) return {};
  if (ranges_.empty()) {
    Step step;
    if (!FindRanges(&step)) return step;
  }
  return ranges_.empty() ? Forget() : ReplaceNext();
}

bool StoreReplacer::FindRanges(Step* step) {
  const uint64_t old = stores_.front();
  admin::v1::ListRangesRequest request;
  do {
    const CallResult result = call_(Method::kListRanges, request);
    admin::v1::ListRangesResponse page;
    if (result.code != absl::StatusCode::kOk || !page.ParseFromString(std::string(result.body))) {
      *step = {Progress::kRetry, absl::StrCat("the ranges cannot be listed: ", result.message)};
      return false;
    }
    for (const auto& route : page.routes()) {
      const auto& replicas = route.range().replicas();
      const bool there = std::any_of(replicas.begin(), replicas.end(), [old](const auto& replica) {
        return replica.store_id() == old;
      });
      if (there) ranges_.push_back(route.range().range_id());
    }
    request.set_from_key(page.resume_key());
  } while (!request.from_key().empty());
  return true;
}

StoreReplacer::Step StoreReplacer::ReplaceNext() {
  const uint64_t range = ranges_.front();
  ranges_.pop_front();
  admin::v1::ChangeReplicasRequest request;
  request.set_range_id(range);
  request.set_add_store_id(own_store_);
  request.set_remove_store_id(stores_.front());
  const CallResult result = call_(Method::kChangeReplicas, request);
  if (result.code == absl::StatusCode::kOk) {
    ++ranges_replaced_;
    return {Progress::kMore, absl::StrCat("range ", range, ": store ", own_store_,
                                          " holds what store ", stores_.front(), " held")};
  }
  // The others need not wait for this one.
  if (result.code != absl::StatusCode::kNotFound) ranges_.push_back(range);
  return {Progress::kRetry, absl::StrCat("range ", range, ": ", result.message)};
}

StoreReplacer::Step StoreReplacer::Forget() {
  const uint64_t old = stores_.front();
  admin::v1::DecommissionStoreRequest request;
  request.set_store_id(old);
  const CallResult result = call_(Method::kDecommissionStore, request);
  if (result.code != absl::StatusCode::kOk && result.code != absl::StatusCode::kNotFound) {
    return {Progress::kRetry, absl::StrCat("store ", old, ": ", result.message)};
  }
  stores_.pop_front();
  return {stores_.empty() ? Progress::kDone : Progress::kMore,
          absl::StrCat("store ", old, " has no replica any more and is forgotten")};
}

}  // namespace rasputin::server
