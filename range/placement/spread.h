// Failure domains: how well a set of stores is spread over them, as a value to compare.
//
// The labels region, zone, rack, host count, in this order; a domain is named by all labels down to
// its own, so that rack 1 of zone a is not rack 1 of zone b. Stores without a label share the
// domain of those without it. Pure; thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_SPREAD_H_
#define RASPUTIN_RANGE_PLACEMENT_SPREAD_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rasputin::range {

inline constexpr size_t kDomainLevels = 4;

// A store's domain at each level, as a number that only means something within one DomainTable.
using Domains = std::array<uint32_t, kDomainLevels>;

// Pairs of stores in the same domain, most significant level first: the less, the better spread.
// Three replicas over two zones have one pair at the level of the zone; counting pairs rather than
// distinct values tells five replicas as 2-2-1 (two pairs) from 3-1-1 (three).
using Collisions = std::array<uint32_t, kDomainLevels>;

class DomainTable {
 public:
  Domains Number(const std::map<std::string, std::string>& labels);

 private:
  std::map<std::string, uint32_t> numbers_;
};

Collisions CountCollisions(const std::vector<Domains>& stores);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_SPREAD_H_
