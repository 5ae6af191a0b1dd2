// Raft as a rival: one group under the protocol of the paper and the thesis, as good as it honestly
// gets.
//
// Log replication ahead of answers, conflict hints, commits that do not wait for the leader's own
// disk, read index rounds; PreVote and CheckQuorum as options, lease reads with them. No membership
// changes, snapshots or handover: no scenario asks for them. For measurements only, never shipped.
// One thread.

#ifndef RASPUTIN_TESTS_COMPARE_RAFT_H_
#define RASPUTIN_TESTS_COMPARE_RAFT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consensus/core/types.h"
#include "tests/compare/protocol.h"
#include "tests/compare/world.h"

namespace rasputin::compare {

struct RaftOptions {
  // T: timers are drawn from [T, 2 T). The same as Harpoon's lease length D.
  consensus::Duration election_timeout = std::chrono::seconds(2);
  // Asks before it raises its term; who heard of a leader within T says no (thesis, 9.6).
  bool pre_vote = false;
  // A leader that no quorum answered for T steps down; who heard of a leader within T ignores
  // requests to vote (thesis, 6.2 and 4.2.3).
  bool check_quorum = false;
  // Reads without a round while a quorum answered a heartbeat sent less than T (1 - 2 r) ago, r
  // being 1% (thesis, 6.4.1). Needs check_quorum.
  bool lease_reads = false;
};

class RaftNode;
struct RaftDisk;

class Raft : public Protocol {
 public:
  // `world` and `watcher` outlive it.
  Raft(const RaftOptions& options, World* world, Watcher* watcher);
  ~Raft() override;

  void Start(int replica) override;
  void Died(int replica) override;
  void Wake(int replica) override;
  bool TakesWrites(int replica) const override;
  bool HoldsLease(int replica) const override;
  bool Write(int replica, uint64_t value) override;
  void Read(int replica, uint64_t read) override;
  void OnUnserved(int /*replica*/) override {}
  void RaiseTerm(int replica, uint64_t by) override;
  std::string Describe(int replica) const override;

  RaftNode* node(int replica) const { return nodes_[static_cast<size_t>(replica)].get(); }

 private:
  const RaftOptions options_;
  World* const world_;
  Watcher* const watcher_;
  std::vector<std::unique_ptr<RaftDisk>> disks_;
  std::vector<std::unique_ptr<RaftNode>> nodes_;  // nullptr: not running.
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_RAFT_H_
