// The cost of unevenness: nothing within the tolerance, and a potential beyond it.

#include "range/placement/balance.h"

#include <gtest/gtest.h>

namespace rasputin::range {
namespace {

// Four stores, mean 100, tolerance 10.
Balance Hundred() { return Balance(400, 4, 0.1, 1, 0, 1); }

TEST(Balance, CostsNothingWithinTheTolerance) {
  EXPECT_EQ(Hundred().Cost(90), 0);
  EXPECT_EQ(Hundred().Cost(110), 0);
  EXPECT_GT(Hundred().Cost(111), 0);
  EXPECT_GT(Hundred().Cost(89), 0);
}

TEST(Balance, AMoveBackCostsWhatTheMoveGained) {
  const Balance balance = Hundred();
  EXPECT_GT(balance.Gain(150, 60, 20), 0);
  EXPECT_DOUBLE_EQ(balance.Gain(150, 60, 20), -balance.Gain(80, 130, 20));
}

TEST(Balance, AMoveThatTurnsTheTablesGainsNothing) { EXPECT_LE(Hundred().Gain(150, 50, 100), 0); }

TEST(Balance, ALittleOfNothingDoesNotCount) {
  const Balance balance(50, 4, 0.1, 1, 200, 1);
  EXPECT_EQ(balance.Cost(50), 0);
  EXPECT_EQ(balance.Gain(50, 0, 25), 0);
  EXPECT_EQ(balance.Level(50), 0);
}

TEST(Balance, TheLeastToleranceIsOneOfFew) {
  const Balance balance(4, 4, 0.05, 1, 0, 1);
  EXPECT_EQ(balance.Cost(2), 0);
  EXPECT_GT(balance.Cost(3), 0);
}

}  // namespace
}  // namespace rasputin::range
