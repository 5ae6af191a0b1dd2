// Looking ranges up, listing, describing, splitting and merging them; see range_calls.h. Handovers
// are in range_transfer.cc.
//
// A description is asked of the believed leader first, then of each member until one serves.

#include "server/front/range_calls.h"

#include <algorithm>
#include <utility>

#include "client/route/full_key.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"
#include "server/front/range_calls_internal.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;

namespace {

constexpr uint32_t kRangesListed = 100;
constexpr uint32_t kRangesListedMax = 1000;
constexpr size_t kKeyBytesMax = 8 << 10;

absl::Status CheckKey(const std::string& key) {
  if (key.size() <= kKeyBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError("the key has " + std::to_string(key.size()) +
                                    " bytes; at most 8192 are allowed");
}

}  // namespace

RangeCalls::RangeCalls(const FrontOptions& options, CallTable* calls, Directory* directory,
                       Dispatcher* dispatcher, RangeSplitter* splitter, RangeMerger* merger,
                       client::Router* router)
    : options_(options),
      calls_(calls),
      directory_(directory),
      dispatcher_(dispatcher),
      splitter_(splitter),
      merger_(merger),
      router_(router) {}

admin::v1::RangeRoute RangeCalls::RouteOf(const RangeDescriptor& range) const {
  admin::v1::RangeRoute route;
  *route.mutable_range() = range;
  route.set_leader_store_id(router_->Leader(range.range_id()));
  return route;
}

void RangeCalls::Lookup(const ClockReading& now, CallId id, const absl::Cord& request,
                        Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::LookupRangeRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  const absl::Status key = CheckKey(wanted->key());
  if (!key.ok()) return calls_->Finish(id, RefuseInvalid(key));
  directory_->FindCollection(
      now, wanted->collection(), deadline,
      [this, id, key = wanted->key(), deadline](const ClockReading& when, RangeAnswer answer,
                                                type::v1::Collection collection) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        directory_->FindRange(
            when, client::FullKey(collection.id(), key), deadline,
            [this, id, deadline](const ClockReading& later, RangeAnswer found,
                                 RangeDescriptor range) {
              if (found.response.outcome != Outcome::kOk) {
                return calls_->Finish(id, ToCallResult(found, *router_));
              }
              bool all_known = true;
              for (const auto& replica : range.replicas()) {
                all_known &= router_->FindStore(replica.store_id()) != nullptr;
              }
              if (all_known) return FinishLookup(id, range);
              directory_->ReadStores(
                  later, deadline,
                  [this, id, range](const ClockReading&, const RangeAnswer&,
                                    const std::vector<type::v1::StoreDescriptor>&) {
                    FinishLookup(id, range);
                  });
            });
      });
}

void RangeCalls::FinishLookup(CallId id, const RangeDescriptor& range) {
  admin::v1::LookupRangeResponse response;
  *response.mutable_route() = RouteOf(range);
  for (const auto& replica : range.replicas()) {
    const auto* store = router_->FindStore(replica.store_id());
    if (store != nullptr) *response.add_stores() = *store;
  }
  calls_->Finish(id, OkResult(response));
}

void RangeCalls::List(const ClockReading& now, CallId id, const absl::Cord& request,
                      Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::ListRangesRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  const uint32_t limit =
      wanted->limit() == 0 ? kRangesListed : std::min(wanted->limit(), kRangesListedMax);
  if (wanted->collection().empty()) {
    return ListFrom(now, id, wanted->from_key(), limit, 0, deadline);
  }
  directory_->FindCollection(
      now, wanted->collection(), deadline,
      [this, id, from = wanted->from_key(), limit, deadline](
          const ClockReading& when, RangeAnswer answer, type::v1::Collection collection) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        const std::string start = std::max(from, client::KeyPrefix(collection.id()));
        ListFrom(when, id, start, limit, collection.id(), deadline);
      });
}

void RangeCalls::ListFrom(const ClockReading& now, CallId id, const std::string& from,
                          uint32_t limit, uint64_t collection, Instant deadline) {
  storage::v1::MetaQuery query;
  query.set_ranges_from(from);
  query.set_limit(limit);
  directory_->Query(now, query, deadline,
                    [this, id, collection, deadline](const ClockReading& when, RangeAnswer answer,
                                                     storage::v1::MetaQueryResult result) {
                      if (answer.response.outcome != Outcome::kOk) {
                        return calls_->Finish(id, ToCallResult(answer, *router_));
                      }
                      auto listing = std::make_shared<Listing>();
                      listing->id = id;
                      admin::v1::ListRangesResponse& response = listing->response;
                      bool more = result.more();
                      for (const auto& range : result.ranges()) {
                        if (collection != 0 && range.collection_id() > collection) more = false;
                        if (collection != 0 && range.collection_id() != collection) continue;
                        *response.add_routes()->mutable_range() = range;
                      }
                      if (more && result.ranges_size() > 0) {
                        response.set_resume_key(result.ranges(result.ranges_size() - 1).end_key());
                      }
                      FindLeaders(when, std::move(listing), deadline);
                    });
}

// What this node's own calls have taught it is not enough: of a range that nobody uses, or whose
// leader died since, it would be nothing or wrong.
void RangeCalls::FindLeaders(const ClockReading& now, std::shared_ptr<Listing> listing,
                             Instant deadline) {
  listing->left = listing->response.routes_size();
  if (listing->left == 0) return calls_->Finish(listing->id, OkResult(listing->response));
  const Instant ends = std::min(deadline, now.boot + options_.status_wait);
  for (int i = 0, routes = listing->left; i < routes; ++i) {
    AskMembers(now, listing->response.routes(i).range(), ends, /*briefly=*/true,
               [this, listing, i](const ClockReading&, RangeAnswer,
                                  admin::v1::DescribeRangeResponse report) {
                 if (report.serving()) {
                   listing->response.mutable_routes(i)->set_leader_store_id(report.store_id());
                 }
                 if (--listing->left > 0) return;
                 calls_->Finish(listing->id, OkResult(listing->response));
               });
  }
}

void RangeCalls::AskMembers(const ClockReading& now, const RangeDescriptor& range, Instant deadline,
                            bool briefly, Reported done) {
  auto inquiry = std::make_shared<Inquiry>();
  inquiry->range = RangeId(range.range_id());
  inquiry->deadline = deadline;
  inquiry->briefly = briefly;
  inquiry->done = std::move(done);
  for (const auto& replica : range.replicas()) {
    inquiry->left.push_back(StoreId(replica.store_id()));
  }
  inquiry->Prefer(dispatcher_->self());
  inquiry->Prefer(StoreId(router_->Leader(range.range_id())));
  AskNext(now, std::move(inquiry));
}

void RangeCalls::AskNext(const ClockReading& now, std::shared_ptr<Inquiry> inquiry) {
  if (inquiry->left.empty()) {
    RangeAnswer answer = std::move(inquiry->failure);
    if (inquiry->best.has_value()) answer.response.outcome = Outcome::kOk;
    return inquiry->done(now, std::move(answer),
                         inquiry->best.value_or(admin::v1::DescribeRangeResponse()));
  }
  RangeCall call;
  call.kind = ForwardKind::kDescribeRange;
  call.range = inquiry->range;
  if (inquiry->briefly) call.body = absl::Cord(kBriefly);
  call.store = inquiry->left.front();
  call.repeatable = true;
  call.deadline = std::min(inquiry->deadline, now.boot + options_.attempt_wait);
  inquiry->left.erase(inquiry->left.begin());
  dispatcher_->Send(now, std::move(call),
                    [this, inquiry](const ClockReading& when, RangeAnswer answer) {
                      admin::v1::DescribeRangeResponse report;
                      if (answer.response.outcome == Outcome::kOk &&
                          report.ParseFromString(std::string(answer.response.body))) {
                        router_->Learn(report.range());
                        if (report.serving()) {
                          router_->LearnLeader(report.range().range_id(), report.store_id());
                          return inquiry->done(when, RangeAnswer(), std::move(report));
                        }
                        inquiry->Prefer(StoreId(report.leader_store_id()));
                        if (!inquiry->best.has_value()) inquiry->best = std::move(report);
                      } else {
                        inquiry->failure = std::move(answer);
                      }
                      AskNext(when, inquiry);
                    });
}

void RangeCalls::Describe(const ClockReading& now, CallId id, const absl::Cord& request,
                          Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::DescribeRangeRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  directory_->FindRangeById(
      now, wanted->range_id(), deadline,
      [this, id, deadline](const ClockReading& when, RangeAnswer answer, RangeDescriptor range) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        AskMembers(when, range, deadline, /*briefly=*/false,
                   [this, id, deadline](const ClockReading& later, RangeAnswer reported,
                                        admin::v1::DescribeRangeResponse report) {
                     if (reported.response.outcome != Outcome::kOk) {
                       return calls_->Finish(id, ToCallResult(reported, *router_));
                     }
                     AddPlacement(later, id, std::move(report), deadline);
                   });
      });
}

void RangeCalls::AddPlacement(const ClockReading& now, CallId id,
                              admin::v1::DescribeRangeResponse report, Instant deadline) {
  const uint64_t controller = router_->Leader(client::kMetaRangeId);
  if (controller == 0) return calls_->Finish(id, OkResult(report));
  // The store that answered has told what it did itself, but not what it plans.
  const bool knows_done = controller == report.store_id();
  RangeCall call;
  call.kind = ForwardKind::kPlan;
  call.range = RangeId(report.range().range_id());
  call.store = StoreId(controller);
  call.repeatable = true;
  call.deadline = std::min(deadline, now.boot + options_.status_wait);
  dispatcher_->Send(
      now, std::move(call),
      [this, id, knows_done, report = std::move(report)](const ClockReading&,
                                                         RangeAnswer answer) mutable {
        admin::v1::GetPlanResponse plan;
        const bool told = answer.response.outcome == Outcome::kOk &&
                          plan.ParseFromString(std::string(answer.response.body));
        if (told) {
          std::vector<type::v1::Decision> all(report.decisions().begin(), report.decisions().end());
          all.insert(all.end(), plan.planned().begin(), plan.planned().end());
          if (!knows_done) all.insert(all.end(), plan.done().begin(), plan.done().end());
          std::stable_sort(all.begin(), all.end(), [](const auto& one, const auto& other) {
            return one.at_ms() > other.at_ms();
          });
          *report.mutable_decisions() = {all.begin(), all.end()};
        }
        calls_->Finish(id, OkResult(report));
      });
}

void RangeCalls::Split(const ClockReading& now, CallId id, const absl::Cord& request,
                       Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::SplitRangeRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  absl::Status key = CheckKey(wanted->split_key());
  if (wanted->split_key().empty()) key = absl::InvalidArgumentError("the split key is empty");
  if (!key.ok()) return calls_->Finish(id, RefuseInvalid(key));
  directory_->FindCollection(
      now, wanted->collection(), deadline,
      [this, id, key = wanted->split_key(), deadline](const ClockReading& when, RangeAnswer answer,
                                                      type::v1::Collection collection) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        splitter_->Split(when, client::FullKey(collection.id(), key), collection.id(), deadline,
                         [this, id](const ClockReading&, RangeAnswer split, SplitRanges ranges) {
                           if (split.response.outcome != Outcome::kOk) {
                             return calls_->Finish(id, ToCallResult(split, *router_));
                           }
                           admin::v1::SplitRangeResponse response;
                           if (ranges.left.range_id() != 0) *response.mutable_left() = ranges.left;
                           *response.mutable_right() = ranges.right;
                           calls_->Finish(id, OkResult(response));
                         });
      });
}

void RangeCalls::Merge(const ClockReading& now, CallId id, const absl::Cord& request,
                       Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::MergeRangesRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  // Who names both may repeat the call: the first one may still be at work.
  const bool waits = wanted->right_range_id() != 0;
  merger_->Merge(now, {wanted->range_id(), wanted->right_range_id(), waits}, deadline,
                 [this, id](const ClockReading&, RangeAnswer answer, RangeDescriptor merged) {
                   if (answer.response.outcome != Outcome::kOk) {
                     return calls_->Finish(id, ToCallResult(answer, *router_));
                   }
                   admin::v1::MergeRangesResponse response;
                   *response.mutable_range() = std::move(merged);
                   calls_->Finish(id, OkResult(response));
                 });
}

}  // namespace rasputin::server
