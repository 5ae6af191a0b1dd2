// The page of a store with load, line by line where it matters.

#include "server/metrics/load_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "range/load/operation_histograms.h"

namespace rasputin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

size_t LinesWith(const std::string& text, const std::string& what) {
  size_t lines = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++lines;
  return lines;
}

TEST(LoadText, ShowsTotalsAndTheBusiestRanges) {
  StoreActivity activity;
  activity.total.set_reads_per_second(1500);
  activity.total.set_cpu_cores(0.25);
  for (uint64_t id = 100; id < 150; ++id) {
    activity.ranges.emplace_back().set_range_id(id);
    activity.ranges.back().set_writes_per_second(10);
    activity.ranges.back().set_size_bytes(4096);
  }
  const std::string text = RenderActivity(activity);
  EXPECT_THAT(text, HasSubstr("rasputin_led_requests_per_second{kind=\"read\"} 1500\n"));
  EXPECT_THAT(text, HasSubstr("rasputin_shard_cpu_cores 0.25\n"));
  EXPECT_THAT(text, HasSubstr("rasputin_range_requests_per_second{range=\"100\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("rasputin_range_size_bytes{range=\"119\"} 4096\n"));
  EXPECT_THAT(text, Not(HasSubstr("range=\"120\"")));
  EXPECT_EQ(LinesWith(text, "\nrasputin_range_cpu_cores{"), kRangesShown);
  EXPECT_THAT(text, Not(HasSubstr("rasputin_led_request_seconds")));
}

TEST(LoadText, MergesBucketsUnderBoundsThatDouble) {
  range::OperationHistograms histograms;
  for (int i = 0; i < 10; ++i) histograms.Add(kv::Operation::kGet, 100, 1000);
  histograms.Add(kv::Operation::kGet, 3'000'000'000, 1 << 30);
  StoreActivity activity;
  activity.operations = histograms.Export();
  const std::string text = RenderActivity(activity);
  const char* const lines[] = {
      "rasputin_led_request_seconds_bucket{operation=\"get\",le=\"6.4e-05\"} 0\n",
      "rasputin_led_request_seconds_bucket{operation=\"get\",le=\"0.000128\"} 10\n",
      "rasputin_led_request_seconds_bucket{operation=\"get\",le=\"67.1089\"} 10\n",
      "rasputin_led_request_seconds_bucket{operation=\"get\",le=\"+Inf\"} 11\n",
      "rasputin_led_request_seconds_count{operation=\"get\"} 11\n",
      "rasputin_led_request_bytes_bucket{operation=\"get\",le=\"512\"} 0\n",
      "rasputin_led_request_bytes_bucket{operation=\"get\",le=\"1024\"} 10\n",
  };
  for (const char* line : lines) EXPECT_THAT(text, HasSubstr(line));
}

}  // namespace
}  // namespace rasputin::server
