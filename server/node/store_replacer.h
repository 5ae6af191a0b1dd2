// Replaces every replica of stores that were set aside by one on this node's store, then has the
// old stores forgotten: what `rasputin store replace` and `store forget` do.
//
// Each step is idempotent and chosen from what the cluster says, so that a new process goes on
// where the last one ended. Blocking: for the slow-work threads. Not thread-safe.

#ifndef RASPUTIN_SERVER_NODE_STORE_REPLACER_H_
#define RASPUTIN_SERVER_NODE_STORE_REPLACER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "google/protobuf/message_lite.h"
#include "server/front/ports.h"

namespace rasputin::server {

class StoreReplacer {
 public:
  // Carries out a call of an operator and waits for its answer.
  using Call =
      std::function<CallResult(Method method, const google::protobuf::MessageLite& request)>;

  enum class Progress : uint8_t {
    kDone = 1,   // No store is left.
    kMore = 2,   // Go on at once.
    kRetry = 3,  // Not now: `text` says why.
  };
  struct Step {
    Progress progress = Progress::kDone;
    std::string text;  // What was done, or what stands in the way; may be empty.
  };

  StoreReplacer(uint64_t own_store, std::vector<uint64_t> old_stores, Call call);

  // At most one range is changed or one store forgotten.
  Step Run();
  uint64_t ranges_replaced() const { return ranges_replaced_; }

 private:
  // False: the call failed; `step` says how.
  bool FindRanges(Step* step);
  Step ReplaceNext();
  Step Forget();

  const uint64_t own_store_;
  std::deque<uint64_t> stores_;
  const Call call_;
  std::deque<uint64_t> ranges_;  // With a replica on the first of the stores, when last asked.
  uint64_t ranges_replaced_ = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_STORE_REPLACER_H_
