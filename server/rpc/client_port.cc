// Calls as state machines on a completion queue; see the headers for the rules.
//
// A UnaryCall is recycled: request, answer, request. A StreamCall lives for one call, until all its
// operations have ended.

#include "server/rpc/client_port.h"

#include <glog/logging.h>
#include <grpc/support/time.h>

#include <atomic>
#include <deque>
#include <optional>
#include <utility>

#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/clock/clock.h"
#include "server/rpc/bytes.h"
#include "server/rpc/port_refusal.h"
#include "server/rpc/raw_service.h"
#include "server/rpc/server_stop.h"

namespace rasputin::server {
namespace {

constexpr int kArmedPerFrequentMethod = 32;
constexpr int kArmedOthers = 8;
constexpr size_t kPagesQueuedMax = 64;
// A deadline farther away is none: nanoseconds in 64 bits end after 292 years.
constexpr int64_t kDeadlineSecondsMax = int64_t{100} * 366 * 86400;

consensus::Instant DeadlineOf(const grpc::ServerContextBase& context, consensus::Instant now) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return consensus::Instant::max();
  }
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec > kDeadlineSecondsMax) return consensus::Instant::max();
  return now + std::chrono::seconds(left.tv_sec) + consensus::Duration(left.tv_nsec);
}

grpc::Status ToStatus(const CallResult& result) {
  if (result.code == absl::StatusCode::kOk) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(result.code), result.message, result.details);
}

// Without an ErrorDetail: whether it was executed is not known.
CallResult Stopped() {
  return {absl::StatusCode::kUnavailable, "the node was stopped before it had an answer", {}, {}};
}

class Port;

class UnaryCall final : public ServerCall, public Event {
 public:
  UnaryCall(Port* port, int index, std::string path) : port_(port), index_(index) {
    path_ = std::move(path);
  }
  void Arm();
  void OnEvent(bool ok) override;
  bool Page(absl::Cord) override { return false; }
  void Done(CallResult result) override;
  // Ends it if it waits for an answer; true: it did.
  bool CutOff();

 private:
  struct Rpc {
    grpc::ServerContext context;
    grpc::ByteBuffer request;
    RawUnaryResponder responder{&context};
  };
  enum class State { kIdle, kArmed, kServing, kFinishing };

  Port* const port_;
  const int index_;
  State state_ = State::kIdle;
  std::optional<Rpc> rpc_;
};

class StreamCall final : public ServerCall {
 public:
  explicit StreamCall(Port* port) : port_(port) {}
  void Arm();
  bool Page(absl::Cord page) override;
  void Done(CallResult result) override;

 private:
  void OnRequested(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished();
  void OnDone();
  void StartRead();
  void StartWrite(const absl::Cord& page);
  void Finish(const CallResult& result);
  void DeleteIfOver();

  Port* const port_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  grpc::ByteBuffer read_;
  FunctionEvent requested_event_{[this](bool ok) { OnRequested(ok); }};
  FunctionEvent read_event_{[this](bool ok) { OnRead(ok); }};
  FunctionEvent written_event_{[this](bool ok) { OnWritten(ok); }};
  FunctionEvent finished_event_{[this](bool) { OnFinished(); }};
  FunctionEvent done_event_{[this](bool) { OnDone(); }};
  int operations_ = 0;  // Under way; their events are yet to come.
  bool writing_ = false;
  bool at_sink_ = false;  // The sink has the call and will answer it.
  bool finished_ = false;
  bool gone_ = false;
  std::deque<absl::Cord> pages_;
  std::optional<CallResult> result_;  // Held back until all pages are written.
};

class Port final : public ClientPort {
 public:
  Port(const std::vector<std::string>& frequent, std::map<std::string, CallShape> others,
       CallSink* sink)
      : sink_(sink), paths_(frequent), others_(std::move(others)), service_(Methods(frequent)) {}

  absl::Status Start(const PortOptions& options) {
    grpc::ServerBuilder builder;
    int selected = 0;
    ConfigurePort(options, &builder, &selected);
    builder.RegisterService(&service_);
    builder.RegisterAsyncGenericService(&generic_);
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
    for (size_t i = 0; i < paths_.size(); ++i) {
      for (int n = 0; n < kArmedPerFrequentMethod; ++n) ArmUnary(static_cast<int>(i));
    }
    for (int n = 0; n < kArmedOthers; ++n) ArmStream();
  }

  // The queue stays open: peer streams still end on it, and an operation on a closed queue aborts
  // the process.
  void BeginShutdown(consensus::Duration grace) override {
    stopping_ = true;
    stop_.Begin(server_.get(), grace);
  }
  bool AwaitShutdown(consensus::Duration wait) override { return stop_.Await(wait); }
  size_t CutOff() override {
    cut_off_ = true;
    size_t cut = 0;
    for (const auto& call : unary_calls_) cut += call->CutOff() ? 1 : 0;
    return cut;
  }
  bool cut_off() const { return cut_off_; }

  void ArmUnary(int index) {
    if (stopping_) return;
    std::vector<UnaryCall*>& idle = idle_[index];
    if (idle.empty()) {
      unary_calls_.push_back(std::make_unique<UnaryCall>(this, index, paths_[index]));
      idle.push_back(unary_calls_.back().get());
    }
    UnaryCall* call = idle.back();
    idle.pop_back();
    call->Arm();
  }
  void ArmStream() {
    if (!stopping_) (new StreamCall(this))->Arm();
  }
  void Recycle(int index, UnaryCall* call) { idle_[index].push_back(call); }

  CallSink* sink() { return sink_; }
  RawService* service() { return &service_; }
  grpc::AsyncGenericService* generic() { return &generic_; }
  std::optional<CallShape> ShapeOf(const std::string& path) const {
    const auto found = others_.find(path);
    if (found == others_.end()) return std::nullopt;
    return found->second;
  }

 private:
  static std::vector<RawService::Method> Methods(const std::vector<std::string>& paths) {
    std::vector<RawService::Method> methods;
    for (const std::string& path : paths) methods.push_back({path, RawService::Kind::kUnary});
    return methods;
  }

  CallSink* const sink_;
  const std::vector<std::string> paths_;
  const std::map<std::string, CallShape> others_;
  RawService service_;
  grpc::AsyncGenericService generic_;
  std::atomic<bool> stopping_{false};
  bool cut_off_ = false;
  std::map<int, std::vector<UnaryCall*>> idle_;
  std::vector<std::unique_ptr<UnaryCall>> unary_calls_;
  std::unique_ptr<EventQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  ServerStop stop_;
};

void UnaryCall::Arm() {
  state_ = State::kArmed;
  rpc_.emplace();
  grpc::ServerCompletionQueue* queue = port_->queue()->queue();
  port_->service()->RequestUnary(index_, &rpc_->context, &rpc_->request, &rpc_->responder, queue,
                                 queue, static_cast<Event*>(this));
}

void UnaryCall::OnEvent(bool ok) {
  if (state_ == State::kFinishing || !ok) {
    state_ = State::kIdle;
    rpc_.reset();
    port_->Recycle(index_, this);
    return;
  }
  CHECK(state_ == State::kArmed);
  state_ = State::kServing;
  port_->ArmUnary(index_);
  started_ = Now();
  deadline_ = DeadlineOf(rpc_->context, started_);
  if (port_->cut_off()) return Done(Stopped());
  request_ = ToCord(&rpc_->request);
  port_->sink()->OnCall(this);
}

bool UnaryCall::CutOff() {
  if (state_ != State::kServing) return false;
  port_->sink()->OnGone(this);
  Done(Stopped());
  return true;
}

void UnaryCall::Done(CallResult result) {
  CHECK(state_ == State::kServing);
  state_ = State::kFinishing;
  port_->sink()->OnFinished(this, static_cast<int>(result.code));
  Event* tag = this;
  if (result.code == absl::StatusCode::kOk) {
    rpc_->responder.Finish(ToByteBuffer(result.body), grpc::Status::OK, tag);
  } else {
    rpc_->responder.FinishWithError(ToStatus(result), tag);
  }
}

void StreamCall::Arm() {
  grpc::ServerCompletionQueue* queue = port_->queue()->queue();
  context_.AsyncNotifyWhenDone(static_cast<Event*>(&done_event_));
  port_->generic()->RequestCall(&context_, &stream_, queue, queue,
                                static_cast<Event*>(&requested_event_));
}

void StreamCall::OnRequested(bool ok) {
  if (!ok) {
    delete this;
    return;
  }
  operations_ = 1;  // done_event_.
  port_->ArmStream();
  path_ = context_.method();
  started_ = Now();
  deadline_ = DeadlineOf(context_, started_);
  const std::optional<CallShape> shape = port_->ShapeOf(path_);
  if (!shape.has_value()) {
    path_ = "unknown";
    Finish({absl::StatusCode::kUnimplemented, "no such method on this port", {}, {}});
    return;
  }
  shape_ = *shape;
  StartRead();
}

void StreamCall::StartRead() {
  ++operations_;
  stream_.Read(&read_, static_cast<Event*>(&read_event_));
}

void StreamCall::OnRead(bool ok) {
  --operations_;
  if (finished_ || gone_) {
    DeleteIfOver();
  } else if (ok) {
    request_ = ToCord(&read_);
    at_sink_ = true;
    port_->sink()->OnCall(this);
  } else if (shape_ == CallShape::kDialogue) {
    Finish({});
  } else {
    Finish({absl::StatusCode::kInvalidArgument, "the call came without a request message", {}, {}});
  }
}

bool StreamCall::Page(absl::Cord page) {
  if (finished_ || gone_) return false;
  if (writing_) {
    CHECK_LT(pages_.size(), kPagesQueuedMax);
    pages_.push_back(std::move(page));
  } else {
    StartWrite(page);
  }
  return false;
}

void StreamCall::StartWrite(const absl::Cord& page) {
  ++operations_;
  writing_ = true;
  stream_.Write(ToByteBuffer(page), static_cast<Event*>(&written_event_));
}

void StreamCall::OnWritten(bool ok) {
  --operations_;
  writing_ = false;
  if (!ok || gone_) {
    // The connection is lost; done_event_ tells the sink.
    pages_.clear();
    DeleteIfOver();
  } else if (!pages_.empty()) {
    const absl::Cord page = std::move(pages_.front());
    pages_.pop_front();
    StartWrite(page);
  } else if (result_.has_value()) {
    Finish(*result_);
  } else if (shape_ == CallShape::kDialogue) {
    at_sink_ = false;
    StartRead();
  } else if (at_sink_) {
    port_->sink()->OnPageWritten(this);
  }
}

void StreamCall::Done(CallResult result) {
  CHECK(at_sink_);
  at_sink_ = false;
  if (writing_) {
    result_ = std::move(result);
  } else {
    Finish(result);
  }
}

void StreamCall::Finish(const CallResult& result) {
  if (finished_ || gone_) return;
  finished_ = true;
  port_->sink()->OnFinished(this, static_cast<int>(result.code));
  ++operations_;
  Event* tag = &finished_event_;
  if (result.code == absl::StatusCode::kOk && shape_ == CallShape::kUnary) {
    stream_.WriteAndFinish(ToByteBuffer(result.body), grpc::WriteOptions(), grpc::Status::OK, tag);
  } else {
    stream_.Finish(ToStatus(result), tag);
  }
}

void StreamCall::OnFinished() {
  --operations_;
  DeleteIfOver();
}

void StreamCall::OnDone() {
  --operations_;
  if (!finished_) gone_ = true;
  if (at_sink_) {
    at_sink_ = false;
    gone_ = true;
    port_->sink()->OnGone(this);
    port_->sink()->OnFinished(this, static_cast<int>(absl::StatusCode::kCancelled));
  }
  DeleteIfOver();
}

void StreamCall::DeleteIfOver() {
  if (operations_ == 0 && (finished_ || gone_)) delete this;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClientPort>> ClientPort::Listen(
    const PortOptions& options, const std::vector<std::string>& frequent,
    std::map<std::string, CallShape> others, CallSink* sink) {
  auto port = std::make_unique<Port>(frequent, std::move(others), sink);
  const absl::Status status = port->Start(options);
  if (!status.ok()) return status;
  return std::unique_ptr<ClientPort>(std::move(port));
}

}  // namespace rasputin::server
