// See cpu_limits.h.

#include "tests/process/cpu_limits.h"

#include <glog/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"

namespace rasputin::process {
namespace {

constexpr char kVersion1[] = "/sys/fs/cgroup/cpu";
constexpr char kVersion2[] = "/sys/fs/cgroup";
// Short against the 100 ms that is usual, so that a limited server is slow rather than away.
constexpr int kPeriodUs = 10'000;

void Write(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  CHECK(out.good()) << "cannot write " << text << " to " << file
                    << ": run as root where control groups may be made, or without the limit";
}

}  // namespace

CpuLimits::CpuLimits(int percent) : percent_(percent) { CHECK_GE(percent, 1); }

CpuLimits::~CpuLimits() {
  for (const std::string& group : groups_) rmdir(group.c_str());
}

void CpuLimits::Add(pid_t pid) {
  const bool first = access(absl::StrCat(kVersion1, "/cpu.cfs_quota_us").c_str(), F_OK) == 0;
  const std::string group =
      absl::StrCat(first ? kVersion1 : kVersion2, "/rasputin-test-", getpid(), "-", pid);
  PCHECK(mkdir(group.c_str(), 0755) == 0)
      << group << ": run as root where control groups may be made, or without the limit";
  groups_.push_back(group);
  const int quota_us = kPeriodUs * percent_ / 100;
  if (first) {
    Write(group + "/cpu.cfs_period_us", absl::StrCat(kPeriodUs));
    Write(group + "/cpu.cfs_quota_us", absl::StrCat(quota_us));
  } else {
    Write(group + "/cpu.max", absl::StrCat(quota_us, " ", kPeriodUs));
  }
  Write(group + "/cgroup.procs", absl::StrCat(pid));
}

}  // namespace rasputin::process
