// Requests to a store and their answers: the boundary between a front end and the ranges.
//
// Plain values, except Completion, which is how an answer leaves. Bodies are the clients' encoded
// messages, verbatim and reference-counted.

#ifndef RASPUTIN_RANGE_REQUEST_H_
#define RASPUTIN_RANGE_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "consensus/core/types.h"
#include "kv/command.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::range {

using consensus::Generation;
using consensus::RangeId;
using consensus::ReplicaId;
using consensus::StoreId;
using RangeDescriptor = type::v1::RangeDescriptor;

enum class Outcome : uint8_t {
  kOk = 1,
  // Not executed, safe to try again:
  kNotLeader = 2,  // `leader_store` is a hint, 0 if unknown; see `retry_after`.
  kRangeMismatch =
      3,            // Routed by an old descriptor: `descriptors` are what this store knows.
  kOverloaded = 4,  // Back-pressure or a full disk: `message` says whose.
  // Final:
  kOutcomeUnknown = 5,  // May or may not have been, or be, executed.
  kInvalidArgument = 6,
  kNotFound = 7,
  kAlreadyExists = 8,
  kFailedPrecondition = 9,
  kSessionExpired = 10,
  kDeadlineExceeded = 11,  // Not executed.
  kDataLoss = 12,          // The replica is damaged [H-18].
};

struct Response {
  Outcome outcome = Outcome::kOk;
  absl::Cord body;      // kOk: the encoded response message of the operation.
  std::string message;  // Otherwise: one sentence for the user; no keys, no values.
  std::vector<RangeDescriptor> descriptors;  // kRangeMismatch, and of the serving range on demand.
  StoreId leader_store;                      // kNotLeader; 0: unknown.
  consensus::Duration retry_after{};         // 0: no advice.
};

// Receives exactly one answer, in the thread that runs the store's turn; must not call back into
// the store. The store does not own it and forgets it afterwards.
class Completion {
 public:
  virtual void Done(Response response) = 0;

 protected:
  ~Completion() = default;
};

// A change of the members of a range. One that was made already is OK and changes nothing.
struct ReplicaChange {
  enum class Kind : uint8_t {
    kAddLearner = 1,     // A new replica on `store`, which receives everything and does not vote.
    kSetVoters = 2,      // The replicas on `voters` vote, the other voters leave; learners stay.
    kRemoveLearner = 3,  // The learner on `store` leaves.
  };
  Kind kind = Kind::kAddLearner;
  StoreId store;
  std::vector<StoreId> voters;
};

struct Request {
  RangeId range;          // Routed by; must be set.
  Generation generation;  // Routed by; must equal the descriptor's.
  kv::Operation operation = kv::Operation::kNone;
  absl::Cord body;
  std::optional<kv::RequestId> id;
  // Full keys (collection id, 8 bytes big-endian, then the user key) of the first and last key that
  // the operation touches; checked against the range's bounds. Scan: the first key only.
  std::string first_key;
  std::string last_key;
  bool read_index = false;  // Read with a quorum round even if the lease is valid [H-10].
  // Not proposed any more from here on; Instant::max(): none.
  consensus::Instant deadline = consensus::Instant::max();
  Completion* completion = nullptr;
};

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_REQUEST_H_
