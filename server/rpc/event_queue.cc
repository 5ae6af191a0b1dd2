// gRPC's completion queue behind a small interface.

#include "server/rpc/event_queue.h"

#include <grpc/grpc.h>

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/alarm.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace rasputin::server {
namespace {

constexpr int kMetadataBytesMax = 16 << 10;

gpr_timespec After(consensus::Duration wait) {
  if (wait <= consensus::Duration::zero()) return gpr_time_0(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(wait.count(), GPR_TIMESPAN));
}

}  // namespace

// At most one alarm is under way: further interrupts before it is delivered change nothing.
class EventQueue::Wakeup final : public Event {
 public:
  void Set(grpc::ServerCompletionQueue* queue) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (set_ || ended_) return;
    set_ = true;
    alarm_.Set(queue, gpr_time_0(GPR_CLOCK_MONOTONIC), static_cast<Event*>(this));
  }
  void End() {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  void OnEvent(bool) override {
    std::lock_guard<std::mutex> lock(mutex_);
    set_ = false;
  }

 private:
  std::mutex mutex_;
  grpc::Alarm alarm_;
  bool set_ = false;
  bool ended_ = false;
};

EventQueue::EventQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : queue_(std::move(queue)), wakeup_(std::make_unique<Wakeup>()) {}

EventQueue::~EventQueue() = default;

EventQueue::Result EventQueue::Poll(consensus::Duration wait, Event** event, bool* ok) {
  void* tag = nullptr;
  switch (queue_->AsyncNext(&tag, ok, After(wait))) {
    case grpc::CompletionQueue::GOT_EVENT:
      *event = static_cast<Event*>(tag);
      return Result::kEvent;
    case grpc::CompletionQueue::TIMEOUT:
      return Result::kTimeout;
    case grpc::CompletionQueue::SHUTDOWN:
      break;
  }
  return Result::kEnd;
}

void EventQueue::Interrupt() { wakeup_->Set(queue_.get()); }

void EventQueue::Shutdown() {
  wakeup_->End();
  queue_->Shutdown();
}

void ConfigurePort(const PortOptions& options, grpc::ServerBuilder* builder, int* selected_port) {
  builder->AddListeningPort(absl::StrCat(options.host, ":", options.port),
                            grpc::InsecureServerCredentials(), selected_port);
  builder->SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder->SetMaxSendMessageSize(-1);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              static_cast<int>(options.streams_max));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  grpc::ResourceQuota quota(absl::StrCat("port-", options.port));
  quota.Resize(options.memory_bytes);
  builder->SetResourceQuota(quota);
}

}  // namespace rasputin::server
