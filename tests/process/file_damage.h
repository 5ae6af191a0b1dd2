// Damages one file of a store's directory, and can take that back.
//
// For the process tests; the files may be in use. Errors are fatal (CHECK).

#ifndef RASPUTIN_TESTS_PROCESS_FILE_DAMAGE_H_
#define RASPUTIN_TESTS_PROCESS_FILE_DAMAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <random>
#include <string>

#include "tests/process/flip.h"

namespace rasputin::process {

class FileDamage {
 public:
  // A file of `target` in the storage directory `data` is chosen; false: there is none.
  bool Choose(const std::string& data, FlipTarget target, std::mt19937_64* random);
  void Apply(std::mt19937_64* random);
  // If the damage is still there, the bytes are as they were again; false: it is gone.
  bool Undo() const;
  // "bit 3 of byte 1234 of log/segment-... (65536 bytes)".
  const std::string& text() const { return text_; }

 private:
  std::string ReadAt(uint64_t offset, uint64_t length) const;

  std::string path_;
  std::string name_;
  FlipTarget target_ = FlipTarget::kSegment;
  ino_t inode_ = 0;
  uint64_t size_ = 0;
  bool truncated_ = false;
  uint64_t offset_ = 0;
  std::string before_;
  std::string after_;
  std::string text_;
};

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_FILE_DAMAGE_H_
