// A gRPC service whose methods take and give bytes, made from the paths of its methods.
//
// What generated WithRawMethod_ classes do, for any set of methods: no stub is compiled into the
// server, and a value is never parsed nor copied on its way in. Include only where gRPC is
// included.

#ifndef RASPUTIN_SERVER_RPC_RAW_SERVICE_H_
#define RASPUTIN_SERVER_RPC_RAW_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/completion_queue.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/byte_buffer.h"

namespace rasputin::server {

using RawUnaryResponder = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;
using RawServerStream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

class RawService final : public grpc::Service {
 public:
  enum class Kind { kUnary, kStream };
  struct Method {
    std::string path;  // "/package.Service/Method".
    Kind kind = Kind::kUnary;
  };

  explicit RawService(std::vector<Method> methods) : methods_(std::move(methods)) {
    for (size_t i = 0; i < methods_.size(); ++i) {
      AddMethod(new grpc::internal::RpcServiceMethod(
          methods_[i].path.c_str(),
          methods_[i].kind == Kind::kUnary ? grpc::internal::RpcMethod::NORMAL_RPC
                                           : grpc::internal::RpcMethod::BIDI_STREAMING,
          nullptr));
      MarkMethodRaw(static_cast<int>(i));
    }
  }

  void RequestUnary(int method, grpc::ServerContext* context, grpc::ByteBuffer* request,
                    RawUnaryResponder* responder, grpc::CompletionQueue* call_queue,
                    grpc::ServerCompletionQueue* notification_queue, void* tag) {
    RequestAsyncUnary(method, context, request, responder, call_queue, notification_queue, tag);
  }
  void RequestStream(int method, grpc::ServerContext* context, RawServerStream* stream,
                     grpc::CompletionQueue* call_queue,
                     grpc::ServerCompletionQueue* notification_queue, void* tag) {
    RequestAsyncBidiStreaming(method, context, stream, call_queue, notification_queue, tag);
  }

 private:
  const std::vector<Method> methods_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_RAW_SERVICE_H_
