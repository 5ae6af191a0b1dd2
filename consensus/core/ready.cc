// Comparison and emptiness of the plain values of ready.h.

#include "consensus/core/ready.h"

namespace rasputin::consensus {

bool operator==(const HardState& a, const HardState& b) {
  return a.term == b.term && a.vote == b.vote && a.bound_leader == b.bound_leader &&
         a.bound_store == b.bound_store && a.bound_term == b.bound_term &&
         a.bound_epoch == b.bound_epoch && a.released_term == b.released_term;
}

bool Ready::Empty() const {
  return send_now.empty() && !hard_state.has_value() && entries.empty() &&
         send_after_persist.empty() && committed.empty() && reads.empty() &&
         snapshots_wanted.empty() && events.empty();
}

}  // namespace rasputin::consensus
