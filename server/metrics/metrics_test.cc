// Claims about counting and about the text that Prometheus reads.

#include "server/metrics/metrics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using ::testing::HasSubstr;

TEST(MetricsRegistry, SameNameAndLabelsGiveTheSameCounter) {
  MetricsRegistry registry;
  Counter* counter = registry.AddCounter("calls_total", "Calls.", "method=\"Get\"");
  EXPECT_EQ(counter, registry.AddCounter("calls_total", "Calls.", "method=\"Get\""));
  EXPECT_NE(counter, registry.AddCounter("calls_total", "Calls.", "method=\"Set\""));
  counter->Add(3);
  EXPECT_THAT(registry.Render(), HasSubstr("calls_total{method=\"Get\"} 3\n"));
}

TEST(MetricsRegistry, RendersHelpAndTypeOncePerFamily) {
  MetricsRegistry registry;
  registry.AddCounter("calls_total", "Calls.", "method=\"Get\"");
  registry.AddCounter("calls_total", "Calls.", "method=\"Set\"");
  const std::string text = registry.Render();
  const std::string type_line = "# TYPE calls_total counter\n";
  const size_t first = text.find(type_line);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find(type_line, first + 1), std::string::npos);
}

TEST(Histogram, CountsADurationInTheFirstBucketThatHoldsIt) {
  struct Case {
    int64_t nanoseconds;
    int bucket;
  };
  for (const Case& c : {Case{0, 0}, Case{1, 0}, Case{1000, 0}, Case{1001, 1}, Case{2000, 1},
                        Case{3000, 2}, Case{1000000, 10}, Case{int64_t{200} * 1000000000, 27}}) {
    Histogram histogram;
    histogram.Record(consensus::Duration(c.nanoseconds));
    EXPECT_EQ(histogram.Count(c.bucket), 1u) << c.nanoseconds;
  }
}

TEST(Histogram, BucketsAreCumulativeInTheText) {
  MetricsRegistry registry;
  Histogram* histogram = registry.AddHistogram("turn_seconds", "Turns.");
  histogram->Record(consensus::Duration(500));
  histogram->Record(consensus::Duration(1500));
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("turn_seconds_bucket{le=\"0.000001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("turn_seconds_bucket{le=\"0.000002\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("turn_seconds_bucket{le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("turn_seconds_count 2\n"));
}

TEST(MetricsRegistry, GaugesAreReadWhenRendered) {
  MetricsRegistry registry;
  double value = 1;
  registry.AddGauge("ranges", "Ranges.", [&value] { return value; });
  value = 7;
  EXPECT_THAT(registry.Render(), HasSubstr("ranges 7\n"));
}

}  // namespace
}  // namespace rasputin::server
