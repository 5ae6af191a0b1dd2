// A disk of a few MiB that can be filled: a tmpfs, mounted where a test wants it.
//
// Mounting needs root; without it `mounted()` is false and the test must skip, loudly. The mount is
// seen by the thread that makes it, and by threads and processes that it starts afterwards. Not
// thread-safe.

#ifndef RASPUTIN_TESTS_PROCESS_SMALL_DISK_H_
#define RASPUTIN_TESTS_PROCESS_SMALL_DISK_H_

#include <cstdint>
#include <string>

namespace rasputin::process {

class SmallDisk {
 public:
  // `path`: an existing, empty directory.
  SmallDisk(std::string path, int mebibytes);
  ~SmallDisk();  // Unmounts; what is on it is gone.
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  uint64_t FreeBytes() const;
  // Takes all space but `left` bytes, as another program's file would; again and again, if asked.
  void Fill(uint64_t left);
  // Removes what Fill wrote.
  void Free();
  bool MakeReadOnly();

 private:
  const std::string path_;
  const bool mounted_;
};

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_SMALL_DISK_H_
