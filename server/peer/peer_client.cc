// One call on a completion queue of its own, awaited.

#include "server/peer/peer_client.h"

#include <grpc/support/time.h>

#include <chrono>
#include <memory>

#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "server/peer/peer_channel.h"
#include "server/rpc/bytes.h"

namespace rasputin::server {

absl::Status CallPeer(const std::string& address, const std::string& path,
                      const google::protobuf::MessageLite& request,
                      google::protobuf::MessageLite* response, consensus::Duration timeout) {
  // A call fails with its first attempt to connect: that may take as long as the call.
  const auto connect = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
  grpc::GenericStub stub(MakePeerChannel(address, static_cast<int>(connect.count())));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                    gpr_time_from_nanos(timeout.count(), GPR_TIMESPAN)));
  const std::unique_ptr<grpc::GenericClientAsyncResponseReader> call = stub.PrepareUnaryCall(
      &context, path, ToByteBuffer(absl::Cord(request.SerializeAsString())), &queue);
  grpc::ByteBuffer answer;
  grpc::Status status;
  int tag = 0;
  call->StartCall();
  call->Finish(&answer, &status, &tag);
  void* got = nullptr;
  bool ok = false;
  queue.Next(&got, &ok);
  queue.Shutdown();
  while (queue.Next(&got, &ok)) {
  }
  if (!status.ok()) {
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  if (!response->ParseFromString(std::string(ToCord(&answer)))) {
    return absl::InternalError("an answer that cannot be parsed");
  }
  return absl::OkStatus();
}

}  // namespace rasputin::server
