// Implementation of holder.h: which answers count, and for how long.
//
// Thread-safety and invariants: see the header.

#include "consensus/lease/holder.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::consensus::lease {
namespace {

// Mutant 69 only.
constexpr Instant kNever{Duration(int64_t{1} << 62)};

DualInstant Earlier(const DualInstant& a, const DualInstant& b) {
  return {std::min(a.boot, b.boot), std::min(a.raw, b.raw)};
}

DualInstant Later(const DualInstant& a, const DualInstant& b) {
  return {std::max(a.boot, b.boot), std::max(a.raw, b.raw)};
}

}  // namespace

void Holder::BeginEpoch(Epoch epoch) {
  CHECK_GT(epoch, epoch_);
  epoch_ = epoch;
  rounds_.clear();
  supports_now_ = false;
}

SupportRequest Holder::Ask(const ClockReading& now) {
  CHECK(epoch_.IsSet());
  // A round sent D ago earns nothing any more.
  while (!rounds_.empty() && (rounds_.size() == kRoundsMax ||
                              rounds_.front().sent.Plus(lease_duration_).EndedForHolder(now))) {
    rounds_.pop_front();
  }
  last_round_ = last_round_.Next();
  const bool proves =
      heard_nonce_.IsSet() && !heard_at_.Plus(lease_duration_ / 2).EndedForHolder(now);
  rounds_.push_back({last_round_, DualInstant::At(now), proves});
  return {epoch_, last_round_, heard_nonce_};
}

Holder::Outcome Holder::OnReply(const ClockReading& now, const SupportReply& reply) {
  Outcome outcome;
  SentRound* round = FindRound(reply.round);
  if (round == nullptr || reply.epoch != epoch_) return outcome;
  // Replies overtake each other; the newest nonce is that of the newest round.
  if (reply.nonce.IsSet() && reply.round >= heard_round_) {
    heard_nonce_ = reply.nonce;
    heard_round_ = reply.round;
    heard_at_ = DualInstant::At(now);
  }
  if (!reply.supported) {
    if (reply.lowest_accepted > epoch_) {
      outcome.refused_below = reply.lowest_accepted;
    } else if (reply.nonce.IsSet() && !round->proved_hearing && !round->asked_again) {
      round->asked_again = true;
      outcome.ask_again = true;
    }
    return outcome;
  }
  DualInstant sent = round->sent;
  if (mutants_.Has(3)) sent = rounds_.back().sent;
  if (mutants_.Has(4)) sent = DualInstant::At(now);
  outcome.first_of_epoch = supported_epoch_ != epoch_;
  supported_sent_ = supports_now_ ? Later(supported_sent_, sent) : sent;
  supported_epoch_ = epoch_;
  supports_now_ = true;
  suspended_ = false;
  return outcome;
}

Support Holder::SupportUntil(const DualInstant& write_started) const {
  Support support{supported_epoch_, DualInstant{}};
  if (!supports_now_) return support;
  support.until = mutants_.Has(20) ? supported_sent_.Plus(lease_duration_)
                                   : Earlier(supported_sent_, write_started).Plus(lease_duration_);
  if (mutants_.Has(69)) support.until.boot = kNever;
  return support;
}

void Holder::Suspend() {
  rounds_.clear();
  suspended_ = supports_now_;
}

void Holder::MoveBack(Duration jump) {
  supported_sent_ = supported_sent_.Plus(-jump);
  for (SentRound& round : rounds_) round.sent = round.sent.Plus(-jump);
}

Holder::SentRound* Holder::FindRound(Round round) {
  const auto found = std::find_if(rounds_.begin(), rounds_.end(),
                                  [round](const SentRound& r) { return r.round == round; });
  return found == rounds_.end() ? nullptr : &*found;
}

}  // namespace rasputin::consensus::lease
