// Inbound streams and calls as state machines on completion queues; see the header.

#include "server/peer/peer_listener.h"

#include <glog/logging.h>
#include <grpc/grpc.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/rpc/bytes.h"
#include "server/rpc/port_refusal.h"
#include "server/rpc/raw_service.h"
#include "server/rpc/server_stop.h"

namespace rasputin::server {
namespace {

// A frame is at most 64 MiB (peer.proto).
constexpr uint64_t kFrameBytesMax = (64 << 20) + (1 << 20);
// After so many frames the other side is told how many arrived.
constexpr uint64_t kFramesPerReceipt = 1024;

class Listener;

void* Tag(FunctionEvent* event) { return static_cast<Event*>(event); }

// Field 1, a varint: the same in ReplicateResponse and LeasesResponse.
absl::Cord EncodeReceipt(uint64_t frames) {
  std::string bytes(1, '\x08');
  for (; frames >= 0x80; frames >>= 7) bytes.push_back(static_cast<char>(frames | 0x80));
  bytes.push_back(static_cast<char>(frames));
  return absl::Cord(bytes);
}

class InboundStream {
 public:
  InboundStream(Listener* listener, int index, uint64_t id)
      : listener_(listener), index_(index), id_(id) {}
  void Arm();

 private:
  void OnRequested(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished();
  void StartRead();
  void Finish(const grpc::Status& status);
  void DeleteIfOver();
  const InboundStreamMethod& method() const;

  Listener* const listener_;
  const int index_;
  const uint64_t id_;
  grpc::ServerContext context_;
  RawServerStream stream_{&context_};
  grpc::ByteBuffer read_;
  FunctionEvent requested_event_{[this](bool ok) { OnRequested(ok); }};
  FunctionEvent read_event_{[this](bool ok) { OnRead(ok); }};
  FunctionEvent written_event_{[this](bool ok) { OnWritten(ok); }};
  FunctionEvent finished_event_{[this](bool) { OnFinished(); }};
  uint64_t frames_ = 0;
  int operations_ = 0;
  bool writing_ = false;
  bool finished_ = false;
};

class InboundCall {
 public:
  InboundCall(Listener* listener, int index) : listener_(listener), index_(index) {}
  void Arm();

 private:
  void OnRequested(bool ok);
  void Done(const CallResult& result);

  Listener* const listener_;
  const int index_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  RawUnaryResponder responder_{&context_};
  FunctionEvent requested_event_{[this](bool ok) { OnRequested(ok); }};
  FunctionEvent finished_event_{[this](bool) { delete this; }};
};

class Listener final : public PeerListener {
 public:
  Listener(std::vector<InboundStreamMethod> streams, std::vector<InboundCallMethod> calls)
      : streams_(std::move(streams)), calls_(std::move(calls)), service_(Methods()) {}

  absl::Status Start(const PortOptions& options) {
    grpc::ServerBuilder builder;
    int selected = 0;
    ConfigurePort(options, &builder, &selected);
    builder.SetMaxReceiveMessageSize(static_cast<int>(kFrameBytesMax));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
    builder.RegisterService(&service_);
    queue_ = std::make_unique<EventQueue>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    if (server_ != nullptr && selected != 0) return absl::OkStatus();
    if (server_ != nullptr) server_->Shutdown();
    queue_->Shutdown();
    Event* event = nullptr;
    bool ok = false;
    while (queue_->Poll(std::chrono::seconds(1), &event, &ok) != EventQueue::Result::kEnd) {
    }
    return CannotListen(options.host, options.port, options.port_flag);
  }

  EventQueue* queue() override { return queue_.get(); }

  void Serve() override {
    for (size_t i = 0; i < streams_.size(); ++i) ArmStream(static_cast<int>(i));
    for (size_t i = 0; i < calls_.size(); ++i) ArmCall(static_cast<int>(i));
  }

  // The queue stays open: peer streams still end on it, and an operation on a closed queue aborts
  // the process.
  bool Shutdown(consensus::Duration wait) override {
    stopping_ = true;
    stop_.Begin(server_.get(), consensus::Duration::zero());
    return stop_.Await(wait);
  }

  void ArmStream(int index) {
    if (!stopping_) (new InboundStream(this, index, ++last_stream_))->Arm();
  }
  void ArmCall(int index) {
    if (!stopping_) (new InboundCall(this, index))->Arm();
  }

  RawService* service() { return &service_; }
  const InboundStreamMethod& stream(int index) const { return streams_[index]; }
  const InboundCallMethod& call(int index) const { return calls_[index]; }
  int IndexOfCall(int index) const { return static_cast<int>(streams_.size()) + index; }
  grpc::CompletionQueue* QueueOf(int index) {
    EventQueue* queue = streams_[index].queue;
    return queue != nullptr ? queue->queue() : queue_->queue();
  }

 private:
  std::vector<RawService::Method> Methods() const {
    std::vector<RawService::Method> methods;
    for (const auto& stream : streams_) methods.push_back({stream.path, RawService::Kind::kStream});
    for (const auto& call : calls_) methods.push_back({call.path, RawService::Kind::kUnary});
    return methods;
  }

  const std::vector<InboundStreamMethod> streams_;
  const std::vector<InboundCallMethod> calls_;
  RawService service_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> last_stream_{0};
  std::unique_ptr<EventQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  ServerStop stop_;
};

void InboundStream::Arm() {
  listener_->service()->RequestStream(index_, &context_, &stream_, listener_->QueueOf(index_),
                                      listener_->queue()->queue(), Tag(&requested_event_));
}

const InboundStreamMethod& InboundStream::method() const { return listener_->stream(index_); }

// In the thread of the port's queue; from the first read on, everything is in that of the stream's.
void InboundStream::OnRequested(bool ok) {
  if (!ok) {
    delete this;
    return;
  }
  listener_->ArmStream(index_);
  StartRead();
}

void InboundStream::StartRead() {
  ++operations_;
  stream_.Read(&read_, Tag(&read_event_));
}

void InboundStream::OnRead(bool ok) {
  --operations_;
  if (finished_) {
    DeleteIfOver();
    return;
  }
  if (!ok) {
    if (frames_ > 0) method().sink->OnEnd(id_);
    Finish(grpc::Status::OK);
    return;
  }
  const absl::Status status = method().sink->OnFrame(id_, frames_ == 0, ToCord(&read_));
  if (!status.ok()) {
    if (frames_ > 0) method().sink->OnEnd(id_);
    Finish(
        grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message())));
    return;
  }
  ++frames_;
  if (!writing_ && (frames_ == 1 || frames_ % kFramesPerReceipt == 0)) {
    writing_ = true;
    ++operations_;
    stream_.Write(ToByteBuffer(EncodeReceipt(frames_)), Tag(&written_event_));
  }
  StartRead();
}

void InboundStream::OnWritten(bool) {
  --operations_;
  writing_ = false;
  DeleteIfOver();
}

void InboundStream::Finish(const grpc::Status& status) {
  finished_ = true;
  ++operations_;
  stream_.Finish(status, Tag(&finished_event_));
}

void InboundStream::OnFinished() {
  --operations_;
  DeleteIfOver();
}

void InboundStream::DeleteIfOver() {
  if (finished_ && operations_ == 0) delete this;
}

void InboundCall::Arm() {
  grpc::ServerCompletionQueue* queue = listener_->queue()->queue();
  listener_->service()->RequestUnary(listener_->IndexOfCall(index_), &context_, &request_,
                                     &responder_, queue, queue, Tag(&requested_event_));
}

void InboundCall::OnRequested(bool ok) {
  if (!ok) {
    delete this;
    return;
  }
  listener_->ArmCall(index_);
  listener_->call(index_).handle(ToCord(&request_),
                                 [this](const CallResult& result) { Done(result); });
}

void InboundCall::Done(const CallResult& result) {
  if (result.code == absl::StatusCode::kOk) {
    responder_.Finish(ToByteBuffer(result.body), grpc::Status::OK, Tag(&finished_event_));
  } else {
    responder_.FinishWithError(
        grpc::Status(static_cast<grpc::StatusCode>(result.code), result.message, result.details),
        Tag(&finished_event_));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<PeerListener>> PeerListener::Listen(
    const PortOptions& options, std::vector<InboundStreamMethod> streams,
    std::vector<InboundCallMethod> calls) {
  auto listener = std::make_unique<Listener>(std::move(streams), std::move(calls));
  const absl::Status status = listener->Start(options);
  if (!status.ok()) return status;
  return std::unique_ptr<PeerListener>(std::move(listener));
}

}  // namespace rasputin::server
