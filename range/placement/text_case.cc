// Reading and writing of cases; see text_case.h.

#include "range/placement/text_case.h"

#include <glog/logging.h>

#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rasputin::range {
namespace {

using consensus::RangeId;
using consensus::StoreId;

struct Word {
  std::string key;
  std::string value;  // Empty without '='.
};

std::vector<Word> ReadWords(std::istringstream* line) {
  std::vector<Word> words;
  std::string one;
  while (*line >> one) {
    const size_t at = one.find('=');
    words.push_back(at == std::string::npos ? Word{one, ""}
                                            : Word{one.substr(0, at), one.substr(at + 1)});
  }
  return words;
}

PlacementStore ReadStore(const std::vector<Word>& words) {
  PlacementStore store;
  store.id = StoreId(std::stoull(words.at(0).key));
  for (size_t i = 1; i < words.size(); ++i) {
    const auto& [key, value] = words[i];
    if (key == "silent") {
      store.silent = std::chrono::seconds(std::stoll(value));
    } else if (key == "state") {
      store.state = value == "draining" ? type::v1::STORE_STATE_DRAINING
                                        : type::v1::STORE_STATE_DECOMMISSIONING;
    } else if (key == "free") {
      store.capacity_bytes = 100;
      store.available_bytes = std::stoull(value);
    } else {
      store.labels[key] = value;
    }
  }
  return store;
}

PlacementRange ReadRange(const std::vector<Word>& words) {
  PlacementRange range;
  range.id = RangeId(std::stoull(words.at(0).key));
  range.collection_id = 2;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto& [key, value] = words[i];
    if (key == "learner") {
      range.members.push_back({StoreId(std::stoull(value)), false});
    } else if (key == "learner_for") {
      range.learner_for = std::chrono::seconds(std::stoll(value));
    } else if (key == "mib") {
      range.size_bytes = std::stoull(value) << 20;
    } else if (key == "rps") {
      range.requests_per_second = std::stod(value);
    } else if (key == "cores") {
      range.cpu_cores = std::stod(value);
    } else if (key == "moved") {
      range.since_move = std::chrono::seconds(std::stoll(value));
    } else if (key == "lagging") {
      range.lagging.emplace_back(std::stoull(value));
    } else if (key == "blocked") {
      range.blocked = true;
    } else {
      const StoreId store(std::stoull(key));
      range.members.push_back({store, true});
      if (key.back() == '*') range.leader = store;
    }
  }
  return range;
}

PlacementCollection ReadCollection(const std::vector<Word>& words) {
  PlacementCollection collection;
  collection.id = std::stoull(words.at(0).key);
  for (size_t i = 1; i < words.size(); ++i) {
    const auto& [key, value] = words[i];
    if (key == "factor") {
      collection.replication_factor = static_cast<uint32_t>(std::stoul(value));
    } else {
      CHECK_EQ(key, "require");
      const size_t at = value.find(':');
      collection.required_labels[value.substr(0, at)] = value.substr(at + 1);
    }
  }
  return collection;
}

constexpr std::pair<const char*, MoveKind> kKinds[] = {{"lease", MoveKind::kTransferLease},
                                                       {"replace", MoveKind::kReplace},
                                                       {"add", MoveKind::kAdd},
                                                       {"remove", MoveKind::kRemove}};

PlacementMove ReadMove(const std::vector<Word>& words) {
  PlacementMove move;
  for (const auto& [name, kind] : kKinds) {
    if (words.at(0).key == name) move.kind = kind;
  }
  move.range = RangeId(std::stoull(words.at(1).key));
  move.from = StoreId(std::stoull(words.at(2).key));
  move.to = StoreId(std::stoull(words.at(3).key));
  return move;
}

std::string NameOf(MoveCause cause) {
  switch (cause) {
    case MoveCause::kDeadStore:
      return "dead-store";
    case MoveCause::kConstraint:
      return "constraint";
    case MoveCause::kDrain:
      return "drain";
    case MoveCause::kDecommission:
      return "decommission";
    case MoveCause::kFactor:
      return "factor";
    case MoveCause::kSpread:
      return "spread";
    case MoveCause::kLeftover:
      return "leftover";
    case MoveCause::kAlign:
      return "align";
    case MoveCause::kBalance:
      return "balance";
  }
  return "";
}

}  // namespace

PlacementSnapshot ParseSnapshot(const std::string& text) {
  PlacementSnapshot snapshot;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream in(line);
    std::string what;
    if (!(in >> what)) continue;
    const std::vector<Word> words = ReadWords(&in);
    if (what == "store") {
      snapshot.stores.push_back(ReadStore(words));
    } else if (what == "range") {
      snapshot.ranges.push_back(ReadRange(words));
    } else if (what == "collection") {
      snapshot.collections.push_back(ReadCollection(words));
    } else if (what == "pair") {
      snapshot.pairs.push_back({RangeId(std::stoull(words.at(0).key)),
                                RangeId(std::stoull(words.at(1).key)), "both are small"});
    } else {
      CHECK_EQ(what, "moving") << line;
      snapshot.under_way.push_back(ReadMove(words));
    }
  }
  return snapshot;
}

std::string PrintPlan(const PlacementPlan& plan) {
  std::string text;
  for (const PlacementMove& move : plan.moves) {
    for (const auto& [name, kind] : kKinds) {
      if (move.kind == kind) absl::StrAppend(&text, name);
    }
    absl::StrAppend(&text, " ", move.range.value(), " ");
    if (move.from.IsSet()) absl::StrAppend(&text, move.from.value());
    absl::StrAppend(&text, "->");
    if (move.to.IsSet()) absl::StrAppend(&text, move.to.value());
    absl::StrAppend(&text, " ", NameOf(move.cause), move.start ? "\n" : " later\n");
  }
  for (const StoreId store : plan.retire) absl::StrAppend(&text, "retire ", store.value(), "\n");
  return text;
}

}  // namespace rasputin::range
