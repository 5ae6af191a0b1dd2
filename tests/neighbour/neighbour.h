// What a neighbour notices of a range that is driven far beyond its capacity.
//
// Three real servers on the loopback; two collections whose ranges are led by the same store. The
// *near* one is read and written at a modest fixed rate, alone and beside the *hot* one, which is
// driven at a multiple of what it can do. Everything, the generator included, shares one machine:
// the figures compare, they do not rate. Not responsible for judging them, but that nothing
// changed its leader is stated.

#ifndef RASPUTIN_TESTS_NEIGHBOUR_NEIGHBOUR_H_
#define RASPUTIN_TESTS_NEIGHBOUR_NEIGHBOUR_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/neighbour/call_stream.h"

namespace rasputin::neighbour {

// What the hot range is asked for.
enum class Hot : uint8_t { kGet = 1, kSet = 2, kBatch = 3, kScan = 4, kLarge = 5 };

const char* NameOf(Hot hot);
// False: no such name.
bool ParseHot(const std::string& name, Hot* hot);

struct NeighbourOptions {
  std::string self;                   // Path of this program, for the hot range's clients.
  std::vector<std::string> binaries;  // Paths of rasputind; each is run in turn.
  std::vector<std::string> flags;     // For every server.
  std::string directory;              // Existing; a new folder in it gets data and logs.
  std::vector<Hot> hot;
  double factor = 10;  // Times the measured capacity.
  uint32_t hot_connections = 64;
  // Calls that the hot clients have under way at most: what the factor asks for beyond is not sent.
  uint32_t hot_outstanding = 2048;
  // Closed loop of `hot_outstanding` places instead of a rate, whose refused places rest as
  // advised.
  bool hot_heeds_advice = false;
  bool hot_by_other_node = false;  // Its clients ask a node that does not lead.
  double near_gets = 400;          // A second.
  double near_sets = 200;
  std::chrono::milliseconds warmup = std::chrono::seconds(1);
  std::chrono::milliseconds duration = std::chrono::seconds(8);
};

// The near collection during one phase.
struct NearResult {
  StreamResult gets;
  StreamResult sets;
};

// What the hot range's clients have come to, in a process of their own: gRPC lets all threads of a
// process handle each other's connections.
struct Driven {
  double offered = 0;  // Calls a second that were sent, and answered, and refused.
  double answered = 0;
  double refused = 0;
  uint64_t failed = 0;
  double p50_ms = 0;  // Of the answered ones.
  std::string first_error;
};

struct NeighbourRow {
  std::string binary;
  Hot hot = Hot::kGet;
  double capacity = 0;  // Of the hot range, closed loop, alone; calls a second.
  double asked = 0;     // Calls a second that its clients were to send; 0: closed loop.
  Driven driven;
  NearResult alone;
  NearResult beside;
  uint64_t leaders_changed = 0;  // Becoming leader or losing a lease, from `alone` to the end.
  double others_share = 0;       // Of the processors, taken by other processes while driven.
};

// The clients of the hot range, as a process: `arguments` are what RunNeighbour gives it.
int DriveHot(const std::vector<std::string>& arguments);

// Prints each row when it is done.
std::vector<NeighbourRow> RunNeighbour(const NeighbourOptions& options);

// Two lines for each row (gets and sets of the near range).
std::string NeighbourTable(const std::vector<NeighbourRow>& rows);

}  // namespace rasputin::neighbour

#endif  // RASPUTIN_TESTS_NEIGHBOUR_NEIGHBOUR_H_
