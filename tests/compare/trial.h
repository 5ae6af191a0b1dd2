// One run: a world, one protocol in it, clients at every replica, and a ledger of what they saw.
//
// Clients write and read every few milliseconds at each replica that takes itself for a leader
// (they are on its side of every cut). Judged without a word of the protocol: what was applied
// where, what was acknowledged when, what a read showed. One thread; a seed gives one run.

#ifndef RASPUTIN_TESTS_COMPARE_TRIAL_H_
#define RASPUTIN_TESTS_COMPARE_TRIAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "consensus/core/mutants.h"
#include "tests/compare/protocol.h"
#include "tests/compare/world.h"

namespace rasputin::compare {

enum class Kind : uint8_t { kHarpoon, kRaft, kRaftPreVoteCheckQuorum, kRaftLeaseReads };
// As in tables and on the command line.
const char* ToString(Kind kind);
std::optional<Kind> KindOf(const std::string& name);

// D: Harpoon's lease length and Raft's shortest election timeout.
inline constexpr RealTime kD = 2'000 * kMillisecond;

struct TrialOptions {
  Kind kind = Kind::kHarpoon;
  uint64_t seed = 1;
  int replicas = 5;
  consensus::Mutants mutants;            // Harpoon only.
  std::vector<sim::ClockErrors> clocks;  // Empty: within 1%, drawn.
  bool trace = false;                    // To standard error.
};

struct TrialReport {
  bool started = false;  // A leader served before anything was done to it.
  // After the cut, which ends at Finish():
  std::optional<RealTime> recovery;  // Until the first write begun after the cut was acknowledged.
  bool leader_can_stay = false;
  uint64_t elections = 0;
  uint64_t changes = 0;                 // Elections of another replica than the last.
  uint64_t changes_settled = 0;         // Of those, after Settled().
  bool live = false;                    // Writes acknowledged in each of the last 3 D.
  RealTime longest_without_writes = 0;  // Between two acknowledgements.
  RealTime longest_without_reads = 0;
  RealTime without_writes = 0;  // All such times longer than D / 10.
  // Over the whole run:
  uint64_t acknowledged = 0;
  uint64_t reads = 0;
  uint64_t stale_reads = 0;
  uint64_t overlaps = 0;  // Instants at which two replicas held a lease.
  uint64_t clock_reports = 0;
  bool spins = false;  // At some instant events had no end; nothing ran from there on.
  std::vector<std::string> violations;  // Two leaders of a term; two entries at an index.
  uint64_t hash = 0;
};

class Trial : public Watcher {
 public:
  explicit Trial(const TrialOptions& options);
  ~Trial() override;

  // Runs until a leader serves, and a while longer. False: there is none.
  bool Begin();
  int A() const { return leader_; }  // The leader at Begin().
  // The others, B, C, D, E: n from 1.
  int Other(int n) const { return (leader_ + n) % options_.replicas; }
  int replicas() const { return options_.replicas; }

  // The act is done, now or in this instant: measuring begins.
  void Cut();
  // A is to keep links both ways with a majority: a change would be needless.
  void LeaderCanStay() { report_.leader_can_stay = true; }
  // Leader changes from now on count as restlessness.
  void Settled();
  void RunFor(RealTime length) { world_.RunFor(length); }
  TrialReport Finish();

  World& world() { return world_; }
  const Protocol& protocol() const { return *protocol_; }
  sim::Network& network() { return world_.network(); }
  sim::Random& random() { return random_; }
  void Restart(int replica);
  void RaiseTermOfTheDead(int replica, uint64_t by) { protocol_->RaiseTerm(replica, by); }
  int LastLeader() const { return last_leader_; }
  uint64_t LastAcknowledged() const { return acknowledged_index_; }
  // Whether some replica up and running takes writes.
  bool HasLeader() const;
  const TrialReport& so_far() const { return report_; }

  void OnLeader(int replica, uint64_t term) override;
  void OnApplied(int replica, uint64_t index, uint64_t term, uint64_t value) override;
  void OnRead(int replica, uint64_t read, uint64_t applied) override;
  void OnClockSuspect(int replica) override;
  void OnNote(int replica, const std::string& what) override;

 private:
  // When something was done last, and how long it was not.
  struct Gaps {
    RealTime last = 0;
    RealTime longest = 0;
    RealTime sum = 0;
    void Done(RealTime now) {
      const RealTime gap = now - last;
      longest = gap > longest ? gap : longest;
      if (gap > kD / 10) sum += gap;
      last = now;
    }
  };
  struct WriteUnderWay {
    int replica;
    RealTime began;
  };

  void DescribeAll();
  void ClientTick();
  void ClientsAt(int replica);
  void Violation(const std::string& what);

  const TrialOptions options_;
  World world_;
  sim::Random random_;
  std::unique_ptr<Protocol> protocol_;
  TrialReport report_;
  int leader_ = 0;
  int last_leader_ = -1;
  bool measuring_ = false;
  bool settled_ = false;
  RealTime cut_at_ = 0;
  Gaps writes_;
  Gaps reads_;
  std::vector<RealTime> acknowledged_at_;  // Since the cut.
  uint64_t next_value_ = 1;
  uint64_t next_read_ = 1;
  std::unordered_map<uint64_t, WriteUnderWay> under_way_;
  std::unordered_map<uint64_t, uint64_t> read_floor_;  // What each read must show at least.
  uint64_t acknowledged_index_ = 0;
  std::unordered_map<uint64_t, int> leaders_;                   // By term.
  std::vector<std::pair<uint64_t, uint64_t>> applied_entries_;  // (term, value) by index - 1.
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_TRIAL_H_
