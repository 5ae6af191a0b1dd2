// The records of inquiries, handovers and changes of members that range_calls.cc, range_transfer.cc
// and range_members.cc share; included by nothing else. Plain values that belong to a RangeCalls.
//
// Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_CALLS_INTERNAL_H_
#define RASPUTIN_SERVER_FRONT_RANGE_CALLS_INTERNAL_H_

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "server/front/range_calls.h"

namespace rasputin::server {

// A description being asked of the members of a range, one after the other.
struct RangeCalls::Inquiry {
  RangeId range;
  Instant deadline;
  bool briefly = true;
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

// A list of ranges whose leaders are being asked for.
struct RangeCalls::Listing {
  CallId id = 0;
  admin::v1::ListRangesResponse response;
  int left = 0;  // Ranges without an answer.
};

// A handover that is not finished yet.
struct RangeCalls::Transfer {
  CallId id = 0;
  RangeId range;
  StoreId target;
  Instant deadline;
  int refused = 0;  // By the leader.
  uint32_t rounds = 0;
};

// A store that does not answer is asked for so long: it may have joined a moment ago.
inline constexpr Duration kAnswerWaitMax = std::chrono::seconds(2);

// A change of members that is not finished yet.
struct RangeCalls::Change {
  CallId id = 0;
  uint64_t range = 0;
  uint64_t add = 0;
  uint64_t remove = 0;
  size_t voters_min = 0;
  Instant deadline;
  bool answered = false;  // The store to be added did.
  std::optional<Instant> asked_since;
  // The store to be added cannot leave the list while the range has this generation.
  uint64_t listed_for = 0;
  uint32_t rounds = 0;
  std::string waits_for;  // For the user.
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_CALLS_INTERNAL_H_
