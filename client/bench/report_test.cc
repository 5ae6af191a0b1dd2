// Medians, spread and the comparison from rows made by hand.

#include "client/bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rasputin::client {
namespace {

using testing::HasSubstr;

Measurement Round(uint64_t operations, double seconds, uint64_t latency_ns) {
  Measurement round;
  round.loop.operations = operations;
  round.loop.seconds = seconds;
  for (uint64_t i = 0; i < 10; ++i) round.loop.latency.Record(latency_ns);
  round.client_cpu_seconds = static_cast<double>(operations) * 10e-6;
  round.server_cpu_seconds = {{"a", static_cast<double>(operations) * 3e-6},
                              {"b", static_cast<double>(operations) * 1e-6}};
  return round;
}

BenchRow Row(const std::string& system, std::vector<Measurement> rounds) {
  return {system, BenchOperation::kSet, 64, std::move(rounds)};
}

TEST(Summarize, TakesMediansAndTheSpreadOfRounds) {
  BenchRow row = Row("rasputin", {Round(1000, 1, 100), Round(3000, 1, 50), Round(2000, 1, 70)});
  row.rounds[1].loop.errors = 2;
  const BenchSummary summary = Summarize(row);
  EXPECT_DOUBLE_EQ(summary.operations_per_second, 2000);
  EXPECT_DOUBLE_EQ(summary.spread, 1);
  EXPECT_DOUBLE_EQ(summary.p50_ms, 70e-6);
  EXPECT_DOUBLE_EQ(summary.max_ms, 100e-6);
  EXPECT_EQ(summary.errors, 2u);
  EXPECT_EQ(summary.operations, 6000u);
  EXPECT_NEAR(summary.client_us_per_operation, 10, 1e-9);
  EXPECT_NEAR(summary.servers_us_per_operation, 4, 1e-9);
}

TEST(Summarize, GivesZeroWhereNothingWasAnswered) {
  const BenchSummary summary = Summarize(Row("rasputin", {Measurement()}));
  EXPECT_EQ(summary.operations_per_second, 0);
  EXPECT_EQ(summary.client_us_per_operation, 0);
  EXPECT_EQ(summary.spread, 0);
}

TEST(BenchTable, SetsRasputinAgainstEtcdInTheSameCell) {
  const std::string table =
      BenchTable({Row("rasputin", {Round(3000, 1, 100)}), Row("etcd", {Round(1000, 1, 100)})});
  EXPECT_THAT(table, HasSubstr("3.00x"));
  EXPECT_THAT(table, HasSubstr("4.0 (3.0+1.0)"));
}

TEST(BenchJson, HoldsSettingsAndEveryRound) {
  BenchOptions options;
  options.etcd = {"127.0.0.1:1"};
  options.operations = {BenchOperation::kSet};
  options.outstanding = {64};
  const auto json = BenchJson(options, {Row("etcd", {Round(1, 1, 1), Round(2, 1, 1)})});
  EXPECT_EQ(json["settings"]["etcd"], "127.0.0.1:1");
  EXPECT_FALSE(json["settings"].contains("rasputin"));
  EXPECT_EQ(json["results"][0]["rounds"].size(), 2u);
}

}  // namespace
}  // namespace rasputin::client
