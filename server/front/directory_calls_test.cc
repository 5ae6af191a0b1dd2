// The directory at the front end: following it, being asked by many at once, finding the meta range
// again, and collections that are changed and dropped. Runs over FakeCluster.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/route/full_key.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "server/front/directory_copy.h"
#include "server/front/fake_cluster.h"
#include "server/front/front_end.h"

namespace rasputin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

admin::v1::CreateCollectionRequest Create(const std::string& name) {
  admin::v1::CreateCollectionRequest request;
  request.set_name(name);
  request.set_type(type::v1::COLLECTION_TYPE_KV);
  return request;
}

admin::v1::DropCollectionRequest Drop(const std::string& name) {
  admin::v1::DropCollectionRequest request;
  request.set_name(name);
  return request;
}

admin::v1::SplitRangeRequest SplitAt(const std::string& collection, const std::string& key) {
  admin::v1::SplitRangeRequest request;
  request.set_collection(collection);
  request.set_split_key(key);
  return request;
}

admin::v1::LookupRangeRequest Lookup(const std::string& collection, const std::string& key) {
  admin::v1::LookupRangeRequest request;
  request.set_collection(collection);
  request.set_key(key);
  return request;
}

kv::v1::SetRequest SetIn(const std::string& collection, const std::string& key) {
  kv::v1::SetRequest request;
  request.set_collection(collection);
  request.set_key(key);
  request.set_value("v");
  return request;
}

kv::v1::GetRequest GetIn(const std::string& collection, const std::string& key) {
  kv::v1::GetRequest request;
  request.set_collection(collection);
  request.set_key(key);
  return request;
}

FrontOptions Following() {
  FrontOptions options;
  options.directory_period = seconds(1);
  return options;
}

// What a client that follows has come to know.
struct Follower {
  FakeCall call;
  std::map<uint64_t, type::v1::RangeDescriptor> ranges;
  uint64_t stores = 0;  // Rows of them that came.
  size_t pages_read = 0;
  int completions = 0;

  void Start(FakeCluster* cluster, uint64_t store) {
    cluster->Start(store, Method::kFollowRanges, "", &call);
    cluster->Settle();
  }
  void ReadPages() {
    for (; pages_read < call.encoded_pages.size(); ++pages_read) {
      admin::v1::FollowRangesResponse page;
      ASSERT_TRUE(page.ParseFromString(call.encoded_pages[pages_read]));
      for (const uint64_t id : page.gone_range_ids()) ranges.erase(id);
      for (const auto& route : page.routes()) ranges[route.range().range_id()] = route.range();
      stores += static_cast<uint64_t>(page.stores_size());
      completions += page.complete() ? 1 : 0;
    }
  }
};

TEST(FollowRanges, SendsEverythingThenEachChange) {
  FakeCluster cluster(3, Following());
  ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, SplitAt("", "m")).ok());
  cluster.Advance(seconds(2));
  Follower follower;
  follower.Start(&cluster, 3);
  follower.ReadPages();
  EXPECT_EQ(follower.completions, 1);
  EXPECT_EQ(follower.ranges.size(), 3u);

  ASSERT_TRUE(cluster.Call(2, Method::kSplitRange, SplitAt("", "t")).ok());
  cluster.Advance(seconds(2));
  follower.ReadPages();
  EXPECT_EQ(follower.ranges.size(), 4u);
  EXPECT_EQ(follower.completions, 1);
  EXPECT_FALSE(follower.call.result.has_value());
  const size_t pages = follower.pages_read;
  cluster.Advance(seconds(10));
  EXPECT_EQ(follower.call.encoded_pages.size(), pages) << "nothing changed";

  cluster.front(3).Cancel(follower.call.id);
  ASSERT_TRUE(cluster.Call(2, Method::kSplitRange, SplitAt("", "w")).ok());
  cluster.Advance(seconds(2));
  EXPECT_EQ(follower.call.encoded_pages.size(), pages) << "it has gone";
}

TEST(FollowRanges, ASlowFollowerGetsAFreshCopyAndNothingIsQueuedForIt) {
  FakeCluster cluster(3, Following());
  cluster.Advance(seconds(2));
  Follower follower;
  follower.call.takes_pages = false;
  follower.Start(&cluster, 3);
  ASSERT_EQ(follower.call.encoded_pages.size(), 1u);
  for (size_t i = 0; i < DirectoryCopy::kDeltasMax + 2; ++i) {
    const std::string key = "k" + std::to_string(1000 + i);
    ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, SplitAt("", key)).ok());
    cluster.Advance(milliseconds(1200));
  }
  EXPECT_EQ(follower.call.encoded_pages.size(), 1u) << "it has not asked for more";
  follower.call.takes_pages = true;
  cluster.front(3).Resume(cluster.now, follower.call.id);
  cluster.Settle();
  follower.ReadPages();
  EXPECT_EQ(follower.ranges.size(), cluster.RangeCount());
  EXPECT_LE(follower.call.encoded_pages.size(), 3u) << "changes one by one instead of a copy";
  EXPECT_EQ(follower.completions, 2);
}

TEST(FollowRanges, CountsNodesAtTheMetaRangeNotFollowers) {
  FakeCluster cluster(3, Following());
  cluster.Advance(seconds(5));
  std::vector<Follower> followers(500);
  for (size_t i = 0; i < followers.size(); ++i) followers[i].Start(&cluster, i % 3 + 1);
  const uint64_t before = cluster.requests_executed(kv::Operation::kMetaRead);
  ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, SplitAt("", "m")).ok());
  for (int second = 0; second < 10; ++second) cluster.Advance(milliseconds(1200));
  EXPECT_LE(cluster.requests_executed(kv::Operation::kMetaRead) - before, 3u * 11);
  for (Follower& follower : followers) {
    follower.ReadPages();
    EXPECT_EQ(follower.ranges.size(), 3u);
  }
}

// Both longer than a page.
TEST(FollowRanges, SendsAllRangesAndAllStores) {
  constexpr uint64_t kMore = 1200;
  FakeCluster cluster(3, Following());
  storage::v1::MetaCommand put;
  type::v1::RangeDescriptor range = cluster.InDirectory(client::FullKey(2, "k"));
  range.set_generation(range.generation() + 1);
  for (uint64_t i = 0; i <= kMore; ++i) {
    range.set_end_key(i == kMore ? "" : client::FullKey(2, "k" + std::to_string(1000 + i)));
    *put.mutable_put_ranges()->add_ranges() = range;
    range.set_range_id(1000 + i);
    range.set_start_key(range.end_key());
  }
  cluster.ApplyToMeta(put);
  for (uint64_t i = 0; i < kMore; ++i) {
    storage::v1::MetaCommand store;
    store.mutable_put_store()->mutable_store()->set_peer_address("p" + std::to_string(i));
    cluster.ApplyToMeta(store);
  }
  cluster.Advance(seconds(5));
  Follower follower;
  follower.Start(&cluster, 3);
  follower.ReadPages();
  EXPECT_EQ(follower.ranges.size(), kMore + 2);
  EXPECT_EQ(follower.stores, kMore + 3);
  const FakeCall status = cluster.Call(2, Method::kGetStatus, admin::v1::GetStatusRequest());
  EXPECT_EQ(status.Body<admin::v1::GetStatusResponse>().ranges(), kMore + 2);
}

TEST(DirectoryFollower, ReadsLessAndLessWhileNothingChanges) {
  FakeCluster cluster(3, Following());
  for (int second = 0; second < 30; ++second) cluster.Advance(seconds(1));
  const uint64_t before = cluster.requests_executed(kv::Operation::kMetaRead);
  for (int second = 0; second < 40; ++second) cluster.Advance(seconds(1));
  const uint64_t reads = cluster.requests_executed(kv::Operation::kMetaRead) - before;
  EXPECT_GE(reads, 3u * 7) << "each node, every four seconds";
  EXPECT_LE(reads, 3u * 11);
}

TEST(DirectoryFollower, ANodeRoutesByWhatItReadWithoutAsking) {
  FakeCluster cluster(3, Following());
  ASSERT_TRUE(cluster.Call(1, Method::kCreateCollection, Create("orders")).ok());
  ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, SplitAt("orders", "m")).ok());
  cluster.RestartFront(3);
  cluster.Advance(seconds(2));
  const uint64_t before = cluster.requests_executed(kv::Operation::kMetaRead);
  EXPECT_TRUE(cluster.Call(3, Method::kLookupRange, Lookup("orders", "z")).ok());
  EXPECT_TRUE(cluster.Call(3, Method::kSet, SetIn("orders", "z")).ok());
  EXPECT_EQ(cluster.requests_executed(kv::Operation::kMetaRead), before);
  EXPECT_EQ(cluster.front(3).counters().stale_routes, 0u);
}

// Nothing is known at first but what the manifest says.
TEST(DirectoryHotSpot, TenThousandClientsAtOnceCostTheMetaRangeAHandfulOfReads) {
  FakeCluster cluster;
  ASSERT_TRUE(cluster.Call(1, Method::kCreateCollection, Create("orders")).ok());
  for (const char* key : {"d", "h", "m", "t"}) {
    ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, SplitAt("orders", key)).ok());
  }
  for (uint64_t store = 1; store <= 3; ++store) cluster.RestartFront(store);
  const uint64_t before = cluster.requests_executed(kv::Operation::kMetaRead);
  std::vector<FakeCall> calls(10'000);
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string key(1, static_cast<char>('a' + i % 26));
    const uint64_t store = i % 3 + 1;
    if (i % 2 == 0) {
      cluster.Start(store, Method::kLookupRange, Lookup("orders", key).SerializeAsString(),
                    &calls[i]);
    } else {
      cluster.Start(store, Method::kGet, GetIn("orders", key).SerializeAsString(), &calls[i]);
    }
  }
  for (FakeCall& call : calls) {
    cluster.RunUntilDone(call);
    ASSERT_TRUE(call.ok()) << call.result->message;
  }
  // For each node: the collection, its ranges, and what a wrong route at first costs.
  EXPECT_LE(cluster.requests_executed(kv::Operation::kMetaRead) - before, 3u * 4);
}

// The read of the collection, or of the range, that the first caller began ends before the second
// one's time does.
TEST(DirectoryHotSpot, WhoSharesAReadFailsAtItsOwnDeadlineAlone) {
  using storage::v1::MetaQuery;
  for (const auto unanswered : {MetaQuery::kCollectionName, MetaQuery::kRangesFrom}) {
    FakeCluster cluster;
    ASSERT_TRUE(cluster.Call(1, Method::kCreateCollection, Create("orders")).ok());
    cluster.RestartFront(3);
    cluster.TellObservers(2);  // It ends before the collection by now.
    cluster.intercept = [unanswered](StoreId, const range::Request& request) {
      std::optional<range::Response> answer;
      MetaQuery query;
      if (request.operation == kv::Operation::kMetaRead &&
          query.ParseFromString(std::string(request.body)) && query.query_case() == unanswered) {
        answer.emplace().outcome = range::Outcome::kNotLeader;
      }
      return answer;
    };
    const std::string lookup = Lookup("orders", "k").SerializeAsString();
    const auto run_for = [&cluster](int tenths) {
      for (int i = 0; i < tenths; ++i) cluster.Advance(milliseconds(100));
    };
    FakeCall early;
    cluster.Start(3, Method::kLookupRange, lookup, &early, seconds(10));
    run_for(90);
    FakeCall late;
    cluster.Start(3, Method::kLookupRange, lookup, &late, seconds(20));
    FakeCall between;
    cluster.Start(3, Method::kLookupRange, lookup, &between, seconds(5));
    run_for(20);
    ASSERT_TRUE(early.result.has_value());
    EXPECT_FALSE(early.ok());
    EXPECT_FALSE(between.result.has_value());
    EXPECT_FALSE(late.result.has_value());
    run_for(35);
    EXPECT_TRUE(between.result.has_value()) << "its deadline was half a second ago";
    EXPECT_FALSE(late.result.has_value());
    EXPECT_LE(cluster.front(3).counters().directory_reads, 4u);
    cluster.intercept = nullptr;
    cluster.RunUntilDone(late);
    EXPECT_TRUE(late.ok()) << late.result->message;
  }
}

TEST(MetaRange, IsFoundAgainThroughAnyNodeThatKnowsWhereItWent) {
  FakeCluster cluster(6, {}, 3);
  for (const uint64_t store : {1, 2}) {
    admin::v1::ChangeReplicasRequest request;
    request.set_range_id(1);
    request.set_add_store_id(store + 3);
    request.set_remove_store_id(store);
    const FakeCall moved = cluster.Call(4, Method::kChangeReplicas, request);
    ASSERT_TRUE(moved.ok()) << moved.result->message;
  }
  // Node 6 knows only those that had it at first, and reaches none that have it now but 5, which
  // does not lead it.
  cluster.RestartFront(6);
  for (const uint64_t gone : {1, 2, 3}) {
    cluster.disconnected.insert({6, gone});
    cluster.disconnected.insert({gone, 6});
  }
  const FakeCall call =
      cluster.Call(6, Method::kListCollections, admin::v1::ListCollectionsRequest());
  EXPECT_TRUE(call.ok()) << call.result->message;
}

TEST(MetaRange, IsFoundAgainThoughTheStoreThatLedItLivesOnWithoutIt) {
  FakeCluster cluster(4, {}, 3);
  ASSERT_TRUE(cluster.Call(4, Method::kListCollections, admin::v1::ListCollectionsRequest()).ok());
  const uint64_t left = cluster.Leader(1);
  cluster.SetLeader(1, left % 3 + 1);
  // It knows nothing newer than who asks.
  cluster.intercept = [left](StoreId store, const range::Request& request) {
    std::optional<range::Response> answer;
    if (store == StoreId(left) && request.range == RangeId(1)) {
      answer.emplace().outcome = range::Outcome::kRangeMismatch;
    }
    return answer;
  };
  const FakeCall call =
      cluster.Call(4, Method::kListCollections, admin::v1::ListCollectionsRequest());
  EXPECT_TRUE(call.ok()) << call.result->message;
}

admin::v1::UpdateCollectionRequest Update(const std::string& name, uint32_t replicas,
                                          uint64_t split_bytes) {
  admin::v1::UpdateCollectionRequest request;
  request.set_name(name);
  request.mutable_options()->set_replication_factor(replicas);
  request.mutable_options()->mutable_split()->set_size_bytes(split_bytes);
  return request;
}

TEST(UpdateCollection, ChangesTheOptionsThatEveryNodeReads) {
  FakeCluster cluster;
  ASSERT_TRUE(cluster.Call(1, Method::kCreateCollection, Create("orders")).ok());
  const FakeCall call = cluster.Call(2, Method::kUpdateCollection, Update("orders", 5, 1 << 20));
  ASSERT_TRUE(call.ok()) << call.result->message;
  admin::v1::GetCollectionRequest get;
  get.set_name("orders");
  for (uint64_t store = 1; store <= 3; ++store) {
    const auto collection = cluster.Call(store, Method::kGetCollection, get)
                                .Body<admin::v1::GetCollectionResponse>()
                                .collection();
    EXPECT_EQ(collection.options().replication_factor(), 5u);
    EXPECT_EQ(collection.options().split().size_bytes(), 1u << 20);
    EXPECT_TRUE(collection.ready());
  }
}

TEST(UpdateCollection, NamesTheLimitThatIsExceeded) {
  FakeCluster cluster;
  const FakeCall even = cluster.Call(1, Method::kUpdateCollection, Update("default", 4, 0));
  EXPECT_EQ(even.result->code, absl::StatusCode::kInvalidArgument);
  EXPECT_NE(even.result->message.find("replication_factor is 4; it must be 1, 3, 5 or 7"),
            std::string::npos)
      << even.result->message;
  const FakeCall small = cluster.Call(1, Method::kUpdateCollection, Update("default", 3, 10));
  EXPECT_NE(small.result->message.find("split.size_bytes is 10; it must be at least 4096"),
            std::string::npos)
      << small.result->message;
  EXPECT_EQ(cluster.Call(1, Method::kUpdateCollection, Update("nowhere", 3, 0)).result->code,
            absl::StatusCode::kNotFound);
}

TEST(DropCollection, EmptiesAllItsRangesAndNoNodeServesThemAnyMore) {
  FakeCluster cluster;
  ASSERT_TRUE(cluster.Call(1, Method::kCreateCollection, Create("orders")).ok());
  ASSERT_TRUE(cluster.Call(1, Method::kCreateCollection, Create("other")).ok());
  ASSERT_TRUE(cluster.Call(2, Method::kSplitRange, SplitAt("orders", "m")).ok());
  for (const char* key : {"a", "z"}) {
    for (uint64_t store = 1; store <= 3; ++store) {
      ASSERT_TRUE(cluster.Call(store, Method::kSet, SetIn("orders", key)).ok());
      ASSERT_TRUE(cluster.Call(store, Method::kSet, SetIn("other", key)).ok());
    }
  }
  const FakeCall call = cluster.Call(3, Method::kDropCollection, Drop("orders"));
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(call.Body<admin::v1::DropCollectionResponse>().ranges_emptied(), 2u);
  for (uint64_t store = 1; store <= 3; ++store) {
    // Nodes 1 and 2 have the collection in their caches.
    EXPECT_EQ(cluster.Call(store, Method::kGet, GetIn("orders", "a")).result->code,
              absl::StatusCode::kNotFound);
    EXPECT_EQ(cluster.Call(store, Method::kSet, SetIn("orders", "z")).result->code,
              absl::StatusCode::kNotFound);
    EXPECT_TRUE(
        cluster.Call(store, Method::kGet, GetIn("other", "a")).Body<kv::v1::GetResponse>().found());
  }
  EXPECT_EQ(cluster.Call(1, Method::kDropCollection, Drop("orders")).result->code,
            absl::StatusCode::kNotFound);
}

TEST(DropCollection, FreesTheNameAndNeverTheId) {
  FakeCluster cluster;
  const auto first = cluster.Call(1, Method::kCreateCollection, Create("orders"))
                         .Body<admin::v1::CreateCollectionResponse>()
                         .collection();
  ASSERT_TRUE(cluster.Call(2, Method::kSet, SetIn("orders", "a")).ok());
  ASSERT_TRUE(cluster.Call(1, Method::kDropCollection, Drop("orders")).ok());
  const FakeCall again = cluster.Call(1, Method::kCreateCollection, Create("orders"));
  ASSERT_TRUE(again.ok()) << again.result->message;
  const auto second = again.Body<admin::v1::CreateCollectionResponse>().collection();
  EXPECT_GT(second.id(), first.id());
  // Node 2 believes in the old one until a range has told it otherwise.
  EXPECT_EQ(cluster.Call(2, Method::kGet, GetIn("orders", "a")).result->code,
            absl::StatusCode::kNotFound);
  const FakeCall get = cluster.Call(2, Method::kGet, GetIn("orders", "a"));
  ASSERT_TRUE(get.ok()) << get.result->message;
  EXPECT_FALSE(get.Body<kv::v1::GetResponse>().found());
}

TEST(DropCollection, LeavesTheClustersOwnAlone) {
  FakeCluster cluster;
  EXPECT_EQ(cluster.Call(1, Method::kDropCollection, Drop("default")).result->code,
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(cluster.Call(1, Method::kDropCollection, Drop("")).result->code,
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cluster.Call(1, Method::kDropCollection, Drop("nowhere")).result->code,
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(cluster.Call(1, Method::kSet, SetIn("", "k")).ok());
}

TEST(DropCollection, FollowsSplitsThatItsRoutesDoNotKnow) {
  FakeCluster cluster;
  const auto collection = cluster.Call(1, Method::kCreateCollection, Create("orders"))
                              .Body<admin::v1::CreateCollectionResponse>()
                              .collection();
  cluster.SplitSilently(client::FullKey(collection.id(), "f"), 901);
  cluster.SplitSilently(client::FullKey(collection.id(), "m"), 902);
  const FakeCall call = cluster.Call(1, Method::kDropCollection, Drop("orders"));
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(call.Body<admin::v1::DropCollectionResponse>().ranges_emptied(), 3u);
  for (const char* key : {"a", "g", "n"}) {
    EXPECT_TRUE(cluster.RangeOf(client::FullKey(collection.id(), key))->dropped()) << key;
  }
}

// A collection "orders", id 3, of 20 ranges.
void CreateOfManyRanges(FakeCluster* cluster) {
  ASSERT_TRUE(cluster->Call(1, Method::kCreateCollection, Create("orders")).ok());
  for (char key = 'b'; key < 'u'; ++key) {
    ASSERT_TRUE(cluster->Call(1, Method::kSplitRange, SplitAt("orders", std::string(1, key))).ok());
  }
}

void ExpectAllDropped(const FakeCluster& cluster) {
  for (char key = 'a'; key < 'u'; ++key) {
    EXPECT_TRUE(cluster.RangeOf(client::FullKey(3, std::string(1, key)))->dropped()) << key;
  }
}

TEST(DropCollection, EmptiesEightRangesAtOnce) {
  FakeCluster cluster;
  CreateOfManyRanges(&cluster);
  for (char key = 'a'; key < 'u'; ++key) {
    const RangeId range(cluster.RangeOf(client::FullKey(3, std::string(1, key)))->range_id());
    cluster.SetLeader(range.value(), 2);
    cluster.front(3).OnLeader(range, StoreId(2));
  }
  cluster.stores_that_hold = {2};
  FakeCall call;
  cluster.Start(3, Method::kDropCollection, Drop("orders").SerializeAsString(), &call);
  // Node 3 knows one range only, until that has answered what has become of it.
  for (const uint64_t emptied : {0, 0, 8, 16, 20}) {
    cluster.Settle();
    EXPECT_EQ(cluster.requests_executed(kv::Operation::kDropRange), emptied);
    EXPECT_FALSE(call.result.has_value() && emptied < 20);
    cluster.Release(2);
    cluster.stores_that_hold = {2};
  }
  cluster.stores_that_hold.clear();
  cluster.RunUntilDone(call);
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(call.Body<admin::v1::DropCollectionResponse>().ranges_emptied(), 20u);
  ExpectAllDropped(cluster);
}

// The call says how far it came, and what is repeated goes on from there.
TEST(DropCollection, ThatFailsHalfwaySaysSoAndIsRepeated) {
  FakeCluster cluster;
  CreateOfManyRanges(&cluster);
  const uint64_t stuck = cluster.RangeOf(client::FullKey(3, "e"))->range_id();
  cluster.intercept = [&](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation == kv::Operation::kDropRange && request.range.value() == stuck) {
      answer.emplace();
      answer->outcome = range::Outcome::kFailedPrecondition;
      answer->message = "no";
    }
    return answer;
  };
  const FakeCall failed = cluster.Call(3, Method::kDropCollection, Drop("orders"));
  EXPECT_EQ(failed.result->code, absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(failed.result->message.find("ranges were emptied"), std::string::npos);
  EXPECT_FALSE(cluster.RangeOf(client::FullKey(3, "e"))->dropped());
  cluster.intercept = nullptr;
  EXPECT_TRUE(cluster.Call(2, Method::kDropCollection, Drop("orders")).ok());
  ExpectAllDropped(cluster);
}

TEST(DropCollection, WhoseCallerIsGoneIsGoneOnWithWhetherPlacementIsOnOrNot) {
  FakeCluster cluster;
  CreateOfManyRanges(&cluster);
  cluster.TellObservers(1);
  storage::v1::MetaCommand drop;
  drop.mutable_drop_collection()->set_collection_id(3);
  cluster.ApplyToMeta(drop);
  for (int i = 0; i < 60; ++i) cluster.Advance(seconds(1));
  EXPECT_FALSE(cluster.RangeOf(client::KeyPrefix(3))->dropped()) << "its caller may live";
  for (int i = 0; i < 40; ++i) cluster.Advance(seconds(1));
  ExpectAllDropped(cluster);
  EXPECT_EQ(cluster.Call(2, Method::kDropCollection, Drop("orders")).result->code,
            absl::StatusCode::kNotFound);
}

TEST(DropCollection, TakesAwayOneWhoseCreationBrokeOff) {
  FakeCluster cluster;
  cluster.intercept = [](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    if (request.operation == kv::Operation::kSplit) {
      answer.emplace();
      answer->outcome = range::Outcome::kFailedPrecondition;
    }
    return answer;
  };
  EXPECT_FALSE(cluster.Call(1, Method::kCreateCollection, Create("orders")).ok());
  cluster.intercept = nullptr;
  const FakeCall call = cluster.Call(2, Method::kDropCollection, Drop("orders"));
  ASSERT_TRUE(call.ok()) << call.result->message;
  EXPECT_EQ(call.Body<admin::v1::DropCollectionResponse>().ranges_emptied(), 0u);
  EXPECT_TRUE(cluster.Call(3, Method::kSet, SetIn("", "k")).ok()) << "the neighbour was emptied";
  EXPECT_EQ(cluster.Call(2, Method::kDropCollection, Drop("orders")).result->code,
            absl::StatusCode::kNotFound);
}

// Splits wait while the flag is set; no other request does.
FakeCluster::Interceptor HoldSplits(const bool* hold) {
  return [hold](StoreId, const range::Request& request) {
    std::optional<range::Response> answer;
    if (*hold && request.operation == kv::Operation::kSplit) {
      answer.emplace();
      answer->outcome = range::Outcome::kNotLeader;
    }
    return answer;
  };
}

TEST(DropCollection, TheRangeOfACreationThatItOvertookIsDroppedByTheCreator) {
  for (const seconds patience : {seconds(30), seconds(1)}) {
    FakeCluster cluster;
    bool hold = true;
    cluster.intercept = HoldSplits(&hold);
    FakeCall create;
    cluster.Start(1, Method::kCreateCollection, Create("orders").SerializeAsString(), &create,
                  patience);
    for (int i = 0; i < 20; ++i) cluster.Advance(milliseconds(100));
    EXPECT_EQ(create.result.has_value(), patience == seconds(1)) << "its call ends in time";
    ASSERT_TRUE(cluster.Call(2, Method::kDropCollection, Drop("orders")).ok());
    hold = false;
    for (int i = 0; i < 50; ++i) cluster.Advance(milliseconds(100));
    ASSERT_TRUE(create.result.has_value());
    EXPECT_EQ(create.result->code, patience == seconds(1) ? absl::StatusCode::kDeadlineExceeded
                                                          : absl::StatusCode::kNotFound);
    EXPECT_EQ(cluster.RangeOf(client::KeyPrefix(3))->collection_id(), 3u);
    EXPECT_TRUE(cluster.RangeOf(client::KeyPrefix(3))->dropped());
  }
}

// A node crashes after its n-th request of the drop was executed, before it learns the answer.
class DropCrash : public ::testing::TestWithParam<int> {};

TEST_P(DropCrash, IsFinishedByRepeatingTheCallAtAnotherNode) {
  FakeCluster cluster;
  const auto collection = cluster.Call(1, Method::kCreateCollection, Create("orders"))
                              .Body<admin::v1::CreateCollectionResponse>()
                              .collection();
  ASSERT_TRUE(cluster.Call(1, Method::kSplitRange, SplitAt("orders", "m")).ok());
  // Node 3 leads nothing, so every step is a message.
  cluster.CrashDuring(3, Method::kDropCollection, Drop("orders").SerializeAsString(), GetParam());

  const FakeCall call = cluster.Call(2, Method::kDropCollection, Drop("orders"));
  // After the last step there is nothing left to drop.
  EXPECT_TRUE(call.ok() || call.result->code == absl::StatusCode::kNotFound)
      << call.result->message;
  for (const char* key : {"a", "z"}) {
    EXPECT_TRUE(cluster.RangeOf(client::FullKey(collection.id(), key))->dropped());
  }
  EXPECT_EQ(cluster.Call(2, Method::kDropCollection, Drop("orders")).result->code,
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(cluster.Call(3, Method::kCreateCollection, Create("orders")).ok());
  EXPECT_TRUE(cluster.Call(3, Method::kSet, SetIn("orders", "k")).ok());
}

TEST_P(DropCrash, OfManyRangesIsFinishedByRepeatingTheCallAtAnotherNode) {
  FakeCluster cluster;
  CreateOfManyRanges(&cluster);
  cluster.CrashDuring(3, Method::kDropCollection, Drop("orders").SerializeAsString(), GetParam());
  const FakeCall call = cluster.Call(2, Method::kDropCollection, Drop("orders"));
  // After the last step there is nothing left to drop.
  EXPECT_TRUE(call.ok() || call.result->code == absl::StatusCode::kNotFound)
      << call.result->message;
  ExpectAllDropped(cluster);
  EXPECT_TRUE(cluster.Call(3, Method::kCreateCollection, Create("orders")).ok());
}

// Steps: read, mark, look the ranges up, empty them, remove.
INSTANTIATE_TEST_SUITE_P(AfterStep, DropCrash, ::testing::Range(1, 9));

}  // namespace
}  // namespace rasputin::server
