// Packing of the pairs into words; see pair_leases.h.

#include "consensus/model/pair_leases.h"

#include <glog/logging.h>

namespace rasputin::consensus::model {
namespace {

constexpr unsigned kPairBits = 10;
constexpr unsigned kViewBits = 7;

// The place of one of the two others in what is packed for `self`.
size_t PlaceOf(size_t self, size_t other) { return other < self ? other : other - 1; }

unsigned ShiftOf(size_t holder, size_t grantor) {
  CHECK_NE(holder, grantor);
  return kPairBits * static_cast<unsigned>(holder * 2 + PlaceOf(holder, grantor));
}

uint32_t ViewPart(uint32_t view, size_t self, size_t other) {
  return view >> (kViewBits * static_cast<unsigned>(PlaceOf(self, other)));
}

}  // namespace

PairLeases::PairLeases() {
  for (size_t holder = 0; holder < kReplicas; ++holder) {
    for (size_t grantor = 0; grantor < kReplicas; ++grantor) {
      if (holder != grantor) Set(holder, grantor, PairLease());
    }
  }
}

PairLease PairLeases::Get(size_t holder, size_t grantor) const {
  const uint64_t bits = word_ >> ShiftOf(holder, grantor);
  return {bits & 7, (bits >> 3) & 7, (bits >> 6) & 7, ((bits >> 9) & 1) != 0};
}

void PairLeases::Set(size_t holder, size_t grantor, const PairLease& pair) {
  CHECK(pair.lowest < 8 && pair.heard < 8 && pair.asks_from < 8) << "an epoch beyond the packing";
  const unsigned shift = ShiftOf(holder, grantor);
  const uint64_t bits =
      pair.lowest | (pair.heard << 3) | (pair.asks_from << 6) | (pair.held ? 512ULL : 0ULL);
  word_ = (word_ & ~(uint64_t{1023} << shift)) | (bits << shift);
}

uint32_t PairLeases::ViewOf(size_t replica) const {
  uint32_t view = 0;
  for (size_t other = 0; other < kReplicas; ++other) {
    if (other == replica) continue;
    const PairLease own = Get(replica, other);
    const auto part =
        static_cast<uint32_t>(own.heard | (own.held ? 8 : 0) | (Get(other, replica).lowest << 4));
    view |= part << (kViewBits * static_cast<unsigned>(PlaceOf(replica, other)));
  }
  return view;
}

PairLeases PairLeases::Renamed(const StateBytes::Names& names) const {
  PairLeases renamed(0);
  for (size_t holder = 0; holder < kReplicas; ++holder) {
    for (size_t grantor = 0; grantor < kReplicas; ++grantor) {
      if (holder == grantor) continue;
      const uint64_t bits = (word_ >> ShiftOf(holder, grantor)) & 1023;
      renamed.word_ |= bits << ShiftOf(names[holder] - 1u, names[grantor] - 1u);
    }
  }
  return renamed;
}

uint64_t LowestInView(uint32_t view, size_t self, size_t leader) {
  return self == leader ? 1 : (ViewPart(view, self, leader) >> 4) & 7;
}

Support ModelLeases::SupportFrom(StoreId peer) const {
  const size_t other = peer.value() - 101;
  if (other == self_) return {Epoch(1), {Instant::max(), Instant::max()}};
  const uint32_t part = ViewPart(view_, self_, other);
  const Instant until = (part & 8) != 0 ? Instant::max() : Instant::min();
  return {Epoch(part & 7), {until, until}};
}

Epoch ModelLeases::OwnEpoch(StoreId peer) const {
  const size_t other = peer.value() - 101;
  return other == self_ ? Epoch(1) : Epoch(ViewPart(view_, self_, other) & 7);
}

Epoch ModelLeases::LowestAccepted(StoreId leader_store) const {
  return Epoch(LowestInView(view_, self_, leader_store.value() - 101));
}

bool ModelLeases::MayVote(const ClockReading& /*now*/) const { return true; }

}  // namespace rasputin::consensus::model
