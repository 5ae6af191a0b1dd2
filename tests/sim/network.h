// The simulated network: directed links that lose, delay, reorder, repeat and cut.
//
// Carries closures, knows nothing of what is in them; whether the receiver still lives is the
// closure's business. What is under way when a link is cut still arrives (late messages are the
// interesting ones). Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_NETWORK_H_
#define RASPUTIN_TESTS_SIM_NETWORK_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/sim/random.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

struct LinkBehaviour {
  RealTime delay_min = 50 * kMicrosecond;
  RealTime delay_mean_extra = 100 * kMicrosecond;  // Exponential, on top.
  double tail_chance = 0;                          // Of a message that takes far longer:
  RealTime tail_mean = 50 * kMillisecond;
  double loss = 0;
  double duplicate = 0;
  bool in_order = true;  // As one TCP connection; otherwise messages overtake each other.
};

class Network {
 public:
  struct Stats {
    uint64_t sent = 0;
    uint64_t lost = 0;
    uint64_t duplicated = 0;
    uint64_t cut = 0;
  };

  // Endpoints are numbered from 0.
  Network(Scheduler* scheduler, const Random& random, int endpoints);

  void SetBehaviour(const LinkBehaviour& behaviour);  // Of all links.
  void SetBehaviour(int from, int to, const LinkBehaviour& behaviour);
  const LinkBehaviour& behaviour(int from, int to) const { return link(from, to).behaviour; }

  void Cut(int from, int to) { link(from, to).is_cut = true; }
  void CutBoth(int a, int b);
  void Heal(int from, int to) { link(from, to).is_cut = false; }
  void HealBoth(int a, int b);
  // What is sent from here on does not wait for what is late already, as on new connections.
  void HealAll();
  bool IsCut(int from, int to) const { return link(from, to).is_cut; }

  // Calls `deliver` in a while, never, or (only if `may_repeat`) twice.
  void Send(int from, int to, const char* label, bool may_repeat, std::function<void()> deliver);

  const Stats& stats() const { return stats_; }

 private:
  struct Link {
    LinkBehaviour behaviour;
    bool is_cut = false;
    RealTime last_arrival = 0;
  };
  Link& link(int from, int to) { return links_[static_cast<size_t>(from * endpoints_ + to)]; }
  const Link& link(int from, int to) const {
    return links_[static_cast<size_t>(from * endpoints_ + to)];
  }
  void SendOnce(int from, int to, const char* label, std::function<void()> deliver);

  Scheduler* scheduler_;
  Random random_;
  int endpoints_;
  std::vector<Link> links_;
  Stats stats_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_NETWORK_H_
