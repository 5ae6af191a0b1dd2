// What operators do to whole stores, and what becomes of them: drained, decommissioned, made active
// again, lost for good.
//
// Asks by the front ends' own calls, follows the list of stores in the meta range, and judges
// whether the placement controllers did what was asked of them. A store is lost only where the
// others still have a majority of every range. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_STORE_FATES_H_
#define RASPUTIN_TESTS_SIM_STORE_FATES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "rasputin/storage/v1/storage.pb.h"
#include "tests/sim/caller.h"
#include "tests/sim/cluster.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

class StoreFates {
 public:
  struct Counters {
    uint64_t asked = 0;  // Drains, decommissions and their ends.
    uint64_t granted = 0;
    uint64_t lost = 0;
  };

  // `endpoint`: of the operator. Where placement is on.
  StoreFates(Cluster* cluster, int endpoint, const Random& random);

  // Begins to watch.
  void Start();
  void Drain();
  void Decommission();
  void LoseOne();
  // Whether an operator who looks at the list of stores would give it a replica.
  bool IsListed(range::StoreId store) const;

  // What the controllers have not done yet of what they have to; empty: nothing, as of the last
  // look at the list of stores.
  std::string Problem();
  // What the controller says about it; `done` is called later, with nothing if it did not answer.
  void AskPlan(std::function<void(std::string)> done);
  const Counters& counters() const { return counters_; }

 private:
  using RangeDescriptor = range::RangeDescriptor;
  // What stores that are dead at the moment know counts as well.
  using Ranges = std::map<range::RangeId, RangeDescriptor>;

  void Ask(uint64_t store, type::v1::StoreState state);
  uint64_t SomeStore();
  void Watch();
  void ReadStores();
  void OnRead(const storage::v1::MetaQueryResult& answer);
  // No other store speaks to one that is off the list: none may count on its vote.
  void CheckVotersAreListed(const Ranges& ranges);
  void NoteDrains(const Ranges& ranges);
  void NoteLosses(const Ranges& ranges);
  const Ranges& AllRanges() const { return cluster_->checkers().ranges(); }
  bool SurvivesLossOf(int node);
  bool IsActive(uint64_t store) const;
  bool MustEmpty(uint64_t store) const;
  std::string ProblemOf(const RangeDescriptor& range);

  Cluster* cluster_;
  Random random_;
  Caller caller_;
  Caller reader_;
  std::map<uint64_t, type::v1::StoreState> listed_;  // As the meta range had them last.
  bool read_ = false;
  std::set<uint64_t> drains_;   // That led something when they were asked to drain.
  std::set<uint64_t> losses_;   // Whose replicas have not all been replaced.
  std::set<uint64_t> retired_;  // Taken off the list since the last look.
  std::set<uint64_t> gone_;     // Taken off the list.
  Counters counters_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_STORE_FATES_H_
