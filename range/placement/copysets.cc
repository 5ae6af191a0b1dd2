// The grid and its sets; see copysets.h. Pure.

#include "range/placement/copysets.h"

#include <algorithm>
#include <map>

namespace rasputin::range {
namespace {

// The most significant level at which the stores are not all in one domain; the last one if none.
size_t SpreadLevel(const std::vector<Domains>& domains) {
  for (size_t level = 0; level < kDomainLevels; ++level) {
    for (const Domains& one : domains) {
      if (one[level] != domains.front()[level]) return level;
    }
  }
  return kDomainLevels - 1;
}

// The stores so that neighbours are in different domains while there is a choice: one of each
// domain in turn, the largest domains first.
std::vector<uint32_t> Interleave(const std::vector<uint32_t>& stores,
                                 const std::vector<Domains>& domains) {
  const size_t level = SpreadLevel(domains);
  std::map<uint32_t, std::vector<uint32_t>> by_domain;
  for (size_t i = 0; i < stores.size(); ++i) by_domain[domains[i][level]].push_back(stores[i]);
  std::vector<std::vector<uint32_t>> groups;
  for (auto& [domain, members] : by_domain) groups.push_back(std::move(members));
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::vector<uint32_t> order;
  for (size_t turn = 0; order.size() < stores.size(); ++turn) {
    for (const auto& group : groups) {
      if (turn < group.size()) order.push_back(group[turn]);
    }
  }
  return order;
}

}  // namespace

Copysets::Copysets(const std::vector<uint32_t>& stores, const std::vector<Domains>& domains,
                   uint32_t size) {
  const auto count = static_cast<uint32_t>(stores.size());
  if (size == 0 || count < size) return;
  const std::vector<uint32_t> order = Interleave(stores, domains);
  uint32_t at = 0;
  do {
    StoreSet row;
    for (uint32_t i = 0; i < size; ++i) row.push_back(order[(at + i) % count]);
    std::sort(row.begin(), row.end());
    family_.push_back(std::move(row));
    at = (at + size) % count;
  } while (at != 0);
  if (count % size != 0 || count == size) return;
  const uint32_t rows = count / size;
  for (uint32_t first = 0; first < rows; ++first) {
    StoreSet diagonal;
    for (uint32_t column = 0; column < size; ++column) {
      diagonal.push_back(order[((first + column) % rows) * size + column]);
    }
    std::sort(diagonal.begin(), diagonal.end());
    family_.push_back(std::move(diagonal));
  }
}

uint32_t Copysets::Distance(const StoreSet& set, uint32_t to) const {
  auto nearest = static_cast<uint32_t>(set.size());
  for (const StoreSet& member : family_) {
    if (!std::binary_search(member.begin(), member.end(), to)) continue;
    uint32_t missing = 0;
    for (const uint32_t store : member) {
      missing += std::binary_search(set.begin(), set.end(), store) ? 0 : 1;
    }
    nearest = std::min(nearest, missing);
  }
  return nearest;
}

}  // namespace rasputin::range
