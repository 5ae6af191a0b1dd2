// How loads and decisions are told to people.

#include "client/cli/load_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/route/full_key.h"

namespace rasputin::client {
namespace {

using testing::HasSubstr;

TEST(LoadText, WritesFiguresAsPeopleReadThem) {
  EXPECT_EQ(SizeText(0), "0 B");
  EXPECT_EQ(SizeText(1023), "1023 B");
  EXPECT_EQ(SizeText(17.25 * 1024 * 1024), "17.2 MiB");
  EXPECT_EQ(SizeText(5e15), "4547.5 TiB");
  EXPECT_EQ(RateText(0.01), "0");
  EXPECT_EQ(RateText(12.54), "12.5");
  EXPECT_EQ(RateText(3099.6), "3,100");
  EXPECT_EQ(RateText(1234567), "1,234,567");
  EXPECT_EQ(TimeText(119), "119 s");
  EXPECT_EQ(TimeText(120), "2 min");
  EXPECT_EQ(TimeText(7200), "2 h");
  EXPECT_EQ(TimeText(3 * 86400), "3 d");
}

type::v1::Decision Split(type::v1::DecisionOutcome outcome, const std::string& reason) {
  type::v1::Decision decision;
  decision.set_at_ms(100'000);
  decision.set_kind(type::v1::DECISION_KIND_SPLIT);
  decision.set_outcome(outcome);
  decision.set_range_id(7);
  decision.set_reason(reason);
  return decision;
}

TEST(LoadText, TellsWhatWasDecidedWhenAndWhy) {
  EXPECT_EQ(DecisionText(Split(type::v1::DECISION_OUTCOME_DONE, "3,100 requests/s"), 112'000),
            "12 s ago: split, done: 3,100 requests/s");
  // The clock of the store may be ahead of this one.
  EXPECT_EQ(DecisionText(Split(type::v1::DECISION_OUTCOME_NOT_TAKEN, "r"), 5),
            "0 s ago: split, not done: r");
}

admin::v1::DescribeRangeResponse Report() {
  admin::v1::DescribeRangeResponse report;
  report.mutable_range()->set_range_id(7);
  report.mutable_range()->set_generation(3);
  report.mutable_range()->set_collection_id(2);
  report.mutable_range()->set_start_key(FullKey(2, "a"));
  report.mutable_range()->set_end_key(KeyPrefix(3));
  for (const uint64_t store : {1, 2, 3}) {
    report.mutable_range()->add_replicas()->set_store_id(store);
  }
  report.set_store_id(2);
  report.set_serving(true);
  report.set_term(9);
  report.mutable_lease_left()->set_seconds(1);
  report.set_approximate_bytes(3 << 20);
  report.mutable_load()->set_reads_per_second(1200);
  report.mutable_load()->set_age_seconds(30);
  report.mutable_thresholds()->set_size_bytes(256 << 20);
  report.mutable_thresholds()->set_requests_per_second(2500);
  report.mutable_thresholds()->set_cpu_millicores(500);
  *report.add_decisions() = Split(type::v1::DECISION_OUTCOME_FAILED, "no answer");
  return report;
}

TEST(LoadText, ExplainsAKeyInWords) {
  const std::string text = ExplainText("k", "orders", Report(), false, 101'000);
  EXPECT_THAT(text, HasSubstr("Key 'k' of collection orders is in range 7, generation 3,\n"
                              "which holds the keys from 'a' up to the collection's last."));
  EXPECT_THAT(text, HasSubstr("on the stores 1,2,3. Store 2 leads, with a lease for 1000 ms"));
  EXPECT_THAT(text, HasSubstr("Size: about 3.0 MiB."));
  EXPECT_THAT(text, HasSubstr("1,200 reads/s"));
  EXPECT_THAT(text, HasSubstr("above 256.0 MiB, 2,500 requests/s, 0.50 cores"));
  EXPECT_THAT(text, HasSubstr("  1 s ago: split, failed: no answer\n"));
}

TEST(LoadText, ExplainsWhatIsUnderWayWithARange) {
  admin::v1::DescribeRangeResponse report = Report();
  report.set_serving(false);
  report.clear_decisions();
  report.mutable_range()->mutable_frozen_by()->set_left_range_id(6);
  std::string text = ExplainText("k", "orders", report, false, 0);
  EXPECT_THAT(text, HasSubstr("No leader is known"));
  EXPECT_THAT(text, HasSubstr("frozen while range 6 absorbs it"));
  EXPECT_THAT(text, HasSubstr("Nothing was decided about it lately."));
  report.mutable_range()->mutable_merge()->set_right_range_id(8);
  EXPECT_THAT(ExplainText("k", "orders", report, false, 0), HasSubstr("about to absorb range 8."));
}

TEST(LoadText, ShowsStoresRangesAndDecisionsAtATime) {
  admin::v1::ListLoadsResponse loads;
  loads.add_stores()->mutable_store()->set_store_id(1);
  loads.mutable_stores(0)->set_reachable(true);
  loads.mutable_stores(0)->mutable_load()->set_requests_per_second(1500);
  loads.add_stores()->mutable_store()->set_store_id(2);
  for (const uint64_t range : {7, 8, 9}) {
    admin::v1::RangeActivity* one = loads.add_ranges();
    one->mutable_load()->set_range_id(range);
    one->mutable_route()->set_leader_store_id(1);
  }
  *loads.mutable_ranges(0)->mutable_last_decision() = Split(type::v1::DECISION_OUTCOME_BEGUN, "r");
  *loads.add_decisions() = Split(type::v1::DECISION_OUTCOME_BEGUN, "r");
  EXPECT_EQ(TopText(loads, 2, 101'000),
            "rasputin: 2 stores, 1,500 requests/s\n\n"
            "STORE  REACHABLE  LEADERS  REPLICAS  REQUESTS/S  CORES  DISK\n"
            "1      yes        0        0         1,500       0.00   0 B\n"
            "2      no         -        -         -           -      -\n\n"
            "RANGE  LEADER  READS/S  WRITES/S  CORES  SIZE  AGE  LAST\n"
            "7      1       0        0         0.000  0 B   0 s  split, begun\n"
            "8      1       0        0         0.000  0 B   0 s  -\n\n"
            "DECISIONS\n"
            "range 7, 1 s ago: split, begun: r\n");
  EXPECT_EQ(TopJson(loads)["ranges"].size(), 3u);
  EXPECT_EQ(TopJson(loads)["decisions"][0]["outcome"], "begun");
}

}  // namespace
}  // namespace rasputin::client
