// See spread.h. Pure; a domain's full name is its labels with their lengths, so that no two differ
// by where one label ends.

#include "range/placement/spread.h"

#include "absl/strings/str_cat.h"

namespace rasputin::range {

Domains DomainTable::Number(const std::map<std::string, std::string>& labels) {
  static constexpr const char* kLevels[kDomainLevels] = {"region", "zone", "rack", "host"};
  Domains domains{};
  std::string name;
  for (size_t level = 0; level < kDomainLevels; ++level) {
    const auto label = labels.find(kLevels[level]);
    const std::string value = label == labels.end() ? std::string() : label->second;
    absl::StrAppend(&name, value.size(), ":", value, "/");
    const auto next = static_cast<uint32_t>(numbers_.size());
    domains[level] = numbers_.emplace(name, next).first->second;
  }
  return domains;
}

Collisions CountCollisions(const std::vector<Domains>& stores) {
  Collisions collisions{};
  for (size_t i = 0; i < stores.size(); ++i) {
    for (size_t j = i + 1; j < stores.size(); ++j) {
      for (size_t level = 0; level < kDomainLevels; ++level) {
        collisions[level] += stores[i][level] == stores[j][level] ? 1 : 0;
      }
    }
  }
  return collisions;
}

}  // namespace rasputin::range
