// See call_stream.h. The generic stub is used, because it sends bytes as they are.

#include "tests/neighbour/call_stream.h"

#include <glog/logging.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <queue>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/endpoints.h"
#include "client/grpc_error.h"

namespace rasputin::neighbour {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kConnectPatience(10);
constexpr std::chrono::milliseconds kWaitMax(20);
constexpr std::chrono::milliseconds kLateMax(100);
// Calls begun before answers are looked at again.
constexpr int kBurst = 32;

struct Slot {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer response;
  grpc::Status status;
  Clock::time_point intended;
  bool counted = false;  // Open loop: it was to begin within the counted time.
};

}  // namespace

double StreamResult::Offered() const {
  return static_cast<double>(answered + refused + failed) / seconds;
}

class CallStream::Impl {
 public:
  explicit Impl(StreamOptions options) : options_(std::move(options)), random_(options_.seed) {
    CHECK(!options_.requests.empty());
    for (const std::string& request : options_.requests) {
      const grpc::Slice slice(request);
      bodies_.emplace_back(&slice, 1);
    }
  }
  ~Impl() { Join(); }

  void Start() {
    const auto deadline = std::chrono::system_clock::now() + kConnectPatience;
    for (uint32_t i = 0; i < options_.connections; ++i) {
      const std::shared_ptr<grpc::Channel> channel = client::NewChannel(options_.address);
      CHECK(channel->WaitForConnected(deadline)) << "no connection to " << options_.address;
      stubs_.push_back(std::make_unique<grpc::GenericStub>(channel));
    }
    thread_ = std::thread([this] { Run(); });
  }

  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  const StreamResult& result() const { return result_; }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "call-stream");
    // Of this thread alone, as Linux has it; without the right to, it stays as it is.
    setpriority(PRIO_PROCESS, 0, options_.niceness);
    count_from_ = Clock::now() + options_.warmup;
    count_until_ = count_from_ + options_.duration;
    next_ = Clock::now();
    free_ = options_.outstanding_max;
    while (true) {
      const bool over = Clock::now() >= count_until_;
      if (over && under_way_ == 0) break;
      if (!over) Send();
      Receive();
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
    result_.seconds = std::chrono::duration<double>(options_.duration).count();
  }

  // More than that late with sending, the machine cannot do what was asked for.
  void SkipWhatIsLate(Clock::duration period) {
    const Clock::duration late = Clock::now() - next_ - kLateMax;
    for (auto skipped = late / period; skipped > 0; --skipped, next_ += period) {
      if (Counts(next_)) ++result_.not_sent;
    }
  }

  void Send() {
    if (options_.rate > 0) {
      const auto period = std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(1 / options_.rate));
      SkipWhatIsLate(period);
      for (int n = 0; n < kBurst && next_ <= Clock::now(); ++n, next_ += period) {
        if (under_way_ < options_.outstanding_max) {
          Begin(next_);
        } else if (Counts(next_)) {
          ++result_.not_sent;
        }
      }
      return;
    }
    while (!resting_.empty() && resting_.top() <= Clock::now()) {
      resting_.pop();
      ++free_;
    }
    for (int n = 0; n < kBurst && free_ > 0; ++n, --free_) Begin(Clock::now());
  }

  void Receive() {
    Clock::time_point until = Clock::now() + kWaitMax;
    if (options_.rate > 0) until = std::min(until, next_);
    if (options_.rate == 0 && free_ > 0) until = Clock::now();
    if (!resting_.empty()) until = std::min(until, resting_.top());
    auto deadline = std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(
                        std::max(Clock::duration::zero(), until - Clock::now()));
    void* tag = nullptr;
    bool ok = false;
    for (int n = 0; n < kBurst; ++n) {
      if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return;
      End(static_cast<Slot*>(tag));
      deadline = std::chrono::system_clock::now();
    }
  }

  bool Counts(Clock::time_point at) const { return at >= count_from_ && at < count_until_; }

  void Begin(Clock::time_point intended) {
    Slot* slot = nullptr;
    if (idle_.empty()) {
      slots_.push_back(std::make_unique<Slot>());
      slot = slots_.back().get();
    } else {
      slot = idle_.back();
      idle_.pop_back();
    }
    ++under_way_;
    slot->intended = intended;
    slot->counted = Counts(intended);
    slot->reader.reset();  // It lies in memory of the call, which ends with its context.
    slot->context.emplace();
    slot->context->set_deadline(std::chrono::system_clock::now() + options_.deadline);
    slot->reader = stubs_[calls_++ % stubs_.size()]->PrepareUnaryCall(
        &*slot->context, options_.method, bodies_[random_() % bodies_.size()], &queue_);
    slot->reader->StartCall();
    slot->reader->Finish(&slot->response, &slot->status, slot);
  }

  void End(Slot* slot) {
    const Clock::time_point now = Clock::now();
    --under_way_;
    const bool counted = options_.rate > 0 ? slot->counted : Counts(now);
    slot->response.Clear();
    Clock::duration rest{};
    if (slot->status.ok()) {
      if (counted) {
        ++result_.answered;
        result_.latency.Record(static_cast<uint64_t>((now - slot->intended).count()));
      }
    } else {
      const client::CallError error = client::ErrorOf(slot->status);
      const bool refused =
          error.code == absl::StatusCode::kResourceExhausted && error.detail.has_value();
      if (counted) ++(refused ? result_.refused : result_.failed);
      if (result_.first_error.empty() || (!refused && !failed_before_)) {
        result_.first_error = absl::StrCat("gRPC code ", static_cast<int>(error.code), ": ",
                                           slot->status.error_message());
      }
      failed_before_ |= !refused;
      if (refused && options_.heeds_advice) {
        rest = std::chrono::seconds(error.detail->retry_after().seconds()) +
               std::chrono::nanoseconds(error.detail->retry_after().nanos());
      }
    }
    if (rest > Clock::duration::zero()) {
      resting_.push(now + rest);
    } else {
      ++free_;
    }
    idle_.push_back(slot);
  }

  const StreamOptions options_;
  std::mt19937_64 random_;
  std::vector<grpc::ByteBuffer> bodies_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> idle_;
  std::priority_queue<Clock::time_point, std::vector<Clock::time_point>,
                      std::greater<Clock::time_point>>
      resting_;
  Clock::time_point count_from_;
  Clock::time_point count_until_;
  Clock::time_point next_;
  uint64_t calls_ = 0;
  uint32_t under_way_ = 0;
  uint32_t free_ = 0;  // Closed loop: places without a call.
  bool failed_before_ = false;
  StreamResult result_;
  std::thread thread_;
};

CallStream::CallStream(StreamOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
CallStream::~CallStream() = default;
void CallStream::Start() { impl_->Start(); }
StreamResult CallStream::Finish() {
  impl_->Join();
  return impl_->result();
}

}  // namespace rasputin::neighbour
