// Validation, single keys and scans; see kv_calls.h. Batches are in kv_batch.cc.
//
// The request of a single key goes to the range as the very bytes that the client sent.

#include "server/front/kv_calls.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "client/route/full_key.h"
#include "kv/scan_page.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "server/front/call_status.h"
#include "server/front/kv_calls_internal.h"

namespace rasputin::server {

using range::Outcome;

namespace {

kv::Operation OperationOf(Method method) {
  switch (method) {
    case Method::kGet:
      return kv::Operation::kGet;
    case Method::kSet:
      return kv::Operation::kSet;
    case Method::kCas:
      return kv::Operation::kCas;
    case Method::kDelete:
      return kv::Operation::kDelete;
    case Method::kScan:
      return kv::Operation::kScan;
    case Method::kBatch:
      return kv::Operation::kBatch;
    default:
      LOG(FATAL) << "not a method of KvService: " << static_cast<int>(method);
  }
}

}  // namespace

KvCalls::KvCalls(const kv::Limits& limits, CallTable* calls, Directory* directory,
                 Dispatcher* dispatcher, const client::Router* router)
    : limits_(limits),
      calls_(calls),
      directory_(directory),
      dispatcher_(dispatcher),
      router_(router) {}

KvCalls::~KvCalls() = default;

void KvCalls::Start(const ClockReading& now, CallId id, Method method, absl::Cord request,
                    Instant deadline) {
  const kv::Operation operation = OperationOf(method);
  absl::StatusOr<kv::RequestFields> fields = kv::ReadFields(operation, request);
  if (!fields.ok()) return calls_->Finish(id, RefuseInvalid(fields.status()));
  const absl::Status within = kv::CheckLimits(*fields, limits_);
  if (!within.ok()) return calls_->Finish(id, RefuseInvalid(within));

  const absl::string_view name =
      fields->collection.empty() ? absl::string_view("default") : fields->collection;
  const type::v1::Collection* known = router_->FindCollection(name);
  if (known != nullptr && known->type() == type::v1::COLLECTION_TYPE_KV) {
    return Begin(now, id, operation, std::move(request), *fields, known->id(), deadline);
  }
  const std::string collection = fields->collection;
  directory_->FindCollection(
      now, collection, deadline,
      [this, id, operation, request = std::move(request), fields = *std::move(fields), deadline](
          const ClockReading& when, RangeAnswer answer, type::v1::Collection found) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        if (found.type() != type::v1::COLLECTION_TYPE_KV) {
          return calls_->Finish(
              id, RefuseInvalid(absl::InvalidArgumentError("the collection is not of type kv")));
        }
        if (calls_->Contains(id)) {
          Begin(when, id, operation, request, fields, found.id(), deadline);
        }
      });
}

void KvCalls::Begin(const ClockReading& now, CallId id, kv::Operation operation, absl::Cord request,
                    const kv::RequestFields& fields, uint64_t collection, Instant deadline) {
  if (operation == kv::Operation::kScan) {
    return BeginScan(now, id, request, fields, collection, deadline);
  }
  SendWhole(now, id, operation, std::move(request), fields, collection, deadline);
}

void KvCalls::SendWhole(const ClockReading& now, CallId id, kv::Operation operation,
                        absl::Cord request, const kv::RequestFields& fields, uint64_t collection,
                        Instant deadline) {
  RangeCall call;
  call.operation = operation;
  call.body = request;
  call.request_id = fields.request_id;
  call.first_key = client::FullKey(collection, fields.first_key);
  call.last_key = client::FullKey(collection, fields.last_key);
  call.read_index = fields.read_index;
  call.mutates = fields.mutates;
  call.repeatable = !fields.mutates || fields.request_id.has_value();
  call.deadline = deadline;
  if (operation != kv::Operation::kBatch) {
    return dispatcher_->Send(now, std::move(call),
                             [this, id](const ClockReading&, RangeAnswer answer) {
                               calls_->Finish(id, ToCallResult(answer, *router_));
                             });
  }
  dispatcher_->Send(now, std::move(call),
                    [this, id, request = std::move(request), fields, collection, deadline](
                        const ClockReading& when, RangeAnswer answer) {
                      if (!answer.must_split) {
                        return calls_->Finish(id, ToCallResult(answer, *router_));
                      }
                      if (!calls_->Contains(id)) return;
                      BeginBatch(when, id, request, fields, collection, deadline,
                                 answer.maybe_executed);
                    });
}

void KvCalls::BeginScan(const ClockReading& now, CallId id, const absl::Cord& request,
                        const kv::RequestFields& fields, uint64_t collection, Instant deadline) {
  auto scan = std::make_unique<Scan>();
  if (!scan->request.ParseFromString(std::string(request))) {
    return calls_->Finish(
        id, RefuseInvalid(absl::InvalidArgumentError("the request is not an encoded ScanRequest")));
  }
  scan->collection = collection;
  scan->read_index = fields.read_index;
  scan->deadline = deadline;
  scan->rows_left = scan->request.limit();
  scans_[id] = std::move(scan);
  NextPage(now, id);
}

void KvCalls::NextPage(const ClockReading& now, CallId id) {
  Scan& scan = *scans_.at(id);
  scan.request.set_limit(scan.rows_left);
  RangeCall call;
  call.operation = kv::Operation::kScan;
  call.body = absl::Cord(scan.request.SerializeAsString());
  call.first_key = client::FullKey(scan.collection, scan.request.start());
  call.read_index = scan.read_index;
  call.repeatable = true;
  call.wants_descriptor = true;
  call.deadline = scan.deadline;
  dispatcher_->Send(now, std::move(call), [this, id](const ClockReading& when, RangeAnswer answer) {
    if (scans_.count(id) != 0) OnPage(when, id, std::move(answer));
  });
}

void KvCalls::OnPage(const ClockReading& now, CallId id, RangeAnswer answer) {
  if (answer.response.outcome != Outcome::kOk) return EndScan(id, ToCallResult(answer, *router_));
  Scan& scan = *scans_.at(id);
  absl::Cord page = std::move(answer.response.body);
  const auto read = kv::SummarizeScanPage(page);
  if (!read.ok()) {
    return EndScan(id, RefuseCall(absl::StatusCode::kDataLoss, rasputin::v1::ERROR_REASON_DATA_LOSS,
                                  std::string(read.status().message())));
  }
  const uint64_t rows = read->rows;
  const bool limit_reached = scan.rows_left != 0 && rows >= scan.rows_left;
  if (scan.rows_left != 0) scan.rows_left -= std::min(rows, scan.rows_left);

  bool more = read->more;
  if (more) scan.request.set_start(read->resume_key);
  // The range has no more: the scan goes on where the range ended, if that is still in its bounds.
  const std::string& range_end = answer.descriptor.end_key();
  if (!more && client::CollectionOf(range_end) == scan.collection) {
    const absl::string_view next = client::UserKeyOf(range_end);
    if (scan.request.end().empty() || next < absl::string_view(scan.request.end())) {
      more = true;
      scan.request.set_start(std::string(next));
      kv::SetMore(next, &page);
    }
  }
  const bool last = !more || limit_reached;
  bool ready = true;
  // An empty page in the middle says nothing; at the end it says that this was all.
  if (rows > 0 || last) ready = calls_->Page(id, std::move(page));
  if (last) return EndScan(id, CallResult());
  if (ready) return NextPage(now, id);
  scan.held = true;
}

void KvCalls::Resume(const ClockReading& now, CallId id) {
  const auto it = scans_.find(id);
  if (it == scans_.end() || !it->second->held) return;
  it->second->held = false;
  NextPage(now, id);
}

void KvCalls::EndScan(CallId id, CallResult result) {
  scans_.erase(id);
  calls_->Finish(id, std::move(result));
}

void KvCalls::Cancel(CallId id) {
  scans_.erase(id);
  batches_.erase(id);
}

}  // namespace rasputin::server
