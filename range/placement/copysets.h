// Which sets of stores should hold ranges together.
//
// If a store set is in use by some range, the loss of exactly these stores at once loses data. With
// many ranges spread at random over nine stores every one of the 84 triples is in use, so any three
// losses lose something; with few sets in use most triples lose nothing, and what is lost then is
// more at once. Fewer sets also means fewer stores that a lost one is rebuilt from. The compromise
// is a small regular family: the stores in a grid of `size` columns (neighbours in a row are in
// different failure domains where possible), its rows, and its diagonals, so that each store
// shares a set with 2 (size - 1) others. The planner prefers its members, and sets already in use,
// among moves that are equally good for balance; it never moves data for this alone.
// Pure; thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_COPYSETS_H_
#define RASPUTIN_RANGE_PLACEMENT_COPYSETS_H_

#include <cstdint>
#include <vector>

#include "range/placement/spread.h"

namespace rasputin::range {

// Stores by their position in the caller's list; sorted.
using StoreSet = std::vector<uint32_t>;

class Copysets {
 public:
  // `stores`: those that may hold replicas, ascending; domains[i] is that of stores[i]. With a
  // number of stores that is no multiple of `size`, the rows go round until each store is in as
  // many sets as every other.
  Copysets(const std::vector<uint32_t>& stores, const std::vector<Domains>& domains, uint32_t size);

  // How many of the set's stores differ from the nearest member of the family that contains `to`:
  // so many moves away it is. The set's size if there is none.
  uint32_t Distance(const StoreSet& set, uint32_t to) const;

  const std::vector<StoreSet>& family() const { return family_; }

 private:
  std::vector<StoreSet> family_;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_COPYSETS_H_
