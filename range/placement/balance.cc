// See balance.h. Pure.

#include "range/placement/balance.h"

#include <algorithm>
#include <cmath>

namespace rasputin::range {

Balance::Balance(double total, size_t stores, double share, double least, double total_min,
                 double weight) {
  if (stores == 0 || total <= 0 || total < total_min) return;
  mean_ = total / static_cast<double>(stores);
  tolerance_ = std::max(share * mean_, least);
  weight_ = weight;
}

double Balance::Cost(double value) const {
  if (mean_ <= 0) return 0;
  const double beyond = std::max(std::abs(value - mean_) - tolerance_, 0.0) / mean_;
  return weight_ * beyond * beyond;
}

double Balance::Gain(double from, double to, double amount) const {
  return Cost(from) + Cost(to) - Cost(from - amount) - Cost(to + amount);
}

}  // namespace rasputin::range
