// TransferLease at the front end; see range_calls.h.
//
// A loop until the target leads: ask who leads, ask that store to hand over, look again. Each round
// is idempotent, so a leader that changes or crashes meanwhile costs a round, not the call.

#include <algorithm>
#include <utility>

#include "server/front/admin_message.h"
#include "server/front/call_status.h"
#include "server/front/range_calls.h"
#include "server/front/range_calls_internal.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;

namespace {

// A handover takes a round trip or two; looking more often only costs.
constexpr Duration kRoundMin = std::chrono::milliseconds(10);
constexpr Duration kRoundMax = std::chrono::milliseconds(500);
// A leader that refuses is asked so often, within some two seconds: a store that has only just
// started supports it a moment later, and another handover comes to its end.
constexpr int kRefusedMax = 10;

}  // namespace

void RangeCalls::TransferLease(const ClockReading& now, CallId id, const absl::Cord& request,
                               Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::TransferLeaseRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  auto transfer = std::make_shared<Transfer>();
  transfer->id = id;
  transfer->range = RangeId(wanted->range_id());
  transfer->target = StoreId(wanted->target_store_id());
  transfer->deadline = deadline;
  StepTransfer(now, std::move(transfer));
}

void RangeCalls::StepTransfer(const ClockReading& now, std::shared_ptr<Transfer> transfer) {
  if (!calls_->Contains(transfer->id)) return;
  directory_->FindRangeById(
      now, transfer->range.value(), transfer->deadline,
      [this, transfer](const ClockReading& when, RangeAnswer answer, RangeDescriptor range) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(transfer->id, ToCallResult(answer, *router_));
        }
        if (!client::HasMember(range, transfer->target.value())) {
          return calls_->Finish(transfer->id,
                                RefuseCall(absl::StatusCode::kFailedPrecondition,
                                           rasputin::v1::ERROR_REASON_FAILED_PRECONDITION,
                                           "store " + std::to_string(transfer->target.value()) +
                                               " holds no replica of range " +
                                               std::to_string(transfer->range.value())));
        }
        AskMembers(when, range, transfer->deadline, /*briefly=*/true,
                   [this, transfer](const ClockReading& later, RangeAnswer,
                                    admin::v1::DescribeRangeResponse report) {
                     if (!report.serving()) return RetryTransfer(later, transfer);
                     if (report.store_id() != transfer->target.value()) {
                       return AskForHandover(later, transfer, StoreId(report.store_id()));
                     }
                     admin::v1::TransferLeaseResponse response;
                     *response.mutable_route() = RouteOf(report.range());
                     calls_->Finish(transfer->id, OkResult(response));
                   });
      });
}

void RangeCalls::AskForHandover(const ClockReading& now, std::shared_ptr<Transfer> transfer,
                                StoreId leader) {
  RangeCall call;
  call.kind = ForwardKind::kTransferLease;
  call.range = transfer->range;
  call.store = leader;
  call.target = transfer->target;
  call.mutates = true;
  call.repeatable = true;
  call.deadline = std::min(transfer->deadline, now.boot + options_.attempt_wait);
  dispatcher_->Send(now, std::move(call),
                    [this, transfer](const ClockReading& when, RangeAnswer answer) {
                      if (answer.response.outcome == Outcome::kFailedPrecondition &&
                          ++transfer->refused >= kRefusedMax) {
                        return calls_->Finish(transfer->id, ToCallResult(answer, *router_));
                      }
                      RetryTransfer(when, transfer);
                    });
}

void RangeCalls::RetryTransfer(const ClockReading& now, std::shared_ptr<Transfer> transfer) {
  Duration wait = kRoundMin;
  for (uint32_t i = 0; i < transfer->rounds && wait < kRoundMax; ++i) wait *= 2;
  ++transfer->rounds;
  wait = std::min(wait, kRoundMax);
  if (now.boot + wait >= transfer->deadline) {
    return calls_->Finish(transfer->id, RefuseCall(absl::StatusCode::kDeadlineExceeded,
                                                   rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED,
                                                   "the target did not become leader in time; it "
                                                   "may still do so"));
  }
  dispatcher_->After(now, wait,
                     [this, transfer](const ClockReading& when) { StepTransfer(when, transfer); });
}

}  // namespace rasputin::server
