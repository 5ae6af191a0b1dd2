// Splits and merges that nobody asked for: looks at the ranges that this store leads about every
// second and carries out what the deciders of range/load/ say.
//
// Each decision, taken or not, goes with its reason into the decision log, and to a port if it is
// news. Where only the stores stand against a merge, placement is told (merge_wishes.h). Bounded:
// so many splits and merges at a time, so many questions to other stores a second. Not responsible
// for when to split or merge (range/load/), for the steps (range_splitter.h, range_merger.h), nor
// for placement. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_AUTOPILOT_H_
#define RASPUTIN_SERVER_FRONT_AUTOPILOT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "range/load/merge_decider.h"
#include "range/load/review.h"
#include "server/front/decision_log.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"
#include "server/front/merge_wishes.h"
#include "server/front/range_merger.h"
#include "server/front/range_splitter.h"

namespace rasputin::server {

class Autopilot {
 public:
  // `port` may be null.
  Autopilot(const AutopilotOptions& options, StorePort* store, DecisionsPort* port,
            Directory* directory, Dispatcher* dispatcher, RangeSplitter* splitter,
            RangeMerger* merger, client::Router* router, DecisionLog* log);

  // Looks at the ranges if it is time; true if it did.
  bool Run(const ClockReading& now);
  // When it is time next; max(): never.
  Instant NextDeadline() const { return next_review_; }
  // What stands against a merge with whatever neighbour; nullopt: nothing of the kind.
  std::optional<type::v1::Decision> WhyNotMerged(const ClockReading& now,
                                                 const range::RangeReview& review) const;
  // For the placement controller.
  std::vector<type::v1::MergeWish> Wishes(const ClockReading& now) const {
    return wishes_.List(now.boot);
  }

 private:
  struct Candidate;
  // Merges of a range that failed one after the other.
  struct Failures {
    int count = 0;
    Instant not_before;  // It is tried again then.
  };

  void BeginReview(const ClockReading& now);
  void Review(const ClockReading& now);
  void ConsiderSplit(const ClockReading& now, const range::RangeReview& review);
  // Asks the cheap questions first; the last one is for the leader of the right neighbour.
  void ConsiderMerge(const ClockReading& now, const range::RangeReview& review);
  void FindNeighbour(const ClockReading& now, std::shared_ptr<Candidate> candidate);
  // Its members in turn, until the one that leads answers: what is known here of who leads an idle
  // range may be long out of date.
  void AskNeighbour(const ClockReading& now, std::shared_ptr<Candidate> candidate);
  void Decide(const ClockReading& now, std::shared_ptr<Candidate> candidate,
              const range::RangeDescriptor& right, const type::v1::RangeLoad& right_load);
  // Only the stores stand against the merge.
  void Wish(const ClockReading& now, const range::RangeDescriptor& left,
            const range::RangeDescriptor& right, const std::string& reason);
  // `load` is of both together.
  void Merge(const ClockReading& now, const range::RangeDescriptor& right,
             const type::v1::RangeLoad& load, const std::string& reason);
  // Another merge of the range has failed.
  static void PutOff(const ClockReading& now, Failures* failures);
  void Tell(const ClockReading& now, type::v1::DecisionKind kind, type::v1::DecisionOutcome outcome,
            uint64_t range_id, const std::string& reason);
  // The verdict on a merge with the best of all neighbours.
  range::MergeVerdict Hope(const range::RangeReview& review) const;
  type::v1::Decision Of(const ClockReading& now, type::v1::DecisionKind kind,
                        type::v1::DecisionOutcome outcome, uint64_t range_id,
                        const std::string& reason) const;
  void NoteUsual(const ClockReading& now, uint64_t range_id, const std::string& reason);

  const AutopilotOptions options_;
  StorePort* const store_;
  DecisionsPort* const port_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  RangeSplitter* const splitter_;
  RangeMerger* const merger_;
  client::Router* const router_;
  DecisionLog* const log_;
  Instant next_review_;
  // Of the review that is under way, which looks at some ranges at a time.
  bool reviewing_ = false;
  Instant review_began_;
  range::ReviewOptions review_options_;
  std::set<uint64_t> splitting_;           // Ranges.
  std::set<uint64_t> merging_;             // Left ranges that merge, or whose neighbour is asked.
  std::map<uint64_t, Failures> failures_;  // Of merges, by left range.
  MergeWishes wishes_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_AUTOPILOT_H_
