// The retry policy; see retry_policy.h. No clock and no global randomness.
//
// Safety comes first: SafeToRetry decides whether, Backoff only when.

#include "client/route/retry_policy.h"

#include <glog/logging.h>

#include <algorithm>

namespace rasputin::client {

bool OutcomeIsUnknown(Failure failure) {
  return failure == Failure::kOutcomeUnknown || failure == Failure::kBroken;
}

bool SafeToRetry(Failure failure, bool repeatable) {
  if (failure == Failure::kFinal) return false;
  return repeatable || !OutcomeIsUnknown(failure);
}

uint64_t Backoff::NextRandom() {
  // SplitMix64 (Steele, Lea, Flood 2014): one addition and three mixing steps per number.
  random_ += 0x9e3779b97f4a7c15u;
  uint64_t z = random_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

RetryDecision Backoff::Next(const AttemptResult& result) {
  CHECK_GT(options_.backoff_min.count(), 0);
  ++attempts_failed_;
  if (!SafeToRetry(result.failure, result.repeatable)) return {};
  if (result.time_left < options_.backoff_min || result.retry_after >= result.time_left) return {};
  if (result.failure == Failure::kOverloaded && ++overloaded_ >= options_.overloaded_max) return {};

  RetryDuration advised = result.retry_after;
  if (advised.count() > 0) advised += RetryDuration(NextRandom() % (advised.count() / 2 + 1));
  advised = std::max(std::min(advised, result.time_left / 2), result.retry_after);
  if (result.better_route && immediate_ < options_.immediate_max) {
    ++immediate_;
    return {true, advised};
  }
  immediate_ = 0;
  RetryDuration wait = options_.backoff_min;
  for (uint32_t i = 0; i < waits_ && wait < options_.backoff_max; ++i) wait *= 2;
  ++waits_;
  wait = std::min(wait, options_.backoff_max);
  wait -= RetryDuration(NextRandom() % (wait.count() / 2 + 1));
  wait = std::min(wait, result.time_left / 2);
  return {true, std::max(wait, advised)};
}

}  // namespace rasputin::client
