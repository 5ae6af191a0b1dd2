// What a protocol must offer to be measured: one group of replicas, each a process in the world.
//
// The instrument sees nothing else of a protocol, so that all are judged by the same acts: a client
// writes a number and learns that it was applied where it was proposed; a client reads and learns
// up to which index the state that it was shown had been applied. One thread.

#ifndef RASPUTIN_TESTS_COMPARE_PROTOCOL_H_
#define RASPUTIN_TESTS_COMPARE_PROTOCOL_H_

#include <cstdint>
#include <string>

namespace rasputin::compare {

// Who listens. Values are unique numbers of the client's; 0 is an entry of the protocol's own.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void OnLeader(int replica, uint64_t term) = 0;
  virtual void OnApplied(int replica, uint64_t index, uint64_t term, uint64_t value) = 0;
  // The answer to Read(read): state applied up to `applied` when it was read.
  virtual void OnRead(int replica, uint64_t read, uint64_t applied) = 0;
  // The self-check of the clocks found something.
  virtual void OnClockSuspect(int replica) = 0;
  virtual void OnNote(int replica, const std::string& what) = 0;
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  // Starts a process from what is durable.
  virtual void Start(int replica) = 0;
  // The process is gone, with all that was not durable.
  virtual void Died(int replica) = 0;
  virtual void Wake(int replica) = 0;

  // ---- Of a process that is up and not paused.
  // Takes itself for a leader that can serve.
  virtual bool TakesWrites(int replica) const = 0;
  // May answer reads without asking anyone at this instant: at most one replica may, ever.
  virtual bool HoldsLease(int replica) const = 0;
  // False: not leader. The outcome shows in Watcher::OnApplied.
  virtual bool Write(int replica, uint64_t value) = 0;
  // The answer comes in Watcher::OnRead, or never.
  virtual void Read(int replica, uint64_t read) = 0;
  // A client came and could not be served here.
  virtual void OnUnserved(int replica) = 0;

  // Raises the durable term of a replica that is not running: what remains of campaigns that
  // nobody heard of.
  virtual void RaiseTerm(int replica, uint64_t by) = 0;
  // One line of state, for traces.
  virtual std::string Describe(int replica) const = 0;
};

}  // namespace rasputin::compare

#endif  // RASPUTIN_TESTS_COMPARE_PROTOCOL_H_
