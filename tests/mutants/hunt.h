// Hunts, each in a process of its own, some at a time.
//
// A mutant may well be caught by a CHECK, which ends its process. A process that ends in any other
// way than by an instrument's finding or a CHECK has caught nothing. Not thread-safe.

#ifndef RASPUTIN_TESTS_MUTANTS_HUNT_H_
#define RASPUTIN_TESTS_MUTANTS_HUNT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/mutants/list.h"

namespace rasputin::mutants {

struct Order {
  int mutant = 0;  // 0: none, a control.
  Hunt hunt;
  uint64_t first_seed = 1;
  // Of the processor: a fault may keep a try from ever ending, which catches nothing.
  uint64_t seconds_max = 600;
};

struct Catch {
  enum class End : uint8_t { kNothing, kCaught, kBroken } end = End::kNothing;
  uint64_t tried = 0;  // Seeds, or states of the model.
  double seconds = 0;
  char by[200] = {};
};

// Calls `done` for each order, in their order, from this process.
void HuntAll(const std::vector<Order>& orders, int at_a_time,
             const std::function<void(const Order&, const Catch&)>& done);

}  // namespace rasputin::mutants

#endif  // RASPUTIN_TESTS_MUTANTS_HUNT_H_
