// The records of inquiries and handovers that range_calls.cc and range_transfer.cc share; included
// by nothing else. Plain values that belong to a RangeCalls.
//
// Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_CALLS_INTERNAL_H_
#define RASPUTIN_SERVER_FRONT_RANGE_CALLS_INTERNAL_H_

#include <algorithm>
#include <optional>
#include <vector>

#include "server/front/range_calls.h"

namespace rasputin::server {

// A description being asked of the members of a range, one after the other.
struct RangeCalls::Inquiry {
  RangeId range;
  Instant deadline;
  Reported done;
  std::vector<StoreId> left;  // To be asked, in this order.
  std::optional<admin::v1::DescribeRangeResponse> best;
  RangeAnswer failure;  // Of the last member that did not answer.

  // Asks this store next, if it is still to be asked.
  void Prefer(StoreId store) {
    const auto it = std::find(left.begin(), left.end(), store);
    if (it != left.end()) std::rotate(left.begin(), it, it + 1);
  }
};

// A handover that is not finished yet.
struct RangeCalls::Transfer {
  CallId id = 0;
  RangeId range;
  StoreId target;
  Instant deadline;
  uint32_t rounds = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_CALLS_INTERNAL_H_
