// See heaviest.h.

#include "server/front/heaviest.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace rasputin::server {
namespace {

// Entries of those who were told again and again may be so many times those of all at first, and
// then the heap is built anew.
constexpr size_t kGrowthMax = 4;
constexpr size_t kEntriesMin = 1024;

bool Lighter(const Heaviest::Entry& a, const Heaviest::Entry& b) {
  return std::tie(a.holds, a.id) < std::tie(b.holds, b.id);
}

}  // namespace

void Heaviest::Build(std::vector<Entry> all) {
  heap_ = std::move(all);
  std::make_heap(heap_.begin(), heap_.end(), Lighter);
  entries_max_ = kGrowthMax * heap_.size() + kEntriesMin;
  built_ = true;
}

void Heaviest::Raise(uint64_t id, uint64_t holds) {
  if (!built_) return;
  Push({holds, id});
  if (heap_.size() > entries_max_) Clear();
}

void Heaviest::Clear() {
  built_ = false;
  heap_.clear();
}

void Heaviest::Push(Entry entry) {
  heap_.push_back(entry);
  std::push_heap(heap_.begin(), heap_.end(), Lighter);
}

void Heaviest::Pop() {
  std::pop_heap(heap_.begin(), heap_.end(), Lighter);
  heap_.pop_back();
}

}  // namespace rasputin::server
