// The calls of both systems; see target.h. Etcd's are made without generated stubs: its messages
// are those that the benchmark uses too.

#include "tests/partition/target.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <random>
#include <utility>
#include <vector>

#include "client/endpoints.h"
#include "client/grpc_error.h"
#include "client/session.h"
#include "client/status.h"
#include "etcd/etcd.pb.h"
#include "rasputin/kv/v1/kv.grpc.pb.h"

namespace rasputin::partition {
namespace {

using linearizability::Result;
using std::chrono::milliseconds;
using std::chrono::system_clock;

class Rasputin final : public Target {
 public:
  explicit Rasputin(const std::string& address)
      : stub_(kv::v1::KvService::NewStub(client::NewChannel(address))),
        session_([] { return std::random_device()() * (uint64_t{1} << 31) + 1; }) {}

  Reply Get(const std::string& key, milliseconds timeout) override {
    grpc::ClientContext context;
    context.set_deadline(system_clock::now() + timeout);
    kv::v1::GetRequest request;
    request.set_key(key);
    kv::v1::GetResponse response;
    Reply reply;
    if (!Judge(stub_->Get(&context, request, &response), &reply)) {
      reply.result = Result::kNotExecuted;
      return reply;
    }
    if (response.found()) reply.value = response.value();
    reply.version = response.version();
    return reply;
  }

  Reply Set(const std::string& key, const std::string& value, milliseconds timeout) override {
    grpc::ClientContext context;
    const auto now = system_clock::now();
    context.set_deadline(now + timeout);
    kv::v1::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    *request.mutable_request_id() = session_.Begin(
        1, static_cast<uint64_t>(
               std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count()));
    kv::v1::SetResponse response;
    Reply reply;
    if (Judge(stub_->Set(&context, request, &response), &reply)) reply.version = response.version();
    session_.Done(request.request_id());
    return reply;
  }

 private:
  static bool Judge(const grpc::Status& status, Reply* reply) {
    if (status.ok()) {
      reply->result = Result::kOk;
      return true;
    }
    const absl::Status error = client::ToAbslStatus(client::ErrorOf(status));
    reply->result = client::OutcomeIsUnknown(error) ? Result::kUnknown : Result::kNotExecuted;
    reply->error = std::string(error.message());
    return false;
  }

  const std::unique_ptr<kv::v1::KvService::Stub> stub_;
  client::Session session_;
};

class Etcd final : public Target {
 public:
  Etcd(const std::string& address, bool stale_reads)
      : stale_reads_(stale_reads), stub_(client::NewChannel(address)) {}

  Reply Get(const std::string& key, milliseconds timeout) override {
    etcd::RangeRequest request;
    request.set_key(key);
    request.set_serializable(stale_reads_);
    etcd::RangeResponse response;
    Reply reply;
    if (!Call("/etcdserverpb.KV/Range", request, timeout, &response, &reply)) {
      reply.result = Result::kNotExecuted;
      return reply;
    }
    if (response.kvs_size() == 0) return reply;
    reply.value = response.kvs(0).value();
    reply.version = response.kvs(0).mod_revision();
    return reply;
  }

  Reply Set(const std::string& key, const std::string& value, milliseconds timeout) override {
    etcd::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    etcd::PutResponse response;
    Reply reply;
    if (Call("/etcdserverpb.KV/Put", request, timeout, &response, &reply)) {
      reply.version = response.header().revision();
    }
    return reply;
  }

 private:
  // False: it failed, and `reply` says so. Whether a write was executed is then never known.
  bool Call(const char* method, const google::protobuf::Message& request, milliseconds timeout,
            google::protobuf::Message* response, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(system_clock::now() + timeout);
    const grpc::Slice slice(request.SerializeAsString());
    const grpc::ByteBuffer sent(&slice, 1);
    grpc::ByteBuffer received;
    grpc::Status status;
    grpc::CompletionQueue queue;
    auto reader = stub_.PrepareUnaryCall(&context, method, sent, &queue);
    reader->StartCall();
    reader->Finish(&received, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    if (status.ok()) {
      grpc::ProtoBufferReader stream(&received);
      if (response->ParseFromZeroCopyStream(&stream)) {
        reply->result = Result::kOk;
        return true;
      }
      status = grpc::Status(grpc::StatusCode::INTERNAL, "an answer that is not etcd's");
    }
    reply->error = status.error_message();
    return false;
  }

  const bool stale_reads_;
  grpc::GenericStub stub_;
};

}  // namespace

std::unique_ptr<Target> MakeTarget(const std::string& system, const std::string& address) {
  if (system == "rasputin") return std::make_unique<Rasputin>(address);
  if (system == "etcd") return std::make_unique<Etcd>(address, false);
  if (system == "etcd-serializable") return std::make_unique<Etcd>(address, true);
  return nullptr;
}

}  // namespace rasputin::partition
