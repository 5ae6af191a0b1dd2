// What a process and its network cost so far, as Linux counts it; and the pages of its HTTP port.
//
// Reads /proc and sockets; judges nothing. Thread-safe: no state.

#ifndef RASPUTIN_TESTS_SCALE_PROCESS_METER_H_
#define RASPUTIN_TESTS_SCALE_PROCESS_METER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace rasputin::scale {

// Since the process started, or now.
struct ProcessReading {
  double cpu_seconds = 0;  // User and system time of all its threads.
  // Handed to the system by write calls: to files, and a few for every wake-up of a thread.
  uint64_t written_bytes = 0;
  uint64_t resident_private_bytes = 0;  // Anonymous memory that is resident: heap and stacks.
};

// CHECK: the process exists.
ProcessReading ReadProcess(pid_t pid);

// Moves this process, and those it starts from now on, into a network of its own in which only the
// loopback exists, so that nobody else's traffic is counted. To be called before any thread is
// started. False: the system does not permit it, and nothing has changed.
bool EnterOwnNetwork();
// Bytes and packets that were sent over the loopback of this process's network.
struct NetworkReading {
  uint64_t bytes = 0;
  uint64_t packets = 0;
};
NetworkReading ReadLoopback();

// Head and body of the answer of 127.0.0.1:PORT to GET; empty: nobody answers.
std::string HttpGet(int port, const std::string& path);
// The sum over all labels of a metric on a page in Prometheus's text form; 0: it is not there.
double MetricOn(const std::string& page, const std::string& name);

}  // namespace rasputin::scale

#endif  // RASPUTIN_TESTS_SCALE_PROCESS_METER_H_
