// See merge_wishes.h. Not thread-safe.

#include "server/front/merge_wishes.h"

#include <algorithm>
#include <chrono>

namespace rasputin::server {

bool MergeWishes::Stands(Instant now, const RangeDescriptor& left,
                         const RangeDescriptor& right) const {
  const auto found = wishes_.find(left.range_id());
  if (found == wishes_.end() || found->second.HasEnded(now)) return false;
  const Wish& wish = found->second;
  return wish.right_range_id == right.range_id() && wish.middle_key == left.end_key() &&
         wish.end_key == right.end_key();
}

bool MergeWishes::HasPlace(Instant now, uint64_t left_range_id) const {
  if (wishes_.count(left_range_id) != 0) return true;
  const auto rests = rests_until_.find(left_range_id);
  return wishes_.size() < kMax && (rests == rests_until_.end() || now >= rests->second);
}

bool MergeWishes::Confirm(Instant now, const RangeDescriptor& left, const RangeDescriptor& right,
                          const std::string& reason) {
  End(now);
  if (!HasPlace(now, left.range_id())) return false;
  const bool stands = Stands(now, left, right);
  Wish& wish = wishes_[left.range_id()];
  if (!stands) wish = {right.range_id(), left.end_key(), right.end_key(), now, now, now, ""};
  wish.confirmed = now;
  wish.looked_at = now;
  wish.reason = reason;
  return !stands;
}

void MergeWishes::End(Instant now) {
  for (auto it = rests_until_.begin(); it != rests_until_.end();) {
    it = now >= it->second ? rests_until_.erase(it) : std::next(it);
  }
  for (auto it = wishes_.begin(); it != wishes_.end();) {
    if (!it->second.HasEnded(now)) {
      ++it;
      continue;
    }
    if (now >= it->second.since + kStandMax) rests_until_[it->first] = now + kRest;
    it = wishes_.erase(it);
  }
}

std::vector<uint64_t> MergeWishes::TakeDue(Instant now) {
  End(now);
  std::vector<uint64_t> due;
  for (auto& [left, wish] : wishes_) {
    if (now < wish.looked_at + kLookEach) continue;
    wish.looked_at = now;
    due.push_back(left);
  }
  return due;
}

std::vector<type::v1::MergeWish> MergeWishes::List(Instant now) const {
  std::vector<type::v1::MergeWish> list;
  for (const auto& [left, wish] : wishes_) {
    if (wish.HasEnded(now)) continue;
    type::v1::MergeWish one;
    one.set_left_range_id(left);
    one.set_right_range_id(wish.right_range_id);
    const auto standing = std::chrono::duration_cast<std::chrono::milliseconds>(now - wish.since);
    one.set_standing_ms(static_cast<uint64_t>(std::max<int64_t>(standing.count(), 0)));
    one.set_reason(wish.reason);
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace rasputin::server
