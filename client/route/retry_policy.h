// When a failed request may be tried again, and after how long: the one policy of the client
// library, the front end and the simulator.
//
// Pure functions of what happened, the time that is left and a seed. Not responsible for routes
// (router.h), timers or sending. Thread-safe, except that a Backoff belongs to one request.

#ifndef RASPUTIN_CLIENT_ROUTE_RETRY_POLICY_H_
#define RASPUTIN_CLIENT_ROUTE_RETRY_POLICY_H_

#include <chrono>
#include <cstdint>

namespace rasputin::client {

// A request travels at most so often from store to store before it is executed or refused.
inline constexpr uint32_t kHopsMax = 2;

using RetryDuration = std::chrono::nanoseconds;

// How an attempt failed.
enum class Failure : uint8_t {
  kNotLeader = 1,       // Refused: the store does not lead. Not executed.
  kRangeMismatch = 2,   // Refused: routed by an old descriptor. Not executed.
  kOverloaded = 3,      // Refused: back-pressure. Not executed.
  kNotSent = 4,         // No connection, nothing was written. Not executed.
  kNoRoute = 5,         // The directory did not answer. Not executed.
  kOutcomeUnknown = 6,  // The store lost track of it. May or may not have been executed.
  kBroken = 7,          // The connection broke after it was written. The same.
  kFinal = 8,           // Any other error: trying again changes nothing.
};

// Whether an attempt that failed like this may have been executed.
bool OutcomeIsUnknown(Failure failure);

// Whether trying again is safe. `repeatable`: the request carries a RequestId, or its repetition
// changes nothing by its nature (reads).
bool SafeToRetry(Failure failure, bool repeatable);

struct RetryOptions {
  // The first wait and the longest. Chosen against an election of some hundred milliseconds: early
  // attempts notice a quick handover, later ones cost little.
  RetryDuration backoff_min = std::chrono::milliseconds(4);
  RetryDuration backoff_max = std::chrono::milliseconds(400);
  // Attempts in a row that need not wait because the answer itself brought a better route.
  uint32_t immediate_max = 3;
  // After so many refusals for overload the client is told, so that a full disk is not a hang.
  uint32_t overloaded_max = 5;
};

// What became of an attempt, and what the request still has.
struct AttemptResult {
  Failure failure = Failure::kFinal;
  bool repeatable = false;
  bool better_route = false;    // The answer brought a route not tried yet.
  RetryDuration time_left{};    // Until the deadline; <= 0: it has passed.
  RetryDuration retry_after{};  // The server's advice; 0: none.
};

struct RetryDecision {
  bool retry = false;
  RetryDuration wait{};  // With `retry`.
};

// The memory of one request's attempts. Deterministic: the same seed and calls give the same waits.
class Backoff {
 public:
  Backoff(const RetryOptions& options, uint64_t seed) : options_(options), random_(seed) {}

  // Waits double from backoff_min to backoff_max, each shortened by a random part of up to a half,
  // so that clients that failed together do not return together. A wait never exceeds half of the
  // time left, so that a late recovery is still noticed; advice that reaches past the deadline ends
  // it. Advice is prolonged by a random part of up to a half: whoever got the same advice does not
  // return at once either.
  RetryDecision Next(const AttemptResult& result);
  uint32_t attempts_failed() const { return attempts_failed_; }

 private:
  uint64_t NextRandom();

  RetryOptions options_;
  uint64_t random_;
  uint32_t attempts_failed_ = 0;
  uint32_t waits_ = 0;      // Decisions that waited; gives the exponent.
  uint32_t immediate_ = 0;  // Decisions in a row that did not.
  uint32_t overloaded_ = 0;
};

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_ROUTE_RETRY_POLICY_H_
