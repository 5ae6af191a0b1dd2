// See decision_log.h.

#include "server/front/decision_log.h"

#include <algorithm>
#include <utility>

namespace rasputin::server {
namespace {

constexpr uint64_t kRepeatMs = 60'000;

bool IsNotTaken(const type::v1::Decision& decision) {
  return decision.outcome() == type::v1::DECISION_OUTCOME_NOT_TAKEN;
}

// The reason without its figures.
std::string ShapeOf(const std::string& reason) {
  std::string shape;
  for (const char c : reason) {
    if ((c < '0' || c > '9') && c != '.' && c != ',') shape.push_back(c);
  }
  return shape;
}

}  // namespace

bool DecisionLog::Add(Decision decision) {
  decision.set_store_id(store_id_);
  if (IsNotTaken(decision)) {
    const auto same = std::find_if(newest_.begin(), newest_.end(), [&](const Decision& one) {
      return one.range_id() == decision.range_id() && one.kind() == decision.kind();
    });
    const bool told = same != newest_.end() && IsNotTaken(*same) &&
                      decision.at_ms() < same->at_ms() + kRepeatMs &&
                      ShapeOf(same->reason()) == ShapeOf(decision.reason());
    if (told) {
      Remember(decision);
      return false;
    }
  }
  Remember(decision);
  newest_.push_front(std::move(decision));
  if (newest_.size() > kNewestMax) newest_.pop_back();
  return true;
}

void DecisionLog::AddUsual(Decision decision) {
  decision.set_store_id(store_id_);
  std::deque<Decision>& usual = usual_.Touch(decision.range_id())->decisions;
  usual.assign(1, std::move(decision));
}

void DecisionLog::AddQuietly(Decision decision) {
  decision.set_store_id(store_id_);
  Remember(decision);
}

DecisionLog::OfOneRange* DecisionLog::Lately::Touch(uint64_t range_id) {
  const auto it = ranges.find(range_id);
  if (it != ranges.end()) {
    order.splice(order.begin(), order, it->second.place);
    return &it->second;
  }
  order.push_front(range_id);
  OfOneRange& added = ranges[range_id];
  added.place = order.begin();
  if (ranges.size() > kRangesMax) {
    ranges.erase(order.back());
    order.pop_back();
  }
  return &ranges.at(range_id);
}

std::vector<type::v1::Decision> DecisionLog::Lately::OfRange(uint64_t range_id) const {
  const auto it = ranges.find(range_id);
  if (it == ranges.end()) return {};
  return {it->second.decisions.begin(), it->second.decisions.end()};
}

void DecisionLog::Remember(const Decision& decision) {
  if (decision.range_id() == 0) return;
  std::deque<Decision>& decisions = decided_.Touch(decision.range_id())->decisions;
  if (IsNotTaken(decision)) {
    const auto last = std::find_if(decisions.begin(), decisions.end(), [&](const Decision& one) {
      return one.kind() == decision.kind();
    });
    if (last != decisions.end() && IsNotTaken(*last)) decisions.erase(last);
  }
  decisions.push_front(decision);
  if (decisions.size() > kOfRangeMax) decisions.pop_back();
}

std::vector<type::v1::Decision> DecisionLog::Newest(size_t max) const {
  return {newest_.begin(), newest_.begin() + static_cast<ptrdiff_t>(std::min(max, newest_.size()))};
}

std::vector<type::v1::Decision> DecisionLog::OfRange(uint64_t range_id) const {
  std::vector<Decision> decisions = decided_.OfRange(range_id);
  for (const Decision& usual : usual_.OfRange(range_id)) {
    PutNotTaken(usual, &decisions);
  }
  return decisions;
}

void DecisionLog::PutNotTaken(const Decision& decision, std::vector<Decision>* decisions) {
  const auto obsolete =
      std::remove_if(decisions->begin(), decisions->end(), [&decision](const Decision& one) {
        return IsNotTaken(one) && one.kind() == decision.kind() && one.at_ms() <= decision.at_ms();
      });
  decisions->erase(obsolete, decisions->end());
  const auto place =
      std::find_if(decisions->begin(), decisions->end(),
                   [&decision](const Decision& one) { return one.at_ms() <= decision.at_ms(); });
  decisions->insert(place, decision);
}

}  // namespace rasputin::server
