// Batches over several ranges; see kv_calls.h.
//
// Operations are grouped by the range that the route cache names; a part that turns out to lie in
// several ranges comes back and is divided again. Operations keep their position in the client's
// batch, so their RequestIds mean the same however often a batch is divided.

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "client/route/full_key.h"
#include "kv/batch_division.h"
#include "server/front/call_status.h"
#include "server/front/kv_calls.h"
#include "server/front/kv_calls_internal.h"

namespace rasputin::server {

using range::Outcome;

void KvCalls::BeginBatch(const ClockReading& now, CallId id, absl::Cord request,
                         const kv::RequestFields& fields, uint64_t collection, Instant deadline,
                         bool maybe_executed) {
  absl::StatusOr<std::vector<std::string>> keys = kv::BatchKeys(request);
  if (!keys.ok()) return calls_->Finish(id, RefuseInvalid(keys.status()));
  auto batch = std::make_unique<Batch>();
  batch->request = std::move(request);
  batch->fields = fields;
  batch->collection = collection;
  batch->deadline = deadline;
  batch->maybe_executed = maybe_executed;
  batch->keys = *std::move(keys);
  batch->results.resize(batch->keys.size());
  batch->missing = static_cast<uint32_t>(batch->keys.size());
  for (uint32_t i = 0; i < batch->missing; ++i) batch->undivided.push_back(i);
  batches_[id] = std::move(batch);
  DivideBatch(now, id);
}

void KvCalls::DivideBatch(const ClockReading& now, CallId id) {
  const auto it = batches_.find(id);
  if (it == batches_.end()) return;
  Batch& batch = *it->second;
  std::map<uint64_t, std::vector<uint32_t>> by_range;
  std::vector<uint32_t> unknown;
  for (const uint32_t index : std::exchange(batch.undivided, {})) {
    const auto* range = router_->Locate(client::FullKey(batch.collection, batch.keys[index]));
    if (range == nullptr) {
      unknown.push_back(index);
    } else {
      by_range[range->range_id()].push_back(index);
    }
  }
  // Of the operations without a route one goes alone: the dispatcher looks its range up, and the
  // others find it, or their own, in the cache afterwards.
  if (!unknown.empty()) {
    const std::string key = client::FullKey(batch.collection, batch.keys[unknown.front()]);
    directory_->FindRange(
        now, key, batch.deadline,
        [this, id, unknown](const ClockReading& when, RangeAnswer, range::RangeDescriptor) {
          const auto waiting = batches_.find(id);
          if (waiting == batches_.end()) return;
          SendPart(when, id, {unknown.front()});
          waiting->second->undivided.assign(unknown.begin() + 1, unknown.end());
          DivideBatch(when, id);
        });
  }
  for (auto& [range, indexes] : by_range) SendPart(now, id, std::move(indexes));
}

void KvCalls::SendPart(const ClockReading& now, CallId id, std::vector<uint32_t> indexes) {
  Batch& batch = *batches_.at(id);
  absl::StatusOr<absl::Cord> body = kv::SubBatch(batch.request, indexes);
  CHECK(body.ok()) << "ReadFields has accepted the batch: " << body.status();
  absl::StatusOr<kv::RequestFields> fields = kv::ReadFields(kv::Operation::kBatch, *body);
  CHECK(fields.ok()) << "a part of a batch is a batch: " << fields.status();
  RangeCall call;
  call.operation = kv::Operation::kBatch;
  call.body = *std::move(body);
  call.request_id = fields->request_id;
  call.first_key = client::FullKey(batch.collection, fields->first_key);
  call.last_key = client::FullKey(batch.collection, fields->last_key);
  call.read_index = fields->read_index;
  call.mutates = fields->mutates;
  call.repeatable = !fields->mutates || fields->request_id.has_value();
  call.maybe_executed = batch.maybe_executed;
  call.deadline = batch.deadline;
  dispatcher_->Send(
      now, std::move(call),
      [this, id, indexes = std::move(indexes)](const ClockReading& when, RangeAnswer answer) {
        if (batches_.count(id) != 0) OnPart(when, id, indexes, std::move(answer));
      });
}

void KvCalls::OnPart(const ClockReading& now, CallId id, const std::vector<uint32_t>& indexes,
                     RangeAnswer answer) {
  Batch& batch = *batches_.at(id);
  if (answer.must_split) {
    batch.maybe_executed |= answer.maybe_executed;
    batch.undivided = indexes;
    return DivideBatch(now, id);
  }
  absl::StatusOr<std::vector<absl::Cord>> results;
  if (answer.response.outcome == Outcome::kOk) {
    results = kv::BatchResults(answer.response.body, static_cast<uint32_t>(indexes.size()));
    if (!results.ok()) {
      answer.response.outcome = Outcome::kOutcomeUnknown;
      answer.response.message = "the range answered with something that cannot be read";
    }
  }
  if (answer.response.outcome != Outcome::kOk) {
    const google::rpc::Status error = ToRpcStatus(answer, *router_);
    const absl::Cord result =
        kv::ErrorResult(error.code(), error.message(), absl::Cord(error.details(0).value()));
    results = std::vector<absl::Cord>(indexes.size(), result);
  }
  for (size_t i = 0; i < indexes.size(); ++i) {
    CHECK(!batch.results[indexes[i]].has_value()) << "one result for each operation";
    batch.results[indexes[i]] = std::move((*results)[i]);
    --batch.missing;
  }
  EndBatchIfComplete(id);
}

void KvCalls::EndBatchIfComplete(CallId id) {
  Batch& batch = *batches_.at(id);
  if (batch.missing != 0) return;
  std::vector<absl::Cord> results;
  results.reserve(batch.results.size());
  for (auto& result : batch.results) results.push_back(*std::move(result));
  CallResult done;
  done.body = kv::BatchResponseOf(results);
  batches_.erase(id);
  calls_->Finish(id, std::move(done));
}

}  // namespace rasputin::server
