// Who is let in, and what the others are told.

#include "server/shard/greeting.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using consensus::ClusterId;
using consensus::Instant;
using consensus::StoreId;
using consensus::wire::Hello;
using ::testing::HasSubstr;

storage::v1::StoreManifest StoreTwo() {
  storage::v1::StoreManifest manifest;
  manifest.set_cluster_id(42);
  manifest.set_store_id(2);
  return manifest;
}

Hello FromOneToTwo() {
  Hello hello;
  hello.cluster = ClusterId(42);
  hello.store = StoreId(1);
  hello.to_store = StoreId(2);
  return hello;
}

bool Known(StoreId store) { return store == StoreId(1) || store == StoreId(3); }

TEST(Greeting, AKnownStoreIsLetIn) {
  GreetingCheck check;
  EXPECT_TRUE(check.Check(StoreTwo(), true, FromOneToTwo(), Instant()).ok());
  EXPECT_EQ(check.logged(), 0u);
}

TEST(Greeting, EveryOtherIsRefusedWithTheIdsConcerned) {
  const struct {
    std::function<void(Hello*)> change;
    std::string says;
  } cases[] = {
      {[](Hello* hello) { hello->cluster = ClusterId(43); }, "not of 43"},
      {[](Hello* hello) { hello->to_store = StoreId(3); }, "this is store 2, not 3"},
      {[](Hello* hello) { hello->format = 7; }, "not 7"},
      {[](Hello* hello) { hello->store = StoreId(4711); }, "store 4711 is no other store"},
      {[](Hello* hello) { hello->store = StoreId(2); }, "store 2 is no other store"},
      {[](Hello* hello) { hello->store = StoreId(); }, "store 0 is no other store"},
  };
  for (const auto& test : cases) {
    GreetingCheck check;
    Hello hello = FromOneToTwo();
    test.change(&hello);
    const absl::Status status = check.Check(StoreTwo(), Known(hello.store), hello, Instant());
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.says));
    EXPECT_EQ(check.logged(), 1u);
  }
}

TEST(Greeting, AStrangerThatKnocksOnIsLoggedOnceAMinute) {
  GreetingCheck check;
  Hello hello = FromOneToTwo();
  hello.store = StoreId(9);
  for (int second = 0; second < 150; ++second) {
    EXPECT_FALSE(check.Check(StoreTwo(), false, hello, Instant(std::chrono::seconds(second))).ok());
  }
  EXPECT_EQ(check.logged(), 3u);
}

}  // namespace
}  // namespace rasputin::server
