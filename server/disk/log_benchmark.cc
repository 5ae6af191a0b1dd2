// Group commit on real files: appends per second and the time of a sync, recycled against fresh
// files.
//
// By hand: bazel run -c opt //server/disk:log_benchmark -- FOLDER [SECONDS]. Prints one table;
// nothing here is a test.

#include <glog/logging.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "consensus/log/shared_log.h"
#include "server/disk/posix_directory.h"

namespace rasputin::server {
namespace {

namespace clog = consensus::log;
using Clock = std::chrono::steady_clock;

double MicrosecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// Jobs of `entries` entries of 256 bytes each, for some seconds. `recycled`: the log is cut as it
// goes, so that its files are used again.
void Measure(const std::string& folder, double seconds, int entries, bool recycled) {
  std::string path = folder + "/log-XXXXXX";
  PCHECK(mkdtemp(&path[0]) != nullptr) << path;
  auto directory = PosixDirectory::At(path);
  CHECK(directory.ok()) << directory.status();
  clog::LogOptions options;
  options.store = consensus::StoreId(1);
  options.reserve_bytes = 0;
  clog::Recovered recovered;
  auto log = clog::SharedLog::Open(options, directory->get(), &recovered);
  CHECK(log.ok()) << log.status();
  const absl::Cord payload(std::string(256, 'v'));
  std::vector<double> times;
  uint64_t index = 0;
  uint64_t warm_up = recycled ? 4 * options.segment_bytes / 300 : 0;
  Clock::time_point begin = Clock::now();
  uint64_t counted = 0;
  while (warm_up != 0 || MicrosecondsSince(begin) < seconds * 1e6) {
    clog::RangeAppend append;
    append.range = consensus::RangeId(1);
    for (int i = warm_up != 0 ? std::max(entries, 1024) : entries; i > 0; --i) {
      append.entries.push_back(
          {consensus::Term(1), consensus::Index(++index), consensus::EntryType::kCommand, payload});
    }
    (*log)->Append({append});
    std::unique_ptr<clog::WriteJob> job = (*log)->TakeWrite();
    const Clock::time_point job_begin = Clock::now();
    absl::Status status = (*log)->Execute(job.get());
    CHECK(status.ok()) << status;
    times.push_back(MicrosecondsSince(job_begin));
    (*log)->FinishWrite(std::move(job));
    if (recycled && index > 1000) {
      (*log)->Cut(consensus::RangeId(1), consensus::Index(index - 1000));
    }
    counted += append.entries.size();
    if (warm_up != 0 && index >= warm_up) {
      warm_up = 0;
      times.clear();
      counted = 0;
      begin = Clock::now();
    }
  }
  const double elapsed = MicrosecondsSince(begin) / 1e6;
  std::sort(times.begin(), times.end());
  const clog::SharedLog::Stats stats = (*log)->stats();
  std::printf("%8d  %-8s %10.0f %10.0f %9.0f %9.0f %9.0f %9lu\n", entries,
              recycled ? "recycled" : "fresh", static_cast<double>(counted) / elapsed,
              static_cast<double>(times.size()) / elapsed, times[times.size() / 2],
              times[times.size() * 99 / 100], times.back(), stats.segments_recycled);
  std::fflush(stdout);
  log->reset();
  const std::vector<std::string> names = (*directory)->List().value();
  for (const std::string& name : names) {
    CHECK((*directory)->Remove(name).ok());
  }
  PCHECK(rmdir(path.c_str()) == 0);
}

}  // namespace
}  // namespace rasputin::server

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [SECONDS]\n", argv[0]);
    return 2;
  }
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  std::printf(
      "256-byte entries per job, files; entries/s, jobs/s; us per job p50, p99, max; reuses\n");
  for (const int entries : {1, 16, 256, 4096}) {
    for (const bool recycled : {true, false}) {
      rasputin::server::Measure(argv[1], seconds, entries, recycled);
    }
  }
  return 0;
}
