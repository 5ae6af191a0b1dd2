// Every RPC of a real server, over a real connection, with damaged requests.
//
// The methods come from the descriptors of the services, so that a new one is covered on the day it
// is added. Each call is answered in time, with success or a code that is not ours to blame for and
// a sentence; after all of them the server serves what was written before, and stops in order.

#include <glog/logging.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/endpoints.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "tests/fuzz/inputs.h"
#include "tests/fuzz/trial.h"
#include "tests/process/server_cluster.h"

namespace rasputin::fuzz {
namespace {

using google::protobuf::MethodDescriptor;

constexpr uint64_t kUsualRuns = 200;  // Of each method.
constexpr uint64_t kUnderWay = 32;
constexpr std::chrono::seconds kCallTimeout(20);
// Its answers go on until the caller hangs up.
constexpr char kEndless[] = "/rasputin.admin.v1.DirectoryService/FollowRanges";

// Of FUZZ_RASPUTIND, or where bazel puts it.
std::string Binary() {
  const char* path = std::getenv("FUZZ_RASPUTIND");
  return path != nullptr ? path : "server/rasputind";
}

bool IsFault(const grpc::Status& status, bool needs_reason) {
  return fuzz::IsFault(static_cast<absl::StatusCode>(status.error_code()), status.error_message(),
                       status.error_details(), needs_reason);
}

struct Call {
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> unary;
  grpc::ByteBuffer response;
  grpc::Status status;
};

class RpcFuzz {
 public:
  // `needs_reason`: see IsFault.
  RpcFuzz(const std::string& address, uint64_t seed, bool needs_reason)
      : needs_reason_(needs_reason), random_(seed), stub_(client::NewChannel(address)) {}

  // So many calls of a method without streams; how many were answered with success.
  uint64_t CallUnary(const std::string& path, google::protobuf::Message* scratch, uint64_t calls) {
    uint64_t accepted = 0;
    for (uint64_t begun = 0, ended = 0; ended < calls;) {
      if (begun < calls && begun - ended < kUnderWay) {
        Begin(path, scratch);
        ++begun;
        continue;
      }
      accepted += End(path) ? 1 : 0;
      ++ended;
    }
    return accepted;
  }

  // Calls of a method with streams: one to three messages each, then the end.
  uint64_t CallStream(const std::string& path, google::protobuf::Message* scratch, uint64_t calls,
                      bool client_streams) {
    uint64_t accepted = 0;
    for (uint64_t i = 0; i < calls; ++i) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
      const auto call = stub_.PrepareCall(&context, path, &queue_);
      call->StartCall(nullptr);
      bool ok = Next();
      for (uint64_t n = client_streams ? random_() % 3 : 0; ok && n > 0; --n) {
        call->Write(Request(scratch), nullptr);
        ok = Next();
      }
      if (ok) {
        call->WriteLast(Request(scratch), grpc::WriteOptions(), nullptr);
        ok = Next();
      }
      const bool hung_up = ReadAll(call.get(), path == kEndless ? &context : nullptr);
      grpc::Status status;
      call->Finish(&status, nullptr);
      Next();
      if (hung_up) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED) << path;
        ++accepted;
        continue;
      }
      EXPECT_FALSE(IsFault(status, needs_reason_))
          << path << ": " << status.error_code() << " " << status.error_message();
      accepted += status.ok() ? 1 : 0;
    }
    return accepted;
  }

 private:
  grpc::ByteBuffer Request(google::protobuf::Message* scratch) {
    const grpc::Slice slice(AnyInput(&random_, scratch));
    return grpc::ByteBuffer(&slice, 1);
  }

  // Until the server ends the stream, or, with a context to cancel, its first answer. True:
  // cancelled.
  bool ReadAll(grpc::GenericClientAsyncReaderWriter* call, grpc::ClientContext* cancel) {
    bool hung_up = false;
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    while (Next()) {
      if (cancel != nullptr && !hung_up) cancel->TryCancel();
      hung_up = cancel != nullptr;
      call->Read(&response, nullptr);
    }
    return hung_up;
  }

  void Begin(const std::string& path, google::protobuf::Message* scratch) {
    auto* call = new Call;
    call->context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    call->unary = stub_.PrepareUnaryCall(&call->context, path, Request(scratch), &queue_);
    call->unary->StartCall();
    call->unary->Finish(&call->response, &call->status, call);
  }

  bool End(const std::string& path) {
    void* tag = nullptr;
    bool ok = false;
    CHECK(queue_.Next(&tag, &ok));
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    EXPECT_FALSE(IsFault(call->status, needs_reason_))
        << path << ": " << call->status.error_code() << " " << call->status.error_message();
    return call->status.ok();
  }

  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    CHECK(queue_.Next(&tag, &ok));
    return ok;
  }

  const bool needs_reason_;
  Random random_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
};

class FuzzRpcs : public ::testing::Test {
 protected:
  FuzzRpcs() {
    process::ServerClusterOptions options;
    options.binary = Binary();
    std::string directory = testing::TempDir() + "/rpc_fuzz_XXXXXX";
    PCHECK(mkdtemp(directory.data()) != nullptr);
    options.directory = directory;
    options.nodes = 1;
    servers_ = std::make_unique<process::ServerCluster>(options);
    servers_->Start(0);
    servers_->Init();
    client::ClientOptions client_options;
    client_options.endpoints = servers_->ClientAddresses();
    client_ = std::make_unique<client::Client>(client_options);
    kv::v1::SetRequest set;
    set.set_key("canary in a mine");
    set.set_value("alive");
    CHECK(client_->Set(set).ok());
  }
  ~FuzzRpcs() override {
    kv::v1::GetRequest get;
    get.set_key("canary in a mine");
    const auto value = client_->Get(get);
    EXPECT_TRUE(value.ok() && value->value() == "alive") << value.status();
    EXPECT_EQ(servers_->Stop(0), 0);
  }

  void FuzzService(const std::string& address, const google::protobuf::ServiceDescriptor* service,
                   bool needs_reason = true) {
    ASSERT_NE(service, nullptr);
    const uint64_t runs = Runs(kUsualRuns);
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor* method = service->method(i);
      const std::string path = "/" + service->full_name() + "/" + method->name();
      const std::unique_ptr<google::protobuf::Message> scratch(
          google::protobuf::MessageFactory::generated_factory()
              ->GetPrototype(method->input_type())
              ->New());
      RpcFuzz fuzz(address, static_cast<uint64_t>(i), needs_reason);
      const auto begin = std::chrono::steady_clock::now();
      const bool streams = method->client_streaming() || method->server_streaming();
      const uint64_t accepted =
          streams ? fuzz.CallStream(path, scratch.get(), runs, method->client_streaming())
                  : fuzz.CallUnary(path, scratch.get(), runs);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      std::printf("%lu inputs, %s: %lu accepted, %.1f s\n", runs, path.c_str(), accepted,
                  seconds.count());
      ASSERT_FALSE(servers_->ExitedByItself(0)) << path;
    }
  }

  std::unique_ptr<process::ServerCluster> servers_;
  std::unique_ptr<client::Client> client_;
};

TEST_F(FuzzRpcs, OfClientsAndOperators) {
  FuzzService(servers_->ClientAddress(0),
              kv::v1::SetRequest::descriptor()->file()->FindServiceByName("KvService"));
  const auto* admin = admin::v1::InitRequest::descriptor()->file();
  ASSERT_GE(admin->service_count(), 3);
  for (int i = 0; i < admin->service_count(); ++i) {
    FuzzService(servers_->ClientAddress(0), admin->service(i));
  }
}

TEST_F(FuzzRpcs, OfOtherNodes) {
  FuzzService(servers_->PeerAddress(0),
              peer::v1::JoinRequest::descriptor()->file()->FindServiceByName("PeerService"),
              /*needs_reason=*/false);
}

}  // namespace
}  // namespace rasputin::fuzz
