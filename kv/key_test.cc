// The formats of keys and rows: the documented bytes, and that their order is that of what they
// hold.

#include "kv/key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace rasputin::kv {
namespace {

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

TEST(Key, OfDataHasTheDocumentedBytes) {
  EXPECT_EQ(Hex(DataKey(10, "k1")),
            "64"
            "000000000000000a"
            "6b31");
  EXPECT_EQ(Hex(DataEnd(10)),
            "64"
            "000000000000000b");
  EXPECT_EQ(Hex(FullKey(10, "k1")),
            "000000000000000a"
            "6b31");
  EXPECT_EQ(DataKeyOfFull(FullKey(10, "k1")), DataKey(10, "k1"));
  EXPECT_EQ(UserKeyOf(DataKey(10, "k1")), "k1");
}

TEST(Key, OfARangeRowHasTheDocumentedBytes) {
  EXPECT_EQ(Hex(RangeRowKey(2, 1)),
            "72"
            "0000000000000002"
            "01");
  EXPECT_LT(RangeRowKey(2, 0xfe), RangeRowsEnd(2));
  EXPECT_LT(RangeRowsEnd(2), RangeRowKey(3, 0));
}

TEST(Key, TheEndOfACollectionIsBehindAllItsKeysAndBeforeTheNext) {
  for (uint64_t id : {uint64_t{0}, uint64_t{255}, ~uint64_t{1}, ~uint64_t{0}}) {
    EXPECT_LT(DataKey(id, std::string(100, '\xff')), DataEnd(id));
    if (id != ~uint64_t{0}) {
      EXPECT_LE(DataEnd(id), DataKey(id + 1, ""));
    }
  }
}

TEST(Key, EscapingKeepsTheOrderAndMakesNoKeyAPrefixOfAnother) {
  std::mt19937_64 random(1);
  std::vector<std::string> keys = {"", std::string("\0", 1), std::string("\0\xff", 2)};
  for (int i = 0; i < 2000; ++i) {
    std::string key;
    for (uint64_t n = random() % 6; n > 0; --n)
      key.push_back(
          "\0\1\xff\xfe"
          "a"[random() % 5]);
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::string before;
  for (const std::string& key : keys) {
    std::string escaped;
    AppendEscaped(key, &escaped);
    if (!before.empty()) {
      EXPECT_LT(before, escaped);
      EXPECT_NE(escaped.compare(0, before.size(), before), 0);
    }
    before = escaped;
    escaped += "what follows";
    absl::string_view in = escaped;
    std::string decoded;
    ASSERT_TRUE(ConsumeEscaped(&in, &decoded));
    EXPECT_EQ(decoded, key);
    EXPECT_EQ(in, "what follows");
  }
}

TEST(Key, EscapedHasTheDocumentedBytes) {
  std::string escaped;
  AppendEscaped(absl::string_view("a\0b", 3), &escaped);
  EXPECT_EQ(Hex(escaped),
            "61"
            "00ff"
            "62"
            "0001");
}

TEST(Key, WhatIsNotEscapedIsRefused) {
  for (const std::string& bytes :
       {std::string("abc"), std::string("a\0", 2), std::string("a\0\2", 3), std::string()}) {
    absl::string_view in = bytes;
    std::string decoded;
    EXPECT_FALSE(ConsumeEscaped(&in, &decoded));
  }
}

TEST(Row, HasTheDocumentedBytesAndComesBack) {
  const absl::Cord payload("hello");
  const std::string row = EncodeRow(0x018bcfe568000001, CordBytes(payload), {1, 4});
  EXPECT_EQ(Hex(row),
            "01"
            "00"
            "018bcfe568000001"
            "656c6c6f");
  RowView view;
  ASSERT_TRUE(DecodeRow(row, &view).ok());
  EXPECT_EQ(view.version, 0x018bcfe568000001u);
  EXPECT_EQ(view.payload, "ello");
}

TEST(Row, OfANewerFormatOrCutShortIsDataLoss) {
  const absl::Cord payload("v");
  const std::string row = EncodeRow(1, CordBytes(payload), {0, 1});
  RowView view;
  for (size_t size = 0; size < kRowHeaderBytes; ++size) {
    EXPECT_EQ(DecodeRow(row.substr(0, size), &view).code(), absl::StatusCode::kDataLoss);
  }
  for (int position : {0, 1}) {
    std::string newer = row;
    newer[position] = 2;
    EXPECT_EQ(DecodeRow(newer, &view).code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Numbers, SortAsBytes) {
  std::string before;
  for (uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{255}, uint64_t{256}, ~uint64_t{0}}) {
    std::string bytes;
    AppendFixed64(value, &bytes);
    EXPECT_EQ(ReadFixed64(bytes), value);
    EXPECT_LT(before, bytes);
    before = bytes;
  }
}

}  // namespace
}  // namespace rasputin::kv
