// CPU time of processes and of the machine, from /proc.
//
// Linux only; processes of other users may be hidden. Thread-safe.

#ifndef RASPUTIN_CLIENT_BENCH_PROCESS_CPU_H_
#define RASPUTIN_CLIENT_BENCH_PROCESS_CPU_H_

#include <optional>
#include <string>
#include <vector>

namespace rasputin::client {

struct ServerProcess {
  std::string name;
  int pid = 0;
};

// The process that listens on this host:port of this machine; nullopt: not found, or the host is
// not the loopback.
std::optional<int> FindListener(const std::string& address);

// User and system time so far, in seconds; granularity 10 ms. nullopt: no such process.
std::optional<double> ProcessCpuSeconds(int pid);
// The same of this process, more finely.
double OwnCpuSeconds();
// Time that all processors together were busy since the start of the machine, stolen time included.
double MachineBusySeconds();

// Utime plus stime in ticks from the text of /proc/PID/stat; nullopt: not such a text.
std::optional<unsigned long long> TicksOfStat(const std::string& stat);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_BENCH_PROCESS_CPU_H_
