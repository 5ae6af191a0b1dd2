// Entry point of libFuzzer for the decoders of the shared log.
//
// By hand: bazel build --config=clang --copt=-fsanitize=fuzzer-no-link //consensus/log:fuzz_target,
// then run the binary with a folder for its corpus. What is checked: fuzz_input.cc.

#include <cstddef>
#include <cstdint>

#include "consensus/log/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rasputin::consensus::log::DecodeAnything({reinterpret_cast<const char*>(data), size});
  return 0;
}
