// Admits one thread at a time to a shard and never loses work that came meanwhile.
//
// The executor waits to get in; other threads (the log writer) get in only if nobody is inside, and
// otherwise leave a mark that the one inside finds when it wants to leave. So work put into an
// inbox before TryEnterOrMark() is always looked at by somebody. Thread-safe; knows nothing of the
// work.

#ifndef RASPUTIN_SERVER_SHARD_TURNSTILE_H_
#define RASPUTIN_SERVER_SHARD_TURNSTILE_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace rasputin::server {

class Turnstile {
 public:
  // Waits until nobody is inside.
  void Enter();
  // Waits for at most `wait`; false: somebody is still inside.
  bool EnterWithin(std::chrono::nanoseconds wait);
  // False: somebody is inside and will be told so by Leave().
  bool TryEnterOrMark();
  // False: a mark was left since Enter or the last Leave; the caller is still inside, must look at
  // its inbox and try to leave again.
  bool Leave();

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  bool occupied_ = false;
  bool marked_ = false;
  int waiting_ = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_TURNSTILE_H_
