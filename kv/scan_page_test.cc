// Pages as protobuf writes and reads them, and bytes that are none.

#include "kv/scan_page.h"

#include "gtest/gtest.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::kv {
namespace {

v1::ScanResponse PageOf(int rows) {
  v1::ScanResponse page;
  for (int i = 0; i < rows; ++i) {
    page.add_rows()->set_key("key" + std::to_string(i));
    page.mutable_rows(i)->set_value(std::string(300, 'v'));
  }
  return page;
}

TEST(SummarizeScanPage, CountsRowsAndSaysWhereItGoesOn) {
  v1::ScanResponse page = PageOf(500);
  page.set_more(true);
  page.set_resume_key("key500");
  const auto summary = SummarizeScanPage(absl::Cord(page.SerializeAsString()));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->rows, 500u);
  EXPECT_TRUE(summary->more);
  EXPECT_EQ(summary->resume_key, "key500");
}

TEST(SummarizeScanPage, AnEmptyPageIsTheEnd) {
  const auto summary = SummarizeScanPage(absl::Cord());
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->rows, 0u);
  EXPECT_FALSE(summary->more);
}

TEST(SummarizeScanPage, RefusesWhatIsNoPage) {
  const std::string whole = PageOf(3).SerializeAsString();
  EXPECT_EQ(SummarizeScanPage(absl::Cord(whole.substr(0, whole.size() - 1))).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(SummarizeScanPage(absl::Cord("\x18\x01")).ok()) << "a key that is a number";
  EXPECT_FALSE(SummarizeScanPage(absl::Cord("\x08\x01")).ok()) << "rows that are a number";
}

TEST(SummarizeScanPage, LetsFieldsOfANewerStorePass) {
  absl::Cord page(PageOf(3).SerializeAsString());
  page.Append("\x22\x01x");
  EXPECT_EQ(SummarizeScanPage(page)->rows, 3u);
}

TEST(SetMore, WinsOverWhatThePageSaid) {
  v1::ScanResponse page = PageOf(2);
  page.set_more(true);
  page.set_resume_key("earlier");
  absl::Cord bytes(page.SerializeAsString());
  SetMore("later", &bytes);
  v1::ScanResponse read;
  ASSERT_TRUE(read.ParseFromString(std::string(bytes)));
  EXPECT_EQ(read.rows_size(), 2);
  EXPECT_TRUE(read.more());
  EXPECT_EQ(read.resume_key(), "later");
  EXPECT_EQ(SummarizeScanPage(bytes)->resume_key, "later");
}

TEST(SetMore, OfAnEmptyKeyStartsAtTheBeginning) {
  v1::ScanResponse page;
  page.set_more(true);
  absl::Cord bytes(page.SerializeAsString());
  SetMore("", &bytes);
  EXPECT_TRUE(SummarizeScanPage(bytes)->more);
}

}  // namespace
}  // namespace rasputin::kv
