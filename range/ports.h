// The ports through which a store acts on the world: transport, observer, clock, engine, log
// directory.
//
// Real ones are in server/, simulated ones in tests/sim. All are called within a store's turn, in
// its thread; none may block for long nor call back into the store.

#ifndef RASPUTIN_RANGE_PORTS_H_
#define RASPUTIN_RANGE_PORTS_H_

#include <vector>

#include "absl/strings/cord.h"
#include "consensus/core/event.h"
#include "consensus/core/message.h"
#include "consensus/core/types.h"
#include "consensus/log/segment_file.h"
#include "kv/engine.h"
#include "range/request.h"

namespace rasputin::range {

using consensus::ClockReading;

// Where group messages go. Called during RunTurn; must not block nor call back.
class Transport {
 public:
  virtual ~Transport() = default;
  // All messages of a turn for one store; may be lost or delayed, not altered.
  virtual void Send(StoreId to, std::vector<consensus::Message> messages) = 0;
};

// What happened, in order; called during a turn; must not block nor call back.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnEvent(const consensus::Event& event) = 0;
  // The descriptor of a range of this store is new or has changed (also once for each at start).
  // `leads`: this store's replica leads it at this moment. Generations of a range never go back.
  virtual void OnDescriptor(const RangeDescriptor& descriptor, bool leads) = 0;
  // This store's replica of `range` learnt of a leader (0: none known).
  virtual void OnLeader(RangeId range, StoreId leader) = 0;
  // This store has no replica of `range` any more.
  virtual void OnRemoved(RangeId /*range*/) {}
  // This store's replica of `range` now stands where a snapshot put it.
  virtual void OnInstalled(RangeId /*range*/, consensus::LogPosition /*position*/) {}
  // A command was applied; for the simulator's checkers. `state_hash` is 0 unless asked for.
  virtual void OnApplied(RangeId /*range*/, consensus::Index /*index*/, consensus::Term /*term*/,
                         const absl::Cord& /*command*/) {}
};

// Re-reads the time within a turn: a lease is checked after the state was read [H-10], [S-8].
class Clock {
 public:
  virtual ~Clock() = default;
  virtual ClockReading Now() = 0;
};

struct Ports {
  consensus::log::SegmentDirectory* directory = nullptr;
  kv::Engine* engine = nullptr;
  Transport* transport = nullptr;
  Observer* observer = nullptr;
  Clock* clock = nullptr;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PORTS_H_
