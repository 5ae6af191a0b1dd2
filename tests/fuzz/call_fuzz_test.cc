// Every call that the front end carries out, with damaged requests.
//
// Four nodes' front ends over real kv and meta state (server/front/fake_cluster.h). Each call is
// answered once, in time: with a response that parses, or with a code that says whose fault it is,
// a sentence and a reason; what was written before is still there.

#include <gtest/gtest.h>

#include <memory>

#include "client/route/full_key.h"
#include "consensus/wire/frame.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "server/front/fake_cluster.h"
#include "server/front/forward_frame.h"
#include "tests/fuzz/inputs.h"
#include "tests/fuzz/trial.h"

namespace rasputin::fuzz {
namespace {

using server::Method;

constexpr uint64_t kUsualCalls = 4'000;
// Splits and collections pile up: a new cluster after so many calls.
constexpr uint64_t kClusterCalls = 500;

// Collections that may be dropped.
constexpr const char* kDoomed[] = {"doomed-1", "doomed-2", "doomed-3", "doomed-4"};

kv::v1::SetRequest Canary() {
  kv::v1::SetRequest request;
  request.set_key("canary in a mine");
  request.set_value("alive");
  return request;
}

// Four stores; keys in three ranges, each led by another of the first three. The fourth has no
// replica, so that it may go.
std::unique_ptr<server::FakeCluster> NewCluster() {
  auto cluster = std::make_unique<server::FakeCluster>(4, server::FrontOptions(), 3);
  EXPECT_TRUE(cluster->Call(1, Method::kSet, Canary()).ok());
  cluster->SplitSilently(client::FullKey(2, "b"), 50);
  cluster->SplitSilently(client::FullKey(2, "c"), 51);
  cluster->SetLeader(50, 2);
  cluster->SetLeader(51, 3);
  for (const uint64_t range : {1, 2, 50, 51}) cluster->TellObservers(range);
  cluster->Settle();
  for (const char* name : kDoomed) {
    admin::v1::CreateCollectionRequest create;
    create.set_name(name);
    create.set_type(type::v1::COLLECTION_TYPE_KV);
    EXPECT_TRUE(cluster->Call(1, Method::kCreateCollection, create).ok());
  }
  return cluster;
}

void ExpectCanary(server::FakeCluster* cluster) {
  kv::v1::GetRequest get;
  get.set_key(Canary().key());
  const server::FakeCall call = cluster->Call(2, Method::kGet, get);
  ASSERT_TRUE(call.ok()) << call.result->message;
  ASSERT_EQ(call.Body<kv::v1::GetResponse>().value(), "alive");
}

// Most inputs would be refused for a collection that does not exist or an id of another time.
template <typename Request>
void MakeLikely(Random* random, Request* request) {
  for (const char* name : {"collection", "request_id"}) {
    const auto* field = request->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || (*random)() % 4 == 0) continue;
    request->GetReflection()->ClearField(request, field);
  }
}
// What is refused unless it is just so.
void MakeLikely(Random* random, peer::v1::JoinRequest* request) {
  if ((*random)() % 4 == 0) return;
  request->set_cluster_id(99);
  request->mutable_store()->clear_store_id();
}
void MakeLikely(Random* random, admin::v1::DropCollectionRequest* request) {
  if ((*random)() % 4 != 0) request->set_name(kDoomed[(*random)() % 4]);
}
void MakeLikely(Random* random, admin::v1::DecommissionStoreRequest* request) {
  request->set_store_id((*random)() % 6);
}

template <typename Request, typename Response>
void Fuzz(Method method) {
  std::unique_ptr<server::FakeCluster> cluster;
  Request scratch;
  const TrialOptions options{scratch.GetTypeName(), static_cast<uint64_t>(method), kUsualCalls, 0};
  TryInputs(options, [&](Random* random, uint64_t run, bool* accepted) {
    if (run % kClusterCalls == 0) {
      if (cluster != nullptr) ExpectCanary(cluster.get());
      cluster = NewCluster();
    }
    Fill(random, &scratch);
    MakeLikely(random, &scratch);
    std::string bytes = scratch.SerializeAsString();
    if ((*random)() % 3 != 0) bytes = Mutated(random, std::move(bytes));
    server::FakeCall call;
    cluster->Start(1 + (*random)() % 4, method, bytes, &call);
    cluster->RunUntilDone(call);
    *accepted = call.ok();
    const server::CallResult& result = *call.result;
    ASSERT_FALSE(IsFault(result.code, result.message, result.details))
        << absl::StatusCodeToString(result.code) << ": " << result.message;
    if (call.ok()) {
      Response response;
      ASSERT_TRUE(response.ParseFromString(std::string(result.body)));
    }
  });
  ExpectCanary(cluster.get());
}

TEST(FuzzCalls, Get) { Fuzz<kv::v1::GetRequest, kv::v1::GetResponse>(Method::kGet); }
TEST(FuzzCalls, Set) { Fuzz<kv::v1::SetRequest, kv::v1::SetResponse>(Method::kSet); }
TEST(FuzzCalls, Cas) { Fuzz<kv::v1::CasRequest, kv::v1::CasResponse>(Method::kCas); }
TEST(FuzzCalls, Delete) { Fuzz<kv::v1::DeleteRequest, kv::v1::DeleteResponse>(Method::kDelete); }
TEST(FuzzCalls, Scan) { Fuzz<kv::v1::ScanRequest, kv::v1::ScanResponse>(Method::kScan); }
TEST(FuzzCalls, Batch) { Fuzz<kv::v1::BatchRequest, kv::v1::BatchResponse>(Method::kBatch); }

#define RASPUTIN_ADMIN_CALL(name)                                               \
  TEST(FuzzCalls, name) {                                                       \
    Fuzz<admin::v1::name##Request, admin::v1::name##Response>(Method::k##name); \
  }
RASPUTIN_ADMIN_CALL(CreateCollection)
RASPUTIN_ADMIN_CALL(GetCollection)
RASPUTIN_ADMIN_CALL(ListCollections)
RASPUTIN_ADMIN_CALL(UpdateCollection)
RASPUTIN_ADMIN_CALL(DropCollection)
RASPUTIN_ADMIN_CALL(LookupRange)
RASPUTIN_ADMIN_CALL(ListRanges)
RASPUTIN_ADMIN_CALL(GetStatus)
RASPUTIN_ADMIN_CALL(ListStores)
RASPUTIN_ADMIN_CALL(DescribeRange)
RASPUTIN_ADMIN_CALL(SplitRange)
RASPUTIN_ADMIN_CALL(MergeRanges)
RASPUTIN_ADMIN_CALL(ListLoads)
RASPUTIN_ADMIN_CALL(TransferLease)
RASPUTIN_ADMIN_CALL(ChangeReplicas)
RASPUTIN_ADMIN_CALL(DecommissionStore)
RASPUTIN_ADMIN_CALL(GetPlan)
RASPUTIN_ADMIN_CALL(SetPlacement)
RASPUTIN_ADMIN_CALL(DrainStore)
#undef RASPUTIN_ADMIN_CALL

// It ends with the client alone, unless it is no request at all.
TEST(FuzzCalls, FollowRanges) {
  server::FrontOptions front;
  front.directory_period = std::chrono::seconds(1);
  server::FakeCluster cluster(3, front);
  admin::v1::FollowRangesRequest scratch;
  const TrialOptions options{scratch.GetTypeName(), 26, kUsualCalls, 0};
  TryInputs(options, [&](Random* random, uint64_t, bool* accepted) {
    const std::string bytes = AnyInput(random, &scratch);
    server::FakeCall call;
    cluster.Start(1 + (*random)() % 3, Method::kFollowRanges, bytes, &call);
    cluster.Advance(std::chrono::milliseconds(10));
    if (call.result.has_value()) {
      ASSERT_EQ(call.result->code, absl::StatusCode::kInvalidArgument);
      return;
    }
    *accepted = true;
    admin::v1::FollowRangesResponse page;
    ASSERT_FALSE(call.encoded_pages.empty());
    ASSERT_TRUE(page.ParseFromString(call.encoded_pages.back()));
    EXPECT_TRUE(page.complete());
    cluster.front(1).Cancel(call.id);
    cluster.front(2).Cancel(call.id);
    cluster.front(3).Cancel(call.id);
  });
}

TEST(FuzzCalls, Join) { Fuzz<peer::v1::JoinRequest, peer::v1::JoinResponse>(Method::kJoin); }

// Requests and answers that other front ends send, as far as they decode and honest nodes may send
// them: nodes trust each other.
TEST(FuzzCalls, Forwarded) {
  std::unique_ptr<server::FakeCluster> cluster;
  peer::v1::ReplicateRequest scratch;
  const TrialOptions options{"forwarded", 1, kUsualCalls, 0.001};
  TryInputs(options, [&](Random* random, uint64_t run, bool* accepted) {
    if (run % kClusterCalls == 0) {
      if (cluster != nullptr) ExpectCanary(cluster.get());
      cluster = NewCluster();
    }
    const auto frame = consensus::wire::DecodeFrame(Fragmented(random, AnyInput(random, &scratch)));
    if (!frame.ok()) return;
    server::FrontEnd& front = cluster->front(1 + (*random)() % 3);
    const server::StoreId from(1 + (*random)() % 3);
    for (const auto& forwarded : frame->requests) {
      auto request = server::FromFrame(forwarded);
      // The meta range's rows and commands, splits and the steps of merges are the nodes' own, not
      // clients'.
      if (!request.ok() || request->operation >= kv::Operation::kSplit) continue;
      // The fake stores do what they are asked for; a real one judges the target.
      if (request->kind == server::ForwardKind::kChangeReplicas) continue;
      request->target = server::StoreId(1 + (*random)() % 3);
      request->range = server::RangeId((*random)() % 2 == 0 ? 2 : 50 + (*random)() % 3);
      request->generation = consensus::Generation(1 + (*random)() % 3);
      front.OnForward(cluster->now, from, *std::move(request));
      *accepted = true;
    }
    for (const auto& answered : frame->replies) {
      server::ForwardReply reply = server::FromFrame(answered);
      // One of a generation yet to come would hide the real one.
      reply.response.descriptors.clear();
      front.OnForwardReply(cluster->now, from, std::move(reply));
    }
    cluster->Settle();
  });
  ExpectCanary(cluster.get());
}

}  // namespace
}  // namespace rasputin::fuzz
