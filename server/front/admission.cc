// See admission.h.

#include "server/front/admission.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"

namespace rasputin::server {

using consensus::Instant;
using range::Outcome;
using range::Response;

namespace {

constexpr uint64_t kScanBytesAtFirst = 64 << 10;
constexpr size_t kFreeMax = 1024;
// Beyond so many, what their scans have answered is forgotten and learnt again.
constexpr size_t kCollectionsMax = 4096;

}  // namespace

// A request that waits, or that the store has.
struct Admission::Held final : range::Completion {
  explicit Held(Admission* admission) : owner(admission) {}
  void Done(Response response) override { owner->OnDone(this, std::move(response)); }

  Admission* const owner;
  FairItem item;
  range::Request request;  // Its completion is the caller's; moved from once the store has it.
  range::Completion* completion = nullptr;
  kv::Operation operation = kv::Operation::kNone;
  bool waits = true;
  int64_t cost = 0;  // Once it is answered: what it has turned out to be.
};

Admission::Admission(const FairOptions& options, StorePort* store, FrontCounters* counters)
    : store_(store), counters_(counters), queue_(options) {}

Admission::~Admission() = default;

uint64_t Admission::ScanBytes(uint64_t collection) const {
  const auto found = scan_bytes_.find(collection);
  return found == scan_bytes_.end() ? kScanBytesAtFirst : found->second;
}

FairItem Admission::ItemOf(const range::Request& request) const {
  FairItem item;
  item.collection = client::CollectionOf(request.first_key);
  item.range = request.range.value();
  item.writes = kv::IsWrite(request.operation);
  item.bytes = request.body.size() + request.first_key.size() + request.last_key.size();
  item.cost = item.writes                                 ? CostOfWrite(item.bytes)
              : request.operation == kv::Operation::kScan ? CostOfRead(ScanBytes(item.collection))
                                                          : CostOfRead(0);
  item.deadline = request.deadline;
  return item;
}

uint64_t Admission::Submit(const ClockReading& now, range::Request request) {
  if (!kv::IsOfClients(request.operation)) {
    store_->Submit(now, std::move(request));
    return 0;
  }
  now_ = now.boot;
  std::unique_ptr<Held> held;
  if (free_.empty()) {
    held = std::make_unique<Held>(this);
  } else {
    held = std::move(free_.back());
    free_.pop_back();
  }
  held->item = ItemOf(request);
  held->item.id = next_id_++;
  held->completion = request.completion;
  held->operation = request.operation;
  held->waits = true;
  held->request = std::move(request);
  const std::optional<FairRefusal> refusal = queue_.Push(now.boot, held->item, &evicted_);
  for (const FairQueue::Evicted& evicted : std::exchange(evicted_, {})) {
    const std::unique_ptr<Held> victim = Remove(evicted.id);
    Refuse(victim.get(), evicted.refusal);
  }
  const uint64_t id = held->item.id;
  if (refusal.has_value()) {
    Refuse(held.get(), *refusal);
    return id;
  }
  held_.emplace(id, std::move(held));
  return id;
}

bool Admission::StillWaits(uint64_t id) const {
  const auto it = held_.find(id);
  return it != held_.end() && it->second->waits;
}

std::unique_ptr<Admission::Held> Admission::Remove(uint64_t id) {
  const auto it = held_.find(id);
  CHECK(it != held_.end()) << "answered twice";
  std::unique_ptr<Held> held = std::move(it->second);
  held_.erase(it);
  return held;
}

void Admission::Refuse(Held* held, const FairRefusal& refusal) {
  ++counters_->refused[static_cast<size_t>(refusal.limit)];
  Response response;
  response.outcome = Outcome::kOverloaded;
  response.retry_after = refusal.retry_after;
  response.message = DescribeRefusal(refusal, held->item, StoreId(store_->manifest().store_id()));
  held->completion->Done(std::move(response));
}

Instant Admission::NextDeadline() const {
  return queue_.waiting() > 0 ? answers_.due() : Instant::max();
}

bool Admission::Run(const ClockReading& now) {
  now_ = now.boot;
  for (const uint64_t id : answers_.TakeOver(now.boot)) End(id);
  bool worked = false;
  while (const std::optional<FairQueue::Popped> popped = queue_.Pop(now.boot)) {
    worked = true;
    if (popped->expired) {
      ++counters_->expired;
      Response response;
      response.outcome = Outcome::kDeadlineExceeded;
      response.message = "the deadline passed while the request waited for its turn at store " +
                         std::to_string(store_->manifest().store_id());
      Remove(popped->item.id)->completion->Done(std::move(response));
      continue;
    }
    Held* held = held_.at(popped->item.id).get();
    held->waits = false;
    held->request.completion = held;
    store_->Submit(now, std::exchange(held->request, {}));
  }
  return worked;
}

void Admission::OnDone(Held* held, Response response) {
  held->cost = held->item.cost;
  const uint64_t id = held->item.id;
  bool ends = true;
  if (!held->item.writes && response.outcome == Outcome::kOk) {
    const uint64_t bytes = response.body.size();
    held->cost = CostOfRead(bytes);
    if (held->operation == kv::Operation::kScan) {
      const uint64_t before = ScanBytes(held->item.collection);
      if (scan_bytes_.size() >= kCollectionsMax) scan_bytes_.clear();
      scan_bytes_[held->item.collection] = (7 * before + bytes) / 8;
    }
    ends = bytes < AnswerGauge::kBytesMin;
    if (!ends) response.body = answers_.Watch(now_, id, response.body);
  }
  held->completion->Done(std::move(response));
  if (ends) End(id);
}

void Admission::End(uint64_t id) {
  std::unique_ptr<Held> held = Remove(id);
  queue_.Done(held->item, held->cost);
  if (free_.size() < kFreeMax) free_.push_back(std::move(held));
}

std::string DescribeRefusal(const FairRefusal& refusal, const FairItem& item, StoreId store) {
  const std::string range = absl::StrCat("range ", item.range);
  const std::string collection = absl::StrCat("collection ", item.collection);
  const std::string node = absl::StrCat("store ", store.value());
  const auto says = [&](const std::string& whose, const char* what, const char* flag) {
    return absl::StrCat(whose, " has ", refusal.limit_value, " ", what, " waiting or under way at ",
                        node, ", all that it may have (--", flag,
                        " there): send less at a time, or spread it over more ranges; not "
                        "executed, retry later");
  };
  switch (refusal.limit) {
    case FairLimit::kRangeRequests:
      return says(range, "requests", "range-requests-max");
    case FairLimit::kRangeBytes:
      return says(range, "bytes of requests", "range-request-bytes-max");
    case FairLimit::kCollectionRequests:
      return says(collection, "requests", "collection-requests-max");
    case FairLimit::kCollectionBytes:
      return says(collection, "bytes of requests", "collection-request-bytes-max");
    case FairLimit::kNodeRequests:
      return says(node, "requests", "node-requests-max");
    case FairLimit::kNodeBytes:
      return says(node, "bytes of requests", "node-request-bytes-max");
    case FairLimit::kWait:
      return absl::StrCat("requests to ", range, " would wait longer than ", refusal.limit_value,
                          " ms at ", node,
                          " (--queue-wait-ms-max there, or the deadline): send less, or spread it "
                          "over more ranges; not executed, retry later");
  }
  LOG(FATAL) << "no such limit: " << static_cast<int>(refusal.limit);
}

}  // namespace rasputin::server
