// Limits how much processor time processes get, each by itself: several servers on one machine as
// if each had a (small) machine of its own.
//
// A control group for each process, version 1 or 2 of the kernel's interface. Not thread-safe.

#ifndef RASPUTIN_TESTS_PROCESS_CPU_LIMITS_H_
#define RASPUTIN_TESTS_PROCESS_CPU_LIMITS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace rasputin::process {

class CpuLimits {
 public:
  // `percent`: of one core, at least 1.
  explicit CpuLimits(int percent);
  // Removes the groups; the processes must have ended.
  ~CpuLimits();
  CpuLimits(const CpuLimits&) = delete;
  CpuLimits& operator=(const CpuLimits&) = delete;

  // All threads of the process, and those that it starts. Fatal (CHECK) without the right to make
  // control groups: run as root, in a container with a writable /sys/fs/cgroup.
  void Add(pid_t pid);

 private:
  const int percent_;
  std::vector<std::string> groups_;
};

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_CPU_LIMITS_H_
