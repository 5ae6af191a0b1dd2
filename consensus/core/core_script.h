// Interpreter of the golden scripts in testdata/: verbs drive a few cores by hand, effects are
// printed.
//
// Deterministic; time moves only by verbs. The verbs are listed in testdata/README.md. Not
// thread-safe.

#ifndef RASPUTIN_CONSENSUS_CORE_CORE_SCRIPT_H_
#define RASPUTIN_CONSENSUS_CORE_CORE_SCRIPT_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "consensus/core/core.h"
#include "consensus/core/core_invariants.h"
#include "consensus/core/lone_core.h"
#include "consensus/core/vector_log.h"

namespace rasputin::consensus {

class CoreScript {
 public:
  // Runs one line, words separated by spaces; returns what it caused, one line per effect.
  std::vector<std::string> Run(const std::string& line);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Node {
    std::unique_ptr<ManualLeases> leases;
    std::unique_ptr<VectorLog> log;
    std::vector<Entry> durable_entries;
    HardState durable;
    // Where the log begins, and the configuration there; and as of what was applied.
    LogPosition start;
    Configuration start_configuration;
    Configuration configuration;
    std::unique_ptr<Core> core;
    std::unique_ptr<CoreInvariants> invariants;
    bool hold = false;
    std::vector<Ready> held;  // Not durable yet.
  };
  using Words = std::vector<std::string>;

  Node& At(const std::string& word);
  void Start(uint64_t id);
  void Settle(uint64_t id);
  void Persist(uint64_t id, const Ready& ready);
  void Queue(const std::vector<Message>& messages);
  void Print(const std::string& line) { out_.push_back(line); }

  void Cluster(const Words& words);
  void SetLog(const Words& words);
  void Wait(const Words& words);
  void Campaign(const Words& words);
  void Deliver(const Words& words, bool drop);
  void SetSupport(const Words& words);
  void Change(const Words& words);
  void CutLog(const Words& words);
  void SendSnapshot(const Words& words);
  void Apply(uint64_t id, const std::vector<Entry>& entries);
  void Status();

  uint64_t replicas_ = 0;
  std::map<uint64_t, Node> nodes_;
  ClockReading now_;
  std::vector<Message> network_;
  std::vector<std::string> out_;
  std::vector<std::string> violations_;
};

// One line; stable.
std::string ToString(const Message& message);

}  // namespace rasputin::consensus

#endif  // RASPUTIN_CONSENSUS_CORE_CORE_SCRIPT_H_
