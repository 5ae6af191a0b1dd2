// Calls about single ranges at the front end: DirectoryService, and DescribeRange, SplitRange,
// MergeRanges, TransferLease and ChangeReplicas of ClusterService.
//
// Not responsible for the state of the whole cluster (status_calls.h). Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_RANGE_CALLS_H_
#define RASPUTIN_SERVER_FRONT_RANGE_CALLS_H_

#include <functional>
#include <memory>

#include "absl/strings/cord.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/call_table.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"
#include "server/front/range_merger.h"
#include "server/front/range_splitter.h"

namespace rasputin::server {

class RangeCalls {
 public:
  RangeCalls(const FrontOptions& options, CallTable* calls, Directory* directory,
             Dispatcher* dispatcher, RangeSplitter* splitter, RangeMerger* merger,
             client::Router* router);

  void Lookup(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void List(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Describe(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Split(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void Merge(const ClockReading& now, CallId id, const absl::Cord& request, Instant deadline);
  void TransferLease(const ClockReading& now, CallId id, const absl::Cord& request,
                     Instant deadline);
  // `voters_min`: that the change may leave, whoever else changes the range meanwhile. An operator
  // means what is asked for; who plans by what the directory says may be behind.
  void ChangeReplicas(const ClockReading& now, CallId id, const absl::Cord& request,
                      Instant deadline, size_t voters_min = 0);

 private:
  struct Change;
  struct Inquiry;
  struct Listing;
  struct Transfer;
  // The report of the serving leader, else the first that a member gave.
  using Reported = std::function<void(const ClockReading& now, RangeAnswer answer,
                                      admin::v1::DescribeRangeResponse report)>;

  void ListFrom(const ClockReading& now, CallId id, const std::string& from, uint32_t limit,
                uint64_t collection, Instant deadline);
  // Asks the members of every listed range who leads it, then answers.
  void FindLeaders(const ClockReading& now, std::shared_ptr<Listing> listing, Instant deadline);
  // `briefly`: who leads, and what the members hold of the log; see ForwardKind::kDescribeRange.
  void AskMembers(const ClockReading& now, const range::RangeDescriptor& range, Instant deadline,
                  bool briefly, Reported done);
  void AskNext(const ClockReading& now, std::shared_ptr<Inquiry> inquiry);
  // Adds what was decided about the range by the store that decides about placement, then answers.
  void AddPlacement(const ClockReading& now, CallId id, admin::v1::DescribeRangeResponse report,
                    Instant deadline);
  void StepTransfer(const ClockReading& now, std::shared_ptr<Transfer> transfer);
  void AskForHandover(const ClockReading& now, std::shared_ptr<Transfer> transfer, StoreId leader);
  void RetryTransfer(const ClockReading& now, std::shared_ptr<Transfer> transfer);
  // The steps of ChangeReplicas, in order.
  static std::string LeftCopyText(const Change& change);
  void CheckListing(const ClockReading& now, std::shared_ptr<Change> change);
  void CheckPromotion(const ClockReading& now, std::shared_ptr<Change> change,
                      const range::RangeDescriptor& range);
  void StepChange(const ClockReading& now, std::shared_ptr<Change> change);
  void TakeStep(const ClockReading& now, std::shared_ptr<Change> change,
                const admin::v1::DescribeRangeResponse& report);
  // A copy on a store that does not answer would never catch up.
  void AskAddedStore(const ClockReading& now, std::shared_ptr<Change> change);
  void OnStepTaken(const ClockReading& now, std::shared_ptr<Change> change, RangeAnswer answer);
  void RetryChange(const ClockReading& now, std::shared_ptr<Change> change);
  void PublishChange(const ClockReading& now, std::shared_ptr<Change> change,
                     const range::RangeDescriptor& range);
  void FinishLookup(CallId id, const range::RangeDescriptor& range);
  admin::v1::RangeRoute RouteOf(const range::RangeDescriptor& range) const;

  const FrontOptions options_;
  CallTable* const calls_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  RangeSplitter* const splitter_;
  RangeMerger* const merger_;
  client::Router* const router_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_RANGE_CALLS_H_
