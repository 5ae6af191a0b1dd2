// A library to be preloaded: gives a process monotonic clocks of another rate, and steps of them.
//
// Replaces clock_gettime for CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW, the two by which the protocol
// reckons. All other clocks, waits among them, stay as they are: only what the process believes
// changes. The file named by RASPUTIN_TEST_CLOCK holds two native int64: how many parts per 10^9
// the clocks are too fast, read once, and the nanoseconds by which they stand too far forward, read
// at every call. Without the variable nothing changes. Thread-safe.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct Control {
  std::atomic<int64_t> rate_ppb;
  std::atomic<int64_t> step_ns;
};

int64_t Read(clockid_t clock) {
  timespec time;
  syscall(SYS_clock_gettime, clock, &time);
  return static_cast<int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

const Control* Map() {
  const char* path = std::getenv("RASPUTIN_TEST_CLOCK");
  const int file = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Control), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  return memory == MAP_FAILED ? nullptr : static_cast<const Control*>(memory);
}

// What a clock shows whose true reading is `now`.
int64_t Shown(int64_t now, int64_t base) {
  static const Control* const control = Map();
  if (control == nullptr) return now;
  static const int64_t rate_ppb = control->rate_ppb.load();
  // In microseconds: the product stays within 64 bits for days.
  return now + (now - base) / 1000 * rate_ppb / 1'000'000 + control->step_ns.load();
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (clock != CLOCK_BOOTTIME && clock != CLOCK_MONOTONIC_RAW) {
    return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  }
  static const int64_t boot_base = Read(CLOCK_BOOTTIME);
  static const int64_t raw_base = Read(CLOCK_MONOTONIC_RAW);
  const int64_t shown = Shown(Read(clock), clock == CLOCK_BOOTTIME ? boot_base : raw_base);
  time->tv_sec = shown / kSecond;
  time->tv_nsec = shown % kSecond;
  return 0;
}
