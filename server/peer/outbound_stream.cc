// The stream as a state machine on a completion queue; see the header.

#include "server/peer/outbound_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "server/clock/clock.h"
#include "server/peer/peer_channel.h"
#include "server/rpc/bytes.h"

namespace rasputin::server {
namespace {

constexpr consensus::Duration kRetryMin = std::chrono::milliseconds(50);
constexpr consensus::Duration kRetryMax = std::chrono::seconds(1);
constexpr int kConnectMs = 50;

class Stream final : public OutboundStream {
 public:
  Stream(const std::string& address, const std::string& path, EventQueue* queue,
         FrameSource* source)
      : path_(path), queue_(queue), source_(source), stub_(MakePeerChannel(address, kConnectMs)) {}

  void Tick(consensus::Instant now) override {
    if (!open_ && !stopping_ && now >= retry_at_) Open();
  }
  consensus::Instant NextDeadline() const override {
    return open_ || stopping_ ? consensus::Instant::max() : retry_at_;
  }
  void Wake() override {
    if (started_ && !writing_ && !ending_) WriteNext(false);
  }
  bool Up() const override { return up_ && !ending_; }
  void RetrySoon() override { retry_at_ = consensus::Instant::min(); }
  void Stop() override {
    stopping_ = true;
    if (open_) rpc_->context.TryCancel();
  }
  bool Ended() const override { return stopping_ && !open_; }

 private:
  struct Rpc {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
    grpc::ByteBuffer read;
    grpc::Status status;
  };

  static void* Tag(FunctionEvent* event) { return static_cast<Event*>(event); }

  void Open() {
    open_ = true;
    rpc_.emplace();
    rpc_->stream = stub_.PrepareCall(&rpc_->context, path_, queue_->queue());
    operations_ = 1;
    rpc_->stream->StartCall(Tag(&started_event_));
  }

  void OnStarted(bool ok) {
    --operations_;
    if (!ok) {
      End();
      return;
    }
    started_ = true;
    ReadNext();
    WriteNext(true);
  }

  void ReadNext() {
    reading_ = true;
    ++operations_;
    rpc_->stream->Read(&rpc_->read, Tag(&read_event_));
  }

  void WriteNext(bool first) {
    const absl::Cord frame = source_->NextFrame(first);
    if (frame.empty()) return;
    writing_ = true;
    ++operations_;
    rpc_->stream->Write(ToByteBuffer(frame), Tag(&written_event_));
  }

  void OnWritten(bool ok) {
    --operations_;
    writing_ = false;
    if (!ok || ending_) {
      End();
    } else {
      WriteNext(false);
    }
  }

  void OnRead(bool ok) {
    --operations_;
    reading_ = false;
    if (!ok || ending_) {
      End();
      return;
    }
    if (!up_) {
      up_ = true;
      retry_after_ = kRetryMin;
      source_->OnUp();
    }
    ReadNext();
  }

  // The first sign of the end asks for the status, once no read is under way: a read that still
  // waits for the first answer and Finish would both ask for the initial metadata, for which gRPC
  // aborts the process. The last operation's end makes it final.
  void End() {
    if (!ending_) {
      ending_ = true;
      if (reading_) rpc_->context.TryCancel();
    }
    if (!finishing_) {
      if (reading_) return;
      finishing_ = true;
      ++operations_;
      rpc_->stream->Finish(&rpc_->status, Tag(&finished_event_));
      return;
    }
    if (operations_ > 0) return;
    const std::string reason =
        rpc_->status.ok() ? "the other side closed the stream" : rpc_->status.error_message();
    const bool was_up = up_;
    rpc_.reset();
    open_ = started_ = reading_ = writing_ = ending_ = finishing_ = up_ = false;
    retry_at_ = Now() + (was_up ? kRetryMin : retry_after_);
    retry_after_ = std::min(kRetryMax, retry_after_ * 2);
    source_->OnDown(reason);
  }

  void OnFinished() {
    --operations_;
    End();
  }

  const std::string path_;
  EventQueue* const queue_;
  FrameSource* const source_;
  grpc::GenericStub stub_;
  std::optional<Rpc> rpc_;
  FunctionEvent started_event_{[this](bool ok) { OnStarted(ok); }};
  FunctionEvent read_event_{[this](bool ok) { OnRead(ok); }};
  FunctionEvent written_event_{[this](bool ok) { OnWritten(ok); }};
  FunctionEvent finished_event_{[this](bool) { OnFinished(); }};
  int operations_ = 0;
  bool open_ = false;     // A call exists.
  bool started_ = false;  // It may be written to.
  bool writing_ = false;
  bool up_ = false;
  bool reading_ = false;
  bool ending_ = false;     // Nothing new is begun.
  bool finishing_ = false;  // The status was asked for.
  bool stopping_ = false;
  consensus::Instant retry_at_{};
  consensus::Duration retry_after_ = kRetryMin;
};

}  // namespace

std::unique_ptr<OutboundStream> OutboundStream::Make(const std::string& address,
                                                     const std::string& path, EventQueue* queue,
                                                     FrameSource* source) {
  return std::make_unique<Stream>(address, path, queue, source);
}

}  // namespace rasputin::server
