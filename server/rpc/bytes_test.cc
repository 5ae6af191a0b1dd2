// Claims: bytes survive both ways, and large ones are not copied.

#include "server/rpc/bytes.h"

#include <string>
#include <vector>

#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

TEST(Bytes, SurviveBothWaysAtEverySize) {
  for (const size_t size : {0u, 1u, 511u, 512u, 513u, 5000u, 1u << 20}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 131);
    absl::Cord cord(text);
    cord.Append("tail");
    grpc::ByteBuffer buffer = ToByteBuffer(cord);
    EXPECT_EQ(buffer.Length(), cord.size());
    EXPECT_EQ(ToCord(&buffer), cord);
  }
}

TEST(Bytes, ALargeSliceIsReferencedNotCopied) {
  const std::string text(100000, 'v');
  const grpc::Slice slice(text);
  grpc::ByteBuffer buffer(&slice, 1);
  const absl::Cord cord = ToCord(&buffer);
  ASSERT_TRUE(cord.TryFlat().has_value());
  EXPECT_EQ(static_cast<const void*>(cord.TryFlat()->data()), slice.begin());
  const grpc::ByteBuffer again = ToByteBuffer(cord);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(again.Dump(&slices).ok());
  EXPECT_EQ(slices[0].begin(), slice.begin());
}

TEST(Bytes, ManySlicesKeepTheirOrder) {
  std::vector<grpc::Slice> slices;
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    const std::string part(static_cast<size_t>(i * 100), static_cast<char>('a' + i));
    slices.emplace_back(part);
    expected += part;
  }
  grpc::ByteBuffer buffer(slices.data(), slices.size());
  EXPECT_EQ(ToCord(&buffer), expected);
}

}  // namespace
}  // namespace rasputin::server
