// Messages between stores about store leases [S-1], [S-2], as plain values.
//
// Not responsible for encoding (consensus/wire) nor delivery: each may be lost, repeated, delayed.

#ifndef RASPUTIN_CONSENSUS_LEASE_MESSAGE_H_
#define RASPUTIN_CONSENSUS_LEASE_MESSAGE_H_

#include <variant>

#include "consensus/core/types.h"

namespace rasputin::consensus::lease {

struct SupportRequest {
  Epoch epoch;
  Round round;
  Nonce echo;  // The newest nonce of the receiver that the sender has heard; 0: none yet.
};

struct SupportReply {
  Epoch epoch;  // Of the request.
  Round round;  // Of the request.
  bool supported = false;
  Epoch lowest_accepted;  // The lowest epoch that would be accepted [S-5]; durable at the sender.
  Nonce nonce;            // New with every answer, refusals too [S-2].
};

struct LeaseMessage {
  StoreId from;
  StoreId to;
  std::variant<SupportRequest, SupportReply> body;
};

}  // namespace rasputin::consensus::lease

#endif  // RASPUTIN_CONSENSUS_LEASE_MESSAGE_H_
