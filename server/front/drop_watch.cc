// See drop_watch.h.

#include "server/front/drop_watch.h"

#include <utility>

#include "client/route/full_key.h"

namespace rasputin::server {

using range::Outcome;

namespace {

constexpr Duration kPeriod = std::chrono::seconds(10);
// From the look that found it: whoever has begun it has ended by then.
constexpr Duration kDropAfter = std::chrono::seconds(80);
constexpr Duration kDropDuration = std::chrono::seconds(60);
constexpr Duration kReadDuration = std::chrono::seconds(10);

}  // namespace

DropWatch::DropWatch(Directory* directory, Dispatcher* dispatcher, CollectionDropper* dropper)
    : directory_(directory), dispatcher_(dispatcher), dropper_(dropper) {}

void DropWatch::OnLeader(RangeId range, StoreId leader) {
  if (range.value() == client::kMetaRangeId) leads_ = leader == dispatcher_->self();
}

bool DropWatch::Run(const ClockReading& now) {
  if (!HasWork()) return false;
  in_charge_ = leads_;
  ++term_;
  due_.clear();
  goes_on_ = false;
  if (in_charge_) LookLater(now);
  return true;
}

void DropWatch::LookLater(const ClockReading& now) {
  dispatcher_->After(now, kPeriod, [this, term = term_](const ClockReading& when) {
    if (term == term_ && in_charge_) Look(when);
  });
}

void DropWatch::Look(const ClockReading& now) {
  directory_->ReadCollections(
      now, now.boot + kReadDuration,
      [this, term = term_](const ClockReading& when, const RangeAnswer& answer,
                           const std::vector<type::v1::Collection>& collections) {
        if (term != term_ || !in_charge_) return;
        if (answer.response.outcome == Outcome::kOk) GoOn(when, collections);
        LookLater(when);
      });
}

// By id: the name may be another collection's by the time the range is asked.
void DropWatch::GoOn(const ClockReading& now,
                     const std::vector<type::v1::Collection>& collections) {
  std::map<uint64_t, Instant> due;
  for (const type::v1::Collection& one : collections) {
    if (!one.dropping()) continue;
    const uint64_t id = one.id();
    const auto known = due_.find(id);
    const Instant at = known == due_.end() ? now.boot + kDropAfter : known->second;
    due[id] = at;
    if (now.boot < at || goes_on_) continue;
    due[id] = now.boot + kDropAfter;
    goes_on_ = true;
    dropper_->GoOnWith(now, id, now.boot + kDropDuration,
                       [this, term = term_](const ClockReading&, const RangeAnswer&, uint64_t) {
                         if (term == term_) goes_on_ = false;
                       });
  }
  due_ = std::move(due);
}

}  // namespace rasputin::server
