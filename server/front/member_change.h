// Which step brings a range's members nearer to what an operator asked for [H-14].
//
// Pure functions; thread-safe. Every step is chosen from the range's own descriptor alone, so that
// whoever comes back after a crash, at any node, goes on where the last one ended. Not responsible
// for making the step (range/) nor for repeating it (range_members.cc).

#ifndef RASPUTIN_SERVER_FRONT_MEMBER_CHANGE_H_
#define RASPUTIN_SERVER_FRONT_MEMBER_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "server/front/ports.h"

namespace rasputin::server {

struct MemberStep {
  enum class Kind : uint8_t {
    kDone = 1,    // The range is as asked for.
    kWait = 2,    // The leader finishes a step by itself.
    kAsk = 3,     // The leader is to be asked for `change`.
    kRefuse = 4,  // It must not be done; `text` says why.
  };
  Kind kind = Kind::kDone;
  range::ReplicaChange change;
  std::string text;  // What is being done or waited for, for the user.
};

// `add`: the store that shall hold a voter, `remove`: that shall hold no replica; 0: none. Refused
// is a removal that leaves fewer voters than `voters_min`.
MemberStep NextMemberStep(const range::RangeDescriptor& range, uint64_t add, uint64_t remove,
                          size_t voters_min);

// The body of a forwarded step.
absl::Cord EncodeReplicaChange(const range::ReplicaChange& change);
// nullopt: not a step that this version knows.
std::optional<range::ReplicaChange> DecodeReplicaChange(const absl::Cord& body);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_MEMBER_CHANGE_H_
