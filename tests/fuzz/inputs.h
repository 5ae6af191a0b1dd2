// Inputs for fuzz tests: messages of any kind filled at random, then damaged, then cut into pieces.
//
// Everything follows from the seed of the generator that is given. Valid inputs come from the
// descriptor of the message, so that a new field is covered on the day it is added. Not responsible
// for what the code under test must answer. Thread-safe as long as generators are not shared.

#ifndef RASPUTIN_TESTS_FUZZ_INPUTS_H_
#define RASPUTIN_TESTS_FUZZ_INPUTS_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rasputin::fuzz {

using Random = std::mt19937_64;

// How many inputs a test takes: the environment's FUZZ_RUNS, which must be a positive number
// (CHECK), or `usual`. Called first: it silences protobuf's parser as well.
uint64_t Runs(uint64_t usual);

// True iff the generated parser takes the bytes but for texts that are not UTF-8, which it alone
// refuses. `*scratch` is overwritten; `*parsed` says whether all of it was right. After Runs().
bool IsMessage(absl::string_view bytes, google::protobuf::Message* scratch, bool* parsed = nullptr);

// Fills fields at random: each with a chance of three quarters, at most one of a oneof. Numbers are
// small, at a power of two, or any; strings are short and of few letters, so that they meet each
// other, now and then long. `bytes` fields may begin with 8 bytes of a small collection id.
void Fill(Random* random, google::protobuf::Message* message);

// One to four damages: bits, bytes, insertions, cuts, repetitions. May give the same bytes;
// of none it makes a few.
std::string Mutated(Random* random, std::string bytes);

// An encoded message of the type of `*scratch`, which is overwritten: as it should be one time in
// three, mutated otherwise.
std::string AnyInput(Random* random, google::protobuf::Message* scratch);

// The same bytes, in one piece or many.
absl::Cord Fragmented(Random* random, absl::string_view bytes);

}  // namespace rasputin::fuzz

#endif  // RASPUTIN_TESTS_FUZZ_INPUTS_H_
