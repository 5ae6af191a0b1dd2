// Entry point of libFuzzer: bazel build --config=clang //consensus/log:fuzz_target, then run the
// binary.

#include <cstddef>
#include <cstdint>

#include "consensus/log/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rasputin::consensus::log::DecodeAnything({reinterpret_cast<const char*>(data), size});
  return 0;
}
