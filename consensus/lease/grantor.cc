// Implementation of grantor.h: the rules of promising, one peer at a time.
//
// Thread-safety and invariants: see the header.

#include "consensus/lease/grantor.h"

#include <glog/logging.h>

#include <algorithm>
#include <chrono>

namespace rasputin::consensus::lease {

Grantor::Grantor(const Options& options, Epoch lowest_accepted, const DualInstant& restart_wait_end)
    : options_(options), lowest_accepted_(lowest_accepted) {
  if (!lowest_accepted.IsSet()) return;
  promised_ = lowest_accepted;
  until_ = options_.mutants.Has(21) ? DualInstant{} : restart_wait_end;
}

Grantor::Answer Grantor::OnRequest(const ClockReading& now, const SupportRequest& request,
                                   bool disk_works, Nonce nonce, Epoch durable_lowest) {
  // First, so that a late request cannot revive an epoch whose promise has ended [S-4].
  WithdrawIfEnded(now);
  Answer answer;
  answer.reply.epoch = request.epoch;
  answer.reply.round = request.round;
  answer.reply.nonce = nonce;
  const bool echoed = IsFreshEcho(now, request.echo);
  Issue(now, nonce);

  const bool grants = request.epoch.IsSet() && request.epoch >= lowest_accepted_ &&
                      (echoed || options_.mutants.Has(24) || options_.mutants.Has(60)) &&
                      (disk_works || options_.mutants.Has(58));
  if (!grants) {
    // Only what is durable is told: the peer makes a higher epoch of its own durable by it [S-5].
    answer.reply.lowest_accepted = durable_lowest;
    if (options_.mutants.Has(57)) answer.reply.nonce = Nonce();
    return answer;
  }
  const DualInstant until = DualInstant::At(now).Plus(options_.promise_duration);
  if (promised_ == request.epoch) {
    until_ = {std::max(until_.boot, until.boot), std::max(until_.raw, until.raw)};
  } else {
    // Granting an epoch withdraws all lower ones [S-5].
    promised_ = request.epoch;
    until_ = until;
    answer.first_of_epoch = true;
  }
  lowest_accepted_ = request.epoch;
  mutant_ended_ = Epoch();
  mutant_wall_until_us_ =
      now.wall_us +
      std::chrono::duration_cast<std::chrono::microseconds>(options_.promise_duration).count();
  CHECK_EQ(promised_, lowest_accepted_);
  answer.reply.supported = true;
  answer.reply.lowest_accepted = lowest_accepted_;
  return answer;
}

bool Grantor::WithdrawIfEnded(const ClockReading& now) {
  const bool ended =
      options_.mutants.Has(6) ? now.wall_us >= mutant_wall_until_us_ : until_.EndedForGrantor(now);
  if (!promised_.IsSet() || !ended) return false;
  CHECK_EQ(promised_, lowest_accepted_);
  if (options_.mutants.Has(52)) {
    mutant_ended_ = promised_;
    promised_ = Epoch();
    return false;
  }
  lowest_accepted_ = promised_.Next();
  promised_ = Epoch();
  return true;
}

// As at its end, so that a restart, a late request and a late answer find what they find there.
bool Grantor::WithdrawEarly(const ClockReading& now) {
  CHECK(!HeardLately(now)) << "a store that asks is not dead";
  if (!promised_.IsSet()) return false;
  CHECK_EQ(promised_, lowest_accepted_);
  lowest_accepted_ = promised_.Next();
  promised_ = Epoch();
  return true;
}

// Each request is answered with a new nonce [S-2], so the newest one tells when the last one came.
bool Grantor::HeardLately(const ClockReading& now) const {
  return !issued_.empty() &&
         !issued_.back().at.Plus(options_.lease_duration / 2).EndedForHolder(now);
}

Epoch Grantor::LowestForGroups(Epoch durable_lowest) const {
  if (options_.mutants.Has(71)) return lowest_accepted_;
  return mutant_ended_.IsSet() ? mutant_ended_.Next() : durable_lowest;
}

bool Grantor::IsFreshEcho(const ClockReading& now, Nonce echo) const {
  if (!echo.IsSet()) return false;
  const auto issued = std::find_if(issued_.begin(), issued_.end(),
                                   [echo](const Issued& i) { return i.nonce == echo; });
  return issued != issued_.end() &&
         !issued->at.Plus(options_.lease_duration / 2).EndedForHolder(now);
}

void Grantor::Issue(const ClockReading& now, Nonce nonce) {
  if (issued_.size() == kNoncesMax) issued_.pop_front();
  issued_.push_back({nonce, DualInstant::At(now)});
}

}  // namespace rasputin::consensus::lease
