// Routing by path; see the header.

#include "server/node/call_dispatch.h"

#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/v1/error.pb.h"
#include "server/clock/clock.h"
#include "server/metrics/front_metrics.h"

namespace rasputin::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr char kRequests[] = "rasputin_requests_total";
constexpr char kRequestsHelp[] = "Calls of clients by method and gRPC code.";

// What is advised with a refusal of the whole node; below a second.
constexpr std::chrono::milliseconds kRetryAfter(100);

struct FrontMethod {
  const char* path;
  Method method;
};

constexpr FrontMethod kFrontMethods[] = {
    {"/rasputin.kv.v1.KvService/Get", Method::kGet},
    {"/rasputin.kv.v1.KvService/Set", Method::kSet},
    {"/rasputin.kv.v1.KvService/Cas", Method::kCas},
    {"/rasputin.kv.v1.KvService/Delete", Method::kDelete},
    {"/rasputin.kv.v1.KvService/Scan", Method::kScan},
    {"/rasputin.kv.v1.KvService/Batch", Method::kBatch},
    {"/rasputin.admin.v1.CollectionService/CreateCollection", Method::kCreateCollection},
    {"/rasputin.admin.v1.CollectionService/GetCollection", Method::kGetCollection},
    {"/rasputin.admin.v1.CollectionService/ListCollections", Method::kListCollections},
    {"/rasputin.admin.v1.CollectionService/UpdateCollection", Method::kUpdateCollection},
    {"/rasputin.admin.v1.CollectionService/DropCollection", Method::kDropCollection},
    {"/rasputin.admin.v1.DirectoryService/LookupRange", Method::kLookupRange},
    {"/rasputin.admin.v1.DirectoryService/ListRanges", Method::kListRanges},
    {"/rasputin.admin.v1.DirectoryService/FollowRanges", Method::kFollowRanges},
    {"/rasputin.admin.v1.ClusterService/GetStatus", Method::kGetStatus},
    {"/rasputin.admin.v1.ClusterService/ListStores", Method::kListStores},
    {"/rasputin.admin.v1.ClusterService/DescribeRange", Method::kDescribeRange},
    {"/rasputin.admin.v1.ClusterService/SplitRange", Method::kSplitRange},
    {"/rasputin.admin.v1.ClusterService/MergeRanges", Method::kMergeRanges},
    {"/rasputin.admin.v1.ClusterService/ListLoads", Method::kListLoads},
    {"/rasputin.admin.v1.ClusterService/TransferLease", Method::kTransferLease},
    {"/rasputin.admin.v1.ClusterService/ChangeReplicas", Method::kChangeReplicas},
    {"/rasputin.admin.v1.ClusterService/DecommissionStore", Method::kDecommissionStore},
    {"/rasputin.admin.v1.ClusterService/GetPlan", Method::kGetPlan},
    {"/rasputin.admin.v1.ClusterService/SetPlacement", Method::kSetPlacement},
    {"/rasputin.admin.v1.ClusterService/DrainStore", Method::kDrainStore},
};

CallResult Answer(const google::protobuf::MessageLite& message) {
  CallResult result;
  result.body = absl::Cord(message.SerializeAsString());
  return result;
}

CallResult Refuse(absl::StatusCode code, rasputin::v1::ErrorReason reason, std::string message,
                  std::chrono::milliseconds retry_after = {}) {
  CallResult result;
  result.code = code;
  result.message = std::move(message);
  rasputin::v1::ErrorDetail detail;
  detail.set_reason(reason);
  if (retry_after.count() > 0) {
    detail.mutable_retry_after()->set_nanos(static_cast<int32_t>(retry_after.count() * 1'000'000));
  }
  google::rpc::Status status;
  status.set_code(static_cast<int>(result.code));
  status.set_message(result.message);
  status.add_details()->PackFrom(detail);
  result.details = status.SerializeAsString();
  return result;
}

// Clients that know other nodes ask these.
CallResult NoMember(const std::string& text) {
  return Refuse(absl::StatusCode::kFailedPrecondition, rasputin::v1::ERROR_REASON_NOT_INITIALIZED,
                text);
}

CallResult NotInitialized() {
  return NoMember(
      "this node does not belong to a cluster yet; run `rasputin cluster init`, or wait "
      "until it has joined the cluster of its seeds");
}

CallResult StoreLost(const std::string& text) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                rasputin::v1::ERROR_REASON_FAILED_PRECONDITION, text);
}

CallResult Starting(const std::string& lost) {
  return Refuse(absl::StatusCode::kUnavailable, rasputin::v1::ERROR_REASON_NOT_LEADER,
                lost.empty() ? "the node is starting: its store is being recovered; retry, or ask "
                               "another node"
                             : lost);
}

CallResult NotAnInitRequest() {
  return Refuse(absl::StatusCode::kInvalidArgument, rasputin::v1::ERROR_REASON_INVALID_ARGUMENT,
                "the bytes are not an InitRequest: check that client and server agree on "
                "admin.proto");
}

CallResult TooBusy() {
  return Refuse(absl::StatusCode::kUnavailable, rasputin::v1::ERROR_REASON_OVERLOADED,
                "too much slow work waits at this node; nothing was begun, try again");
}

HealthCheckResponse HealthOf(bool serving) {
  HealthCheckResponse response;
  response.set_status(serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  return response;
}

}  // namespace

CallDispatch::CallDispatch(const Catalog* catalog, MetricsRegistry* registry, Shard* shard,
                           StartInit start_init)
    : catalog_(catalog),
      registry_(registry),
      shard_(shard),
      start_init_(std::move(start_init)),
      refused_calls_(AddRefusedCounter(registry, "calls")),
      refused_followers_(AddRefusedCounter(registry, "followers")),
      refused_bytes_(AddRefusedCounter(registry, "call-bytes")) {
  auto add = [this](const std::string& path, Target target, Method method) {
    Route route;
    // "/package.Service/Method" without the package.
    const size_t slash = path.rfind('/');
    const size_t dot = path.rfind('.', slash);
    route.label = path.substr(dot + 1);
    route.target = target;
    route.method = method;
    route.seconds = registry_->AddHistogram("rasputin_request_seconds",
                                            "Time from a client's request to its answer.",
                                            absl::StrCat("method=\"", route.label, "\""));
    route_by_path_[path] = static_cast<int>(routes_.size());
    routes_.push_back(std::move(route));
  };
  registry_->AddGauge("rasputin_calls_under_way", "Calls of clients that have no answer yet.",
                      [this] { return static_cast<double>(bounds_.calls()); });
  add("unknown", Target::kFront, Method::kGet);
  for (const FrontMethod& method : kFrontMethods) add(method.path, Target::kFront, method.method);
  add("/rasputin.admin.v1.ClusterService/Init", Target::kInit, Method::kGet);
  for (const char* method : {"WithdrawPromises", "ListAudit"}) {
    add(absl::StrCat("/rasputin.admin.v1.ClusterService/", method), Target::kSlow, Method::kGet);
  }
  add("/grpc.health.v1.Health/Check", Target::kHealthCheck, Method::kGet);
  add("/grpc.health.v1.Health/Watch", Target::kHealthWatch, Method::kGet);
  for (const char* version : {"v1", "v1alpha"}) {
    add(absl::StrCat("/grpc.reflection.", version, ".ServerReflection/ServerReflectionInfo"),
        Target::kReflection, Method::kGet);
  }
}

int CallDispatch::RouteOf(const std::string& path) {
  const auto found = route_by_path_.find(path);
  return found == route_by_path_.end() ? 0 : found->second;
}

void CallDispatch::OnCall(ServerCall* call) {
  if (call->method < 0) call->method = RouteOf(call->path());
  const Route& route = routes_[call->method];
  switch (route.target) {
    case Target::kFront:
      ToFront(call, route);
      break;
    case Target::kInit:
      if (!admin::v1::InitRequest().ParseFromString(std::string(call->TakeRequest()))) {
        call->Done(NotAnInitRequest());
        break;
      }
      init_calls_.insert(call);
      if (init_running_) break;
      init_running_ = start_init_();
      if (!init_running_) FinishInit(TooBusy());
      break;
    case Target::kSlow:
      ToSlow(call);
      break;
    case Target::kHealthCheck:
      CheckHealth(call);
      break;
    case Target::kHealthWatch:
      WatchHealth(call);
      break;
    case Target::kReflection:
      call->Page(catalog_->Reflect(call->TakeRequest()));
      break;
  }
}

void CallDispatch::ToFront(ServerCall* call, const Route& route) {
  if (call->method == 0) {
    CallResult result;
    result.code = absl::StatusCode::kUnimplemented;
    result.message = "no such method in this version";
    call->Done(std::move(result));
  } else if (!retired_.empty()) {
    call->Done(NoMember(retired_));
  } else if (shard_->attached()) {
    if (RefuseIfTooMany(call)) return;
    call->at_front = true;
    call->front_bytes = call->request_bytes();
    bounds_.Enter(Follows(call), call->front_bytes);
    shard_->StartCall(call, route.method);
  } else if (store_expected_) {
    call->Done(Starting(lost_));
  } else if (!lost_.empty()) {
    call->Done(StoreLost(lost_));
  } else if (route.method == Method::kGetStatus) {
    call->Done(Answer(admin::v1::GetStatusResponse()));
  } else {
    call->Done(NotInitialized());
  }
}

bool CallDispatch::Follows(const ServerCall* call) const {
  return routes_[call->method].method == Method::kFollowRanges;
}

bool CallDispatch::RefuseIfTooMany(ServerCall* call) {
  const std::optional<CallBounds::Breach> breach =
      bounds_.BreachOf(Follows(call), call->request_bytes());
  if (!breach.has_value()) return false;
  const auto unanswered = [](uint64_t max, const char* what, const char* flag) {
    return absl::StrCat("this node has ", max, " ", what,
                        " without an answer, all that it takes (--", flag,
                        "): ask other nodes as well, or send less at a time; not executed, retry "
                        "later");
  };
  std::string text;
  switch (*breach) {
    case CallBounds::Breach::kCalls:
      refused_calls_->Increment();
      text = unanswered(bounds_.calls_max(), "calls", "calls-max");
      break;
    case CallBounds::Breach::kFollowers:
      refused_followers_->Increment();
      text = absl::StrCat(bounds_.followers_max(),
                          " streams follow the directory at this node, all that may (half of "
                          "--calls-max): follow it at other nodes as well; retry later");
      break;
    case CallBounds::Breach::kBytes:
      refused_bytes_->Increment();
      text = unanswered(bounds_.bytes_max(), "bytes of calls", "call-bytes-max");
      break;
  }
  call->Done(Refuse(absl::StatusCode::kResourceExhausted, rasputin::v1::ERROR_REASON_OVERLOADED,
                    text, kRetryAfter));
  return true;
}

void CallDispatch::ToSlow(ServerCall* call) {
  if (!retired_.empty()) return call->Done(NoMember(retired_));
  if (!shard_->attached()) {
    call->Done(store_expected_  ? Starting(lost_)
               : !lost_.empty() ? StoreLost(lost_)
                                : NotInitialized());
    return;
  }
  slow_calls_[++last_slow_] = call;
  if (!start_slow_(last_slow_, call->path(), call->TakeRequest())) {
    FinishSlow(last_slow_, TooBusy());
  }
}

void CallDispatch::FinishSlow(uint64_t number, const CallResult& result) {
  const auto found = slow_calls_.find(number);
  if (found == slow_calls_.end()) return;  // The client has gone.
  ServerCall* call = found->second;
  slow_calls_.erase(found);
  call->Done(result);
}

void CallDispatch::OnPageWritten(ServerCall* call) {
  if (call->at_front) shard_->ResumeCall(call);
}

void CallDispatch::OnGone(ServerCall* call) {
  if (call->at_front) shard_->CancelCall(call);
  LeaveFront(call);
  init_calls_.erase(call);
  for (auto it = slow_calls_.begin(); it != slow_calls_.end();) {
    it = it->second == call ? slow_calls_.erase(it) : std::next(it);
  }
  watchers_.erase(call);
}

void CallDispatch::LeaveFront(ServerCall* call) {
  if (!call->at_front) return;
  bounds_.Leave(Follows(call), call->front_bytes);
  call->at_front = false;
}

void CallDispatch::OnFinished(ServerCall* call, int code) {
  LeaveFront(call);
  const int index = call->method < 0 ? RouteOf(call->path()) : call->method;
  Route& route = routes_[index];
  Counter*& outcome = route.outcomes[code >= 0 && code < kCodes ? code : 2];
  if (outcome == nullptr) {
    outcome = registry_->AddCounter(
        kRequests, kRequestsHelp, absl::StrCat("method=\"", route.label, "\",code=\"", code, "\""));
  }
  outcome->Increment();
  route.seconds->Record(Now() - call->started());
}

void CallDispatch::FinishInit(const CallResult& result) {
  init_running_ = false;
  std::set<ServerCall*> calls;
  calls.swap(init_calls_);
  for (ServerCall* call : calls) call->Done(result);
}

bool CallDispatch::KnowsService(const std::string& name) const {
  const std::vector<std::string>& services = catalog_->services();
  return name.empty() || std::binary_search(services.begin(), services.end(), name);
}

void CallDispatch::CheckHealth(ServerCall* call) {
  HealthCheckRequest request;
  CallResult result;
  if (!request.ParseFromString(std::string(call->TakeRequest()))) {
    result.code = absl::StatusCode::kInvalidArgument;
    result.message = "not a HealthCheckRequest";
  } else if (!KnowsService(request.service())) {
    result.code = absl::StatusCode::kNotFound;
    result.message = "no such service";
  } else {
    result = Answer(HealthOf(serving_));
  }
  call->Done(std::move(result));
}

void CallDispatch::WatchHealth(ServerCall* call) {
  HealthCheckRequest request;
  if (!request.ParseFromString(std::string(call->TakeRequest()))) {
    CallResult result;
    result.code = absl::StatusCode::kInvalidArgument;
    result.message = "not a HealthCheckRequest";
    call->Done(std::move(result));
    return;
  }
  HealthCheckResponse response = HealthOf(serving_);
  const bool known = KnowsService(request.service());
  if (!known) response.set_status(HealthCheckResponse::SERVICE_UNKNOWN);
  if (known) watchers_.insert(call);
  call->Page(absl::Cord(response.SerializeAsString()));
}

void CallDispatch::SetServing(bool serving) {
  if (serving_ == serving) return;
  serving_ = serving;
  for (ServerCall* call : watchers_) {
    call->Page(absl::Cord(HealthOf(serving_).SerializeAsString()));
  }
}

}  // namespace rasputin::server
