// See client.h.

#include "client/client.h"

#include <grpcpp/client_context.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <random>
#include <utility>

#include "client/attempts.h"
#include "client/endpoints.h"
#include "client/route/full_key.h"
#include "client/route/router.h"
#include "client/session.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"
#include "rasputin/kv/v1/kv.grpc.pb.h"

namespace rasputin::client {
namespace {

using Clock = std::chrono::steady_clock;
using Stub = kv::v1::KvService::Stub;

// How long a directory lookup may take before the call simply goes to any node.
constexpr auto kLookupPatience = std::chrono::milliseconds(500);
constexpr char kDefaultCollection[] = "default";

uint64_t RandomId() {
  std::random_device device;
  const uint64_t id = (uint64_t{device()} << 32) | device();
  return id == 0 ? 1 : id;
}

uint64_t NowMs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

absl::string_view View(const std::string& s) { return absl::string_view(s.data(), s.size()); }

}  // namespace

class Client::Impl {
 public:
  explicit Impl(const ClientOptions& options)
      : options_(options), endpoints_(options.endpoints), session_(RandomId), seed_(RandomId()) {}

  // One attempt: `call` uses the stub and the context given.
  using Attempt = std::function<grpc::Status(Stub*, grpc::ClientContext*)>;
  enum class Kind { kRead, kMutation, kStream };

  // Repeats `attempt` until it succeeds, fails for good, or the deadline passes. Every call repeats
  // safely: reads by nature, mutations by their request id.
  absl::Status Call(Kind kind, const std::string& collection, const std::string& key,
                    const Attempt& attempt) {
    AttemptOptions options;
    options.deadline = Clock::now() + options_.deadline;
    if (kind != Kind::kStream) options.attempt_time_max = options_.attempt_time_max;
    options.connect_time_max = options_.connect_time_max;
    options.mutation = kind == Kind::kMutation;
    options.seed = seed_.fetch_add(1);
    AttemptHooks hooks;
    hooks.address = [&] { return AddressFor(collection, key, options.deadline); };
    hooks.learn = [this](const std::optional<v1::ErrorDetail>& detail, const std::string& address) {
      return Learn(detail, address);
    };
    hooks.call = [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context) {
      return attempt(kv::v1::KvService::NewStub(channel).get(), context);
    };
    return RunAttempts(options, &endpoints_, hooks);
  }

  template <typename Request>
  absl::Status Check(const Request& request) const {
    return CheckLimits(SizesOf(request), options_.limits);
  }

  Session& session() { return session_; }

 private:
  // Where the leader of the key's range is believed to be; "": anywhere.
  std::string AddressFor(const std::string& name, const std::string& key,
                         Clock::time_point deadline) {
    const std::string collection = name.empty() ? kDefaultCollection : name;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const type::v1::Collection* known = router_.FindCollection(View(collection));
      if (known != nullptr) {
        const std::string full_key = FullKey(known->id(), View(key));
        const type::v1::RangeDescriptor* range = router_.Locate(View(full_key));
        if (range != nullptr && CollectionOf(View(full_key)) == range->collection_id()) {
          return LeaderAddress(range->range_id());
        }
      }
    }
    return LookUp(collection, key, deadline);
  }

  std::string LeaderAddress(uint64_t range_id) const {
    const type::v1::StoreDescriptor* store = router_.FindStore(router_.Leader(range_id));
    return store == nullptr ? std::string() : store->client_address();
  }

  std::string LookUp(const std::string& collection, const std::string& key,
                     Clock::time_point deadline) {
    auto stub = admin::v1::DirectoryService::NewStub(endpoints_.Pick(""));
    grpc::ClientContext context;
    const auto patience = std::min<Clock::duration>(kLookupPatience, deadline - Clock::now());
    context.set_deadline(std::chrono::system_clock::now() + patience);
    admin::v1::LookupRangeRequest request;
    request.set_collection(collection);
    request.set_key(key);
    admin::v1::LookupRangeResponse response;
    if (!stub->LookupRange(&context, request, &response).ok()) return "";
    const std::lock_guard<std::mutex> lock(mutex_);
    type::v1::Collection known;
    known.set_id(response.route().range().collection_id());
    known.set_name(collection);
    known.set_ready(true);
    router_.LearnCollection(known);
    for (const type::v1::StoreDescriptor& store : response.stores()) router_.LearnStore(store);
    router_.Learn(response.route().range());
    router_.LearnLeader(response.route().range().range_id(), response.route().leader_store_id());
    return LeaderAddress(response.route().range().range_id());
  }

  // Takes what an error says into the cache. True: there is now another place to go to.
  bool Learn(const std::optional<v1::ErrorDetail>& detail, const std::string& address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!detail.has_value()) {
      for (const type::v1::StoreDescriptor& store : router_.Stores()) {
        if (store.client_address() == address) router_.ForgetLeadersOn(store.store_id());
      }
      return false;
    }
    if (detail->has_range()) router_.Learn(detail->range());
    if (!detail->has_hint() || !detail->has_range()) return false;
    if (!detail->hint().client_address().empty()) router_.LearnStore(detail->hint());
    const uint64_t range = detail->range().range_id();
    const bool better = router_.Leader(range) != detail->hint().store_id();
    router_.LearnLeader(range, detail->hint().store_id());
    return better;
  }

  const ClientOptions options_;
  Endpoints endpoints_;
  Session session_;
  std::atomic<uint64_t> seed_;
  std::mutex mutex_;
  Router router_;
};

Client::Client(const ClientOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Client::~Client() = default;

absl::StatusOr<kv::v1::GetResponse> Client::Get(const kv::v1::GetRequest& request) {
  const absl::Status within = impl_->Check(request);
  if (!within.ok()) return within;
  kv::v1::GetResponse response;
  const absl::Status status = impl_->Call(Impl::Kind::kRead, request.collection(), request.key(),
                                          [&](Stub* stub, grpc::ClientContext* context) {
                                            return stub->Get(context, request, &response);
                                          });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<kv::v1::SetResponse> Client::Set(kv::v1::SetRequest request) {
  const absl::Status within = impl_->Check(request);
  if (!within.ok()) return within;
  kv::v1::SetResponse response;
  *request.mutable_request_id() = impl_->session().Begin(1, NowMs());
  const absl::Status status =
      impl_->Call(Impl::Kind::kMutation, request.collection(), request.key(),
                  [&](Stub* stub, grpc::ClientContext* context) {
                    return stub->Set(context, request, &response);
                  });
  impl_->session().Done(request.request_id());
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<kv::v1::CasResponse> Client::Cas(kv::v1::CasRequest request) {
  const absl::Status within = impl_->Check(request);
  if (!within.ok()) return within;
  kv::v1::CasResponse response;
  *request.mutable_request_id() = impl_->session().Begin(1, NowMs());
  const absl::Status status =
      impl_->Call(Impl::Kind::kMutation, request.collection(), request.key(),
                  [&](Stub* stub, grpc::ClientContext* context) {
                    return stub->Cas(context, request, &response);
                  });
  impl_->session().Done(request.request_id());
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<kv::v1::DeleteResponse> Client::Delete(kv::v1::DeleteRequest request) {
  const absl::Status within = impl_->Check(request);
  if (!within.ok()) return within;
  kv::v1::DeleteResponse response;
  *request.mutable_request_id() = impl_->session().Begin(1, NowMs());
  const absl::Status status =
      impl_->Call(Impl::Kind::kMutation, request.collection(), request.key(),
                  [&](Stub* stub, grpc::ClientContext* context) {
                    return stub->Delete(context, request, &response);
                  });
  impl_->session().Done(request.request_id());
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<kv::v1::BatchResponse> Client::Batch(kv::v1::BatchRequest request) {
  const absl::Status within = impl_->Check(request);
  if (!within.ok()) return within;
  kv::v1::BatchResponse response;
  const auto operations = static_cast<uint64_t>(std::max(request.operations_size(), 1));
  *request.mutable_request_id() = impl_->session().Begin(operations, NowMs());
  // A batch goes to any node, which divides it over the ranges.
  const absl::Status status =
      impl_->Call(Impl::Kind::kMutation, request.collection(), std::string(),
                  [&](Stub* stub, grpc::ClientContext* context) {
                    return stub->Batch(context, request, &response);
                  });
  impl_->session().Done(request.request_id());
  if (!status.ok()) return status;
  return response;
}

absl::Status Client::Scan(kv::v1::ScanRequest request,
                          const std::function<bool(const kv::v1::KeyValue&)>& row) {
  const absl::Status within = impl_->Check(request);
  if (!within.ok()) return within;
  const uint64_t limit = request.limit();
  uint64_t seen = 0;
  bool stopped = false;
  return impl_->Call(Impl::Kind::kStream, request.collection(), request.start(),
                     [&](Stub* stub, grpc::ClientContext* context) {
                       if (limit != 0) request.set_limit(limit - seen);
                       std::unique_ptr<grpc::ClientReader<kv::v1::ScanResponse>> reader =
                           stub->Scan(context, request);
                       kv::v1::ScanResponse page;
                       while (reader->Read(&page)) {
                         for (const kv::v1::KeyValue& pair : page.rows()) {
                           ++seen;
                           stopped = !row(pair);
                           // What was delivered is not delivered again after a broken connection.
                           request.set_start(pair.key() + '\0');
                           if (stopped || seen == limit) {
                             context->TryCancel();
                             reader->Finish();
                             return grpc::Status::OK;
                           }
                         }
                       }
                       return reader->Finish();
                     });
}

}  // namespace rasputin::client
