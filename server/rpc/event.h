// Something that waits on a completion queue: the tag of an operation is a pointer to one.
//
// gRPC-free, so that what is driven by events can be compiled and tested without it.

#ifndef RASPUTIN_SERVER_RPC_EVENT_H_
#define RASPUTIN_SERVER_RPC_EVENT_H_

#include <functional>
#include <utility>

namespace rasputin::server {

class Event {
 public:
  // The operation ended; `ok` as gRPC reports it. Called in the thread that polls the queue.
  virtual void OnEvent(bool ok) = 0;

 protected:
  ~Event() = default;
};

// An event that calls a function; a member of what it belongs to.
class FunctionEvent final : public Event {
 public:
  explicit FunctionEvent(std::function<void(bool)> function) : function_(std::move(function)) {}
  void OnEvent(bool ok) override { function_(ok); }

 private:
  const std::function<void(bool)> function_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_EVENT_H_
