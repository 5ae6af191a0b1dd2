// Messages of the model, each distinct one stored once and known by a number from then on.
//
// Messages keep what the core wrote but for values that nobody acts on (what leaders say about log
// cutting, hints for clients). Not thread-safe.

#ifndef RASPUTIN_CONSENSUS_MODEL_MESSAGE_TABLE_H_
#define RASPUTIN_CONSENSUS_MODEL_MESSAGE_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "consensus/core/message.h"
#include "consensus/model/naming.h"

namespace rasputin::consensus::model {

// What decides whether a message can still have an effect.
struct MessageFacts {
  enum class Kind : uint8_t {
    kProbeRequest,
    kProbeReply,
    kVoteRequest,
    kVoteReply,
    kAppendRequest,
    kAppendReply,
    kPullRequest,
    kPullReply,
    kRelease,
    kReleaseAck,
    kReleaseQuery,
    kOther
  };
  Kind kind = Kind::kOther;
  uint8_t from = 0;  // From 0.
  uint8_t to = 0;
  bool positive = false;  // A vote that is granted; a release that names the receiver.
  uint64_t term = 0;      // Of the message; of a release: what is released.
  uint64_t attempt = 0;   // Of the campaign that it belongs to.
};

class MessageTable {
 public:
  using Id = uint32_t;

  // The number of this message; nothing for one that has no effect at all (acknowledgements of
  // releases, which only end repetitions).
  std::optional<Id> Intern(Message message);
  const Message& message(Id id) const { return messages_[id].message; }
  const MessageFacts& facts(Id id) const { return messages_[id].facts; }
  const Hashes& hashes(Id id) const { return messages_[id].hashes; }
  size_t size() const { return messages_.size(); }

  static void Encode(const Message& message, StateBytes* out);

 private:
  struct Stored {
    Message message;
    MessageFacts facts;
    Hashes hashes;
  };
  std::vector<Stored> messages_;
  absl::flat_hash_map<std::string, Id> ids_;
};

}  // namespace rasputin::consensus::model

#endif  // RASPUTIN_CONSENSUS_MODEL_MESSAGE_TABLE_H_
