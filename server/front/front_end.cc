// Puts the parts of the front end together; see front_end.h. Not thread-safe.
//
// Each part is a class of its own; this file only hands calls and events to the one concerned, and
// runs them until nothing is left to do.

#include "server/front/front_end.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "client/route/router.h"
#include "server/front/admission.h"
#include "server/front/autopilot.h"
#include "server/front/call_table.h"
#include "server/front/collection_calls.h"
#include "server/front/decision_log.h"
#include "server/front/directory.h"
#include "server/front/directory_follower.h"
#include "server/front/dispatcher.h"
#include "server/front/drop_watch.h"
#include "server/front/kv_calls.h"
#include "server/front/load_calls.h"
#include "server/front/placement_calls.h"
#include "server/front/placement_controller.h"
#include "server/front/range_calls.h"
#include "server/front/range_merger.h"
#include "server/front/range_splitter.h"
#include "server/front/status_calls.h"
#include "server/front/store_calls.h"
#include "server/front/store_watch.h"
#include "server/front/upkeep.h"

namespace rasputin::server {

class FrontEnd::Impl {
 public:
  Impl(const FrontOptions& front_options, const FrontPorts& ports)
      : options(front_options),
        admission(options.fair, ports.store, &counters),
        dispatcher(options, ports, &admission, &router, &counters),
        directory(ports.store->manifest(), options.book, &dispatcher, &router, &counters),
        splitter(&directory, &dispatcher, &router),
        merger(&directory, &dispatcher, &router),
        decisions(ports.store->manifest().store_id()),
        autopilot(options.autopilot, ports.store, ports.decisions, &directory, &dispatcher,
                  &splitter, &merger, &router, &decisions),
        kv_calls(options.limits, &calls, &directory, &dispatcher, &router),
        follower(options, &calls, &directory, &dispatcher, &router, &counters),
        dropper(&directory, &dispatcher, &router),
        collection_calls(&calls, &directory, &dispatcher, &splitter, &dropper, &router),
        range_calls(options, &calls, &directory, &dispatcher, &splitter, &merger, &router),
        status_calls(options, ports.store->manifest(), &calls, &directory, &dispatcher, &router),
        load_calls(options, &calls, &dispatcher, &router),
        store_calls(ports.store->manifest(), &calls, &directory, &router),
        store_watch(options, ports.store->manifest(), ports.stores, &directory, &dispatcher,
                    &router),
        upkeep(ports.store, &directory, &dispatcher),
        drop_watch(&directory, &dispatcher, &dropper),
        placement(options, ports.decisions, &calls, &directory, &dispatcher, &range_calls,
                  &decisions, &counters),
        placement_calls(options, &calls, &directory, &dispatcher, &router) {
    dispatcher.SetDecisions(&decisions);
    dispatcher.SetUsualSource([this](const ClockReading& now, const range::RangeReview& review) {
      return autopilot.WhyNotMerged(now, review);
    });
    dispatcher.SetPlanSource([this](const ClockReading& now) { return placement.Describe(now); });
    dispatcher.SetWishSource([this](const ClockReading& now) { return autopilot.Wishes(now); });
  }

  void Start(const ClockReading& now, CallId id, ClientCall call, Instant deadline);

  const FrontOptions options;
  FrontCounters counters;
  client::Router router;
  CallTable calls;
  Admission admission;
  Dispatcher dispatcher;
  Directory directory;
  RangeSplitter splitter;
  RangeMerger merger;
  DecisionLog decisions;
  Autopilot autopilot;
  KvCalls kv_calls;
  DirectoryFollower follower;
  CollectionDropper dropper;
  CollectionCalls collection_calls;
  RangeCalls range_calls;
  StatusCalls status_calls;
  LoadCalls load_calls;
  StoreCalls store_calls;
  StoreWatch store_watch;
  Upkeep upkeep;
  DropWatch drop_watch;
  PlacementController placement;
  PlacementCalls placement_calls;
};

void FrontEnd::Impl::Start(const ClockReading& now, CallId id, ClientCall call, Instant deadline) {
  switch (call.method) {
    case Method::kGet:
    case Method::kSet:
    case Method::kCas:
    case Method::kDelete:
    case Method::kScan:
    case Method::kBatch:
      return kv_calls.Start(now, id, call.method, std::move(call.request), deadline);
    case Method::kCreateCollection:
      return collection_calls.Create(now, id, call.request, deadline);
    case Method::kGetCollection:
      return collection_calls.Get(now, id, call.request, deadline);
    case Method::kListCollections:
      return collection_calls.List(now, id, call.request, deadline);
    case Method::kUpdateCollection:
      return collection_calls.Update(now, id, call.request, deadline);
    case Method::kDropCollection:
      return collection_calls.Drop(now, id, call.request, deadline);
    case Method::kLookupRange:
      return range_calls.Lookup(now, id, call.request, deadline);
    case Method::kListRanges:
      return range_calls.List(now, id, call.request, deadline);
    case Method::kFollowRanges:
      return follower.Follow(id, call.request);
    case Method::kGetStatus:
      return status_calls.GetStatus(now, id, call.request, deadline);
    case Method::kListStores:
      return status_calls.ListStores(now, id, call.request, deadline);
    case Method::kListLoads:
      return load_calls.List(now, id, call.request, deadline);
    case Method::kDescribeRange:
      return range_calls.Describe(now, id, call.request, deadline);
    case Method::kSplitRange:
      return range_calls.Split(now, id, call.request, deadline);
    case Method::kMergeRanges:
      return range_calls.Merge(now, id, call.request, deadline);
    case Method::kTransferLease:
      return range_calls.TransferLease(now, id, call.request, deadline);
    case Method::kChangeReplicas:
      return range_calls.ChangeReplicas(now, id, call.request, deadline);
    case Method::kDecommissionStore:
      return store_calls.Decommission(now, id, call.request, deadline);
    case Method::kGetPlan:
      return placement_calls.GetPlan(now, id, call.request, deadline);
    case Method::kSetPlacement:
      return placement_calls.SetPlacement(now, id, call.request, deadline);
    case Method::kDrainStore:
      return placement_calls.DrainStore(now, id, call.request, deadline);
    case Method::kJoin:
      return store_calls.Join(now, id, call.request, deadline);
  }
  LOG(FATAL) << "no such method: " << static_cast<int>(call.method);
}

FrontEnd::FrontEnd(const FrontOptions& options, const FrontPorts& ports)
    : impl_(std::make_unique<Impl>(options, ports)) {}

FrontEnd::~FrontEnd() = default;

CallId FrontEnd::Start(const ClockReading& now, ClientCall call) {
  const CallId id = impl_->calls.Add(call.completion);
  ++impl_->counters.calls_started;
  Instant deadline = call.deadline;
  if (deadline > now.boot && deadline < Instant::max()) {
    deadline -= std::min((deadline - now.boot) / 10, impl_->options.answer_reserve_max);
  }
  deadline = std::min(deadline, now.boot + impl_->options.call_duration_max);
  impl_->Start(now, id, std::move(call), deadline);
  return id;
}

void FrontEnd::Resume(const ClockReading& now, CallId call) {
  impl_->kv_calls.Resume(now, call);
  impl_->follower.follow().Resume(call);
}

void FrontEnd::Cancel(CallId call) {
  impl_->calls.Cancel(call);
  impl_->kv_calls.Cancel(call);
  impl_->follower.follow().Cancel(call);
}

void FrontEnd::OnForward(const ClockReading& now, StoreId from, ForwardRequest request) {
  impl_->dispatcher.OnForward(now, from, std::move(request));
}

void FrontEnd::OnForwardReply(const ClockReading& now, StoreId from, ForwardReply reply) {
  impl_->dispatcher.OnForwardReply(now, from, std::move(reply));
}

void FrontEnd::OnPeerBroken(const ClockReading& now, StoreId peer,
                            const std::vector<uint64_t>& not_sent) {
  impl_->dispatcher.OnPeerBroken(now, peer, not_sent);
}

void FrontEnd::OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
  impl_->router.Learn(descriptor);
  if (leads) {
    impl_->router.LearnLeader(descriptor.range_id(), impl_->dispatcher.self().value());
  }
  impl_->upkeep.OnDescriptor(descriptor, leads);
  impl_->merger.OnDescriptor(descriptor, leads);
  if (leads) {
    impl_->drop_watch.OnLeader(RangeId(descriptor.range_id()), impl_->dispatcher.self());
    impl_->placement.OnLeader(RangeId(descriptor.range_id()), impl_->dispatcher.self());
  }
}

void FrontEnd::OnLeader(RangeId range, StoreId leader) {
  impl_->router.LearnLeader(range.value(), leader.value());
  impl_->upkeep.OnLeader(range, leader);
  impl_->merger.OnLeader(range, leader);
  impl_->drop_watch.OnLeader(range, leader);
  impl_->placement.OnLeader(range, leader);
}

void FrontEnd::OnRemoved(RangeId range) {
  impl_->upkeep.OnRemoved(range);
  impl_->merger.OnRemoved(range);
}

void FrontEnd::LookForStores() { impl_->store_watch.LookSoon(); }

void FrontEnd::BeginTurn() { impl_->admission.BeginTurn(); }

bool FrontEnd::HeldBack() const { return impl_->admission.HeldBack(); }

void FrontEnd::Run(const ClockReading& now) {
  bool worked = true;
  while (worked) {
    worked = impl_->dispatcher.Run(now);
    worked |= impl_->admission.Run(now);
    worked |= impl_->upkeep.Run(now);
    worked |= impl_->merger.Run(now);
    worked |= impl_->autopilot.Run(now);
    worked |= impl_->store_watch.Run(now);
    worked |= impl_->follower.Run(now);
    worked |= impl_->drop_watch.Run(now);
    worked |= impl_->placement.Run(now);
    const size_t delivered = impl_->calls.Deliver();
    impl_->counters.calls_done += delivered;
    worked |= delivered > 0;
  }
}

Instant FrontEnd::NextDeadline() const {
  if (impl_->admission.HasWork() || impl_->calls.HasFinished() || impl_->upkeep.HasWork() ||
      impl_->merger.HasWork() || impl_->store_watch.HasWork() || impl_->follower.HasWork() ||
      impl_->drop_watch.HasWork() || impl_->placement.HasWork()) {
    return Instant::min();
  }
  return std::min({impl_->dispatcher.NextDeadline(), impl_->autopilot.NextDeadline(),
                   impl_->admission.NextDeadline()});
}

const FrontCounters& FrontEnd::counters() const { return impl_->counters; }

FrontLoad FrontEnd::load() const {
  const FairQueue& queue = impl_->admission.queue();
  return {queue.waiting(), queue.held_requests(), queue.held_bytes()};
}

}  // namespace rasputin::server
