// The steps of a merge of a range (left) with its right neighbour, on descriptors alone. Pure.
//
// Each step is one command in the log of one of the two ranges; what a step makes of the range's
// descriptor is decided here, alike on every replica. README.md "Merge" has the protocol and why
// it is safe. Not responsible for state and replicas (replica_merge.cc, store_merge.cc).

#ifndef RASPUTIN_RANGE_MERGE_H_
#define RASPUTIN_RANGE_MERGE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/command.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::range {

using RangeDescriptor = type::v1::RangeDescriptor;

// kMergeBegin to kDropRange.
bool IsMergeStep(kv::Operation operation);

// A merge is noted and not abandoned: the range is not split, its members do not change, and it is
// not frozen for another one.
bool IsMerging(const RangeDescriptor& descriptor);
// The range serves nothing until it is absorbed or thawed.
bool IsFrozen(const RangeDescriptor& descriptor);
// It is frozen for that left neighbour.
bool IsFrozenBy(const RangeDescriptor& descriptor, uint64_t left_range_id);

// The descriptor after the step, whose encoded command is `body`. With the same generation: there
// is nothing (more) to be done, and nothing changes. FAILED_PRECONDITION: the step cannot be taken,
// says why; INVALID_ARGUMENT: not a step.
absl::StatusOr<RangeDescriptor> AfterMergeStep(const RangeDescriptor& before,
                                               kv::Operation operation, absl::string_view body);

// What is remembered for good of the range that `merge` absorbs; `after` is the left range's
// descriptor from then on.
storage::v1::AbsorbedRange AbsorbedBy(const storage::v1::MergeRanges& merge,
                                      const RangeDescriptor& after);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_MERGE_H_
