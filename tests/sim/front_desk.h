// The front end of one simulated process: the real server::FrontEnd over the store, with its calls
// and its peers.
//
// Collects inputs until the executor's turn, as the server's shard does. Connections between front
// ends break when an answer does not come for a while. Belongs to one process; destroyed with it.
// Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_FRONT_DESK_H_
#define RASPUTIN_TESTS_SIM_FRONT_DESK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "range/store.h"
#include "server/front/front_end.h"
#include "server/front/range_store_port.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

// How a client's call to a front end ended.
struct FrontAnswer {
  server::CallResult result;
  std::vector<absl::Cord> pages;  // Of a scan.
};

class FrontDesk : private server::PeerPort,
                  private server::DecisionsPort,
                  private server::StoresPort {
 public:
  using Answered = std::function<void(FrontAnswer)>;

  struct Hooks {
    std::function<void(int to, server::ForwardRequest)> forward;
    std::function<void(int to, server::ForwardReply)> reply;
    // Calls CheckConnection(to) in a while.
    std::function<void(int to)> watch;
    std::function<void(const type::v1::Decision&)> decided;
    // The list of stores was read; see server::StoresPort.
    std::function<void(storage::v1::StoreBook)> listed;
  };

  // `store` outlives it, but is destroyed without answering any more.
  FrontDesk(range::Store* store, const server::FrontOptions& options, Hooks hooks);
  ~FrontDesk() override;

  // Inputs, taken at the next turn.
  void Call(server::Method method, absl::Cord request, consensus::Instant deadline,
            Answered answered);
  void OnForward(int from, server::ForwardRequest request);
  void OnForwardReply(int from, server::ForwardReply reply);
  void OnPeerBroken(int peer) { broken_.insert(peer); }
  // True if the connection has just been found broken: an old request is still unanswered.
  bool CheckConnection(int peer);
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
    front_.OnDescriptor(descriptor, leads);
  }
  void OnLeader(range::RangeId range, range::StoreId leader) { front_.OnLeader(range, leader); }
  void OnRemoved(range::RangeId range) { front_.OnRemoved(range); }

  void TakeInputs(const consensus::ClockReading& now);
  void Run(const consensus::ClockReading& now);
  consensus::Instant NextDeadline() const {
    return front_.HeldBack() ? consensus::Instant::min() : front_.NextDeadline();
  }
  const server::FrontCounters& counters() const { return front_.counters(); }
  bool HeldBack() const { return front_.HeldBack(); }

 private:
  struct Completion;
  struct NewCall {
    server::Method method;
    absl::Cord request;
    consensus::Instant deadline;
    Answered answered;
  };

  void OnDecision(const type::v1::Decision& decision) override { hooks_.decided(decision); }
  void OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                const range::RangeDescriptor& meta_range) override;
  bool Forward(range::StoreId to, server::ForwardRequest request) override;
  void Reply(range::StoreId to, server::ForwardReply reply) override;

  Hooks hooks_;
  server::RangeStorePort store_port_;
  server::FrontEnd front_;
  std::vector<NewCall> new_calls_;
  std::vector<std::pair<int, server::ForwardRequest>> requests_;
  std::vector<std::pair<int, server::ForwardReply>> replies_;
  std::set<int> broken_;
  // Sent to a peer and not answered: id to how often it was seen so by CheckConnection.
  std::map<int, std::map<uint64_t, int>> unanswered_;
  std::vector<std::unique_ptr<Completion>> completions_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_FRONT_DESK_H_
