// A stream of unary gRPC calls to one node: at a fixed rate, or as many at a time as it is told.
//
// At a fixed rate (open loop) a call's latency counts from when it was to begin, so that a server
// that stalls cannot hide it by slowing the measurement down; calls that find too many others under
// way, or that the generator is more than 100 ms late with, are not sent, and counted. One thread,
// which runs at a priority of its own. Not responsible for what is asked. An object belongs to one
// thread and is used once.

#ifndef RASPUTIN_TESTS_NEIGHBOUR_CALL_STREAM_H_
#define RASPUTIN_TESTS_NEIGHBOUR_CALL_STREAM_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/bench/histogram.h"

namespace rasputin::neighbour {

struct StreamOptions {
  std::string address;
  std::string method;                 // Path of a unary method, or of a stream of one answer.
  std::vector<std::string> requests;  // Encoded; chosen at random. At least one.
  uint32_t connections = 1;
  double rate = 0;                // Calls a second; 0: closed loop.
  uint32_t outstanding_max = 64;  // Closed loop: that many are always under way.
  // Closed loop: a place whose call was refused rests for as long as the answer advises.
  bool heeds_advice = false;
  int niceness = 0;  // Of its thread; below 0 only if the system lets us.
  std::chrono::milliseconds deadline = std::chrono::seconds(5);
  std::chrono::milliseconds warmup = std::chrono::seconds(1);  // Not counted.
  std::chrono::milliseconds duration = std::chrono::seconds(5);
  uint64_t seed = 1;
};

// Of calls that were to begin, or in a closed loop ended, within the counted time.
struct StreamResult {
  uint64_t answered = 0;
  uint64_t refused = 0;  // RESOURCE_EXHAUSTED with an ErrorDetail.
  uint64_t failed = 0;   // Any other error.
  uint64_t not_sent = 0;
  std::string first_error;    // Of the failed ones, or else of the refused ones.
  double seconds = 0;         // The counted time.
  client::Histogram latency;  // Of the answered ones.

  double Rate() const { return static_cast<double>(answered) / seconds; }
  double Offered() const;  // Calls a second that were sent.
};

class CallStream {
 public:
  explicit CallStream(StreamOptions options);
  ~CallStream();  // As Finish.
  CallStream(const CallStream&) = delete;
  CallStream& operator=(const CallStream&) = delete;

  // Connects (CHECK: within 10 s) and begins.
  void Start();
  // Waits until the time is over and every call has ended.
  StreamResult Finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rasputin::neighbour

#endif  // RASPUTIN_TESTS_NEIGHBOUR_CALL_STREAM_H_
