// Delivery, loss and delay; see network.h.

#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace rasputin::sim {

Network::Network(Scheduler* scheduler, const Random& random, int endpoints)
    : scheduler_(scheduler),
      random_(random),
      endpoints_(endpoints),
      links_(static_cast<size_t>(endpoints) * static_cast<size_t>(endpoints)) {}

void Network::SetBehaviour(const LinkBehaviour& behaviour) {
  for (Link& link : links_) link.behaviour = behaviour;
}

void Network::SetBehaviour(int from, int to, const LinkBehaviour& behaviour) {
  link(from, to).behaviour = behaviour;
}

void Network::CutBoth(int a, int b) {
  Cut(a, b);
  Cut(b, a);
}

void Network::HealBoth(int a, int b) {
  Heal(a, b);
  Heal(b, a);
}

void Network::HealAll() {
  for (Link& link : links_) {
    link.is_cut = false;
    link.last_arrival = 0;
  }
}

void Network::Send(int from, int to, const char* label, bool may_repeat,
                   std::function<void()> deliver) {
  ++stats_.sent;
  const Link& the_link = link(from, to);
  if (the_link.is_cut) {
    ++stats_.cut;
    return;
  }
  if (the_link.behaviour.loss > 0 && random_.Chance(the_link.behaviour.loss)) {
    ++stats_.lost;
    return;
  }
  if (may_repeat && the_link.behaviour.duplicate > 0 &&
      random_.Chance(the_link.behaviour.duplicate)) {
    ++stats_.duplicated;
    SendOnce(from, to, label, deliver);
  }
  SendOnce(from, to, label, std::move(deliver));
}

void Network::SendOnce(int from, int to, const char* label, std::function<void()> deliver) {
  Link& the_link = link(from, to);
  const LinkBehaviour& behaviour = the_link.behaviour;
  RealTime delay = behaviour.delay_min + random_.ExponentialNs(behaviour.delay_mean_extra);
  if (behaviour.tail_chance > 0 && random_.Chance(behaviour.tail_chance)) {
    delay += random_.ExponentialNs(behaviour.tail_mean);
  }
  RealTime arrival = scheduler_->now() + delay;
  if (behaviour.in_order) arrival = std::max(arrival, the_link.last_arrival);
  the_link.last_arrival = std::max(the_link.last_arrival, arrival);
  scheduler_->At(arrival, label, static_cast<uint64_t>(from * endpoints_ + to), std::move(deliver));
}

}  // namespace rasputin::sim
