// How uneven the stores are in one respect, as a cost that a move raises or lowers.
//
// A store's cost is 0 within a tolerance around the mean and grows with the square of what lies
// beyond, in units of the mean. The sum over stores and respects is a potential: the planner makes
// only moves that lower it, so moves cannot go round in circles while loads stay as they are, and
// loads that fluctuate within the tolerance move nothing. Pure; thread-safe.

#ifndef RASPUTIN_RANGE_PLACEMENT_BALANCE_H_
#define RASPUTIN_RANGE_PLACEMENT_BALANCE_H_

#include <cstddef>

namespace rasputin::range {

class Balance {
 public:
  // Nothing counts: every cost is 0.
  Balance() = default;
  // `total` over `stores` stores. Tolerance: `share` of the mean, at least `least` (in the unit of
  // the values). Nothing counts if `total` is below `total_min`.
  Balance(double total, size_t stores, double share, double least, double total_min, double weight);

  double Cost(double value) const;
  // What moving `amount` from a store that has `from` to one that has `to` lowers the cost by;
  // negative if it raises it.
  double Gain(double from, double to, double amount) const;
  // What adding `amount` raises it by.
  double Rise(double to, double amount) const { return Cost(to + amount) - Cost(to); }
  // In units of the mean; 0 if nothing counts.
  double Level(double value) const { return mean_ > 0 ? value / mean_ : 0; }
  double mean() const { return mean_; }

 private:
  double mean_ = 0;
  double tolerance_ = 0;
  double weight_ = 0;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_PLACEMENT_BALANCE_H_
