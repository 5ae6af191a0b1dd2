// The wire format: the same fields however a Cord is cut, malformed bytes noticed, protobuf's own
// bytes.

#include "kv/wire.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::kv {
namespace {

absl::Cord Fragmented(const std::string& bytes, size_t piece) {
  absl::Cord cord;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    cord.Append(absl::MakeCordFromExternal(absl::string_view(bytes).substr(at, piece), [] {}));
  }
  return cord;
}

// Every field, nested messages too where the bytes allow it; "!" if they are malformed.
std::string Describe(WireReader reader, const CordBytes& bytes, int depth) {
  std::string text;
  std::string scratch;
  while (reader.Next()) {
    text += std::to_string(reader.field()) + "/" + std::to_string(static_cast<int>(reader.type())) +
            "=";
    if (reader.type() != WireType::kBytes) {
      text += std::to_string(reader.number());
    } else {
      text += std::string(bytes.View(reader.span(), &scratch));
      if (depth > 0) text += "{" + Describe(reader.Message(), bytes, depth - 1) + "}";
    }
    text += ";";
  }
  return text + (reader.ok() ? "" : "!");
}

std::string Describe(const absl::Cord& cord) {
  return Describe(WireReader(cord), CordBytes(cord), 2);
}

TEST(WireReader, ReadsEveryTypeOfField) {
  const std::string bytes(
      "\x08\x96\x01"
      "\x12\x02hi"
      "\x19\1\0\0\0\0\0\0\x80"
      "\x25\2\0\0\0",
      21);
  EXPECT_EQ(Describe(absl::Cord(bytes)),
            "1/0=150;2/2=hi{13/0=105;};3/1=9223372036854775809;4/5=2;");
}

TEST(WireReader, NoticesMalformedBytes) {
  for (const std::string& bytes :
       {std::string("\x08"), std::string("\x08\x80"), std::string("\x12\x03hi"),
        std::string("\x00\x01", 2), std::string("\x0b"), std::string("\x19\1\2\3"),
        std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        // A tag and a length in six bytes, which the generated parser refuses.
        std::string("\x88\x80\x80\x80\x80\0\1", 7), std::string("\x12\x82\x80\x80\x80\x80\0hi", 9),
        std::string("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                    "a")}) {
    const std::string text = Describe(absl::Cord(bytes));
    EXPECT_EQ(text.back(), '!') << text;
  }
  EXPECT_EQ(Describe(absl::Cord()), "");
  EXPECT_EQ(Describe(absl::Cord(std::string("\x12\x82\x80\x80\x80\0hi", 8))), "2/2=hi{13/0=105;};");
}

TEST(WireReader, ReadsTheSameHoweverTheCordIsCut) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() % 32 : random());
    const std::string whole = Describe(absl::Cord(bytes));
    ASSERT_EQ(Describe(Fragmented(bytes, 1 + random() % 5)), whole) << "iteration " << i;
  }
}

TEST(WireReader, EntersMessagesThatEndAnywhere) {
  v1::BatchRequest request;
  for (int i = 0; i < 50; ++i) {
    request.add_operations()->mutable_set()->set_key("key" + std::to_string(i));
    request.mutable_operations(i)->mutable_set()->set_value(std::string(i, 'v'));
  }
  const std::string bytes = request.SerializeAsString();
  const std::string whole = Describe(absl::Cord(bytes));
  for (size_t piece = 1; piece < 30; ++piece) {
    ASSERT_EQ(Describe(Fragmented(bytes, piece)), whole);
  }
}

TEST(CordBytes, GivesTheSamePartsHoweverTheCordIsCut) {
  const std::string bytes = "0123456789";
  for (size_t piece = 1; piece <= 10; ++piece) {
    const absl::Cord cord = Fragmented(bytes, piece);
    const CordBytes parts(cord);
    std::string scratch;
    for (uint64_t offset = 0; offset <= 10; ++offset) {
      for (uint64_t size = 0; offset + size <= 10; ++size) {
        const std::string expected = bytes.substr(offset, size);
        EXPECT_EQ(parts.View({offset, size}, &scratch), expected);
        EXPECT_EQ(parts.Sub({offset, size}), expected);
        EXPECT_TRUE(parts.Equals({offset, size}, expected));
        EXPECT_FALSE(parts.Equals({offset, size}, expected + "x"));
        std::string copy = "kept ";
        parts.AppendTo({offset, size}, &copy);
        EXPECT_EQ(copy, "kept " + expected);
      }
    }
  }
}

TEST(WireWriter, WritesProtobufsOwnBytes) {
  for (uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    v1::GetResponse response;
    response.set_version(number);
    response.set_value("some value");
    std::string bytes;
    AppendNumberField(2, number, &bytes);
    AppendBytesField(3, "some value", &bytes);
    EXPECT_EQ(bytes, response.SerializeAsString());
    std::string varint;
    AppendVarint(number, &varint);
    EXPECT_EQ(varint.size(), VarintSize(number));
  }
}

}  // namespace
}  // namespace rasputin::kv
