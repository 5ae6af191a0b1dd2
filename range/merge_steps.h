// The steps of merges on a test cluster, one call each, for tests and the hunt for mutants.
//
// Each waits for its answer, and asks whoever leads. Not thread-safe.

#ifndef RASPUTIN_RANGE_MERGE_STEPS_H_
#define RASPUTIN_RANGE_MERGE_STEPS_H_

#include <cstdint>
#include <string>

#include "range/test_cluster.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {

class MergeSteps {
 public:
  // The cluster outlives it.
  explicit MergeSteps(TestCluster* cluster) : cluster_(cluster) {}

  // As the range's leader has it; waits for one (CHECK).
  RangeDescriptor Of(uint64_t range);
  // Keys are user keys of the default collection.
  Response Step(uint64_t range, kv::Operation operation, const std::string& body);
  Response Set(uint64_t range, const std::string& key, const std::string& value);
  // The value; in parentheses: why there is none.
  std::string Value(uint64_t range, const std::string& key);
  Response Split(uint64_t range, const std::string& key, uint64_t child);

  Response Note(uint64_t left, uint64_t right);
  Response Freeze(uint64_t left, uint64_t right);
  Response Absorb(uint64_t left, const storage::v1::FreezeResult& frozen);
  // What was frozen (CHECK that the freeze was answered).
  static storage::v1::FreezeResult Frozen(const Response& response);
  // What a new leader of the left range does about the merge that it finds noted. The first answer
  // that is not OK, or the last one.
  Response GiveUp(uint64_t left);
  // All steps; the first answer that is not OK, or the last one.
  Response Merge(uint64_t left, uint64_t right);

  // Has the store lead the range.
  bool Lead(uint64_t range, int store);
  bool IsGone(int store, uint64_t range) const {
    return !cluster_->Descriptor(store, range).has_value();
  }
  // Nothing of the range's group arrives at the store any more, until `drop` is changed.
  void CutOff(uint64_t range, int store);

 private:
  TestCluster* cluster_;
};

// A full key of the default collection.
std::string DefaultKey(const std::string& user_key);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_MERGE_STEPS_H_
