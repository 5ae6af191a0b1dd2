// The table of calls under way; see call_table.h. Not thread-safe.
//
// A call stays in the table until its completion has been called, so that Cancel works until then.

#include "server/front/call_table.h"

#include <glog/logging.h>

namespace rasputin::server {

CallId CallTable::Add(CallCompletion* completion) {
  CHECK(completion != nullptr);
  const CallId call = next_call_++;
  calls_.emplace(call, completion);
  return call;
}

bool CallTable::Page(CallId call, absl::Cord response) {
  const auto it = calls_.find(call);
  return it != calls_.end() && it->second->Page(std::move(response));
}

void CallTable::Finish(CallId call, CallResult result) {
  if (Contains(call)) finished_.push_back({call, std::move(result)});
}

void CallTable::Cancel(CallId call) { calls_.erase(call); }

size_t CallTable::Deliver() {
  size_t delivered = 0;
  auto finished = std::exchange(finished_, {});
  for (Finished& one : finished) {
    const auto it = calls_.find(one.call);
    if (it == calls_.end()) continue;
    CallCompletion* completion = it->second;
    calls_.erase(it);
    completion->Done(std::move(one.result));
    ++delivered;
  }
  return delivered;
}

}  // namespace rasputin::server
