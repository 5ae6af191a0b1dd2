// Who of many holds the most: nothing while nobody asks, cheap while somebody asks again and again.
//
// A heap that is built when it is asked for first. Who gets more is told (Raise); who holds less is
// found out when it comes to the top. Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_HEAVIEST_H_
#define RASPUTIN_SERVER_FRONT_HEAVIEST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rasputin::server {

class Heaviest {
 public:
  struct Entry {
    uint64_t holds = 0;
    uint64_t id = 0;
  };

  bool built() const { return built_; }
  // Everybody who holds anything.
  void Build(std::vector<Entry> all);
  // `id` holds more than before. Without effect unless it is built.
  void Raise(uint64_t id, uint64_t holds);
  // Of those who hold the most, the one with the highest id; holds 0: nobody holds anything.
  // `holds_now`: by id.
  template <typename HoldsNow>
  Entry Top(const HoldsNow& holds_now) {
    while (!heap_.empty()) {
      Entry top = heap_.front();
      const uint64_t now = holds_now(top.id);
      if (now == top.holds) return top;
      Pop();
      // Who holds more now has been told, and has another entry.
      if (now > 0 && now < top.holds) Push({now, top.id});
    }
    return Entry();
  }
  // Nobody asks any more.
  void Clear();

 private:
  void Push(Entry entry);
  void Pop();

  bool built_ = false;
  size_t entries_max_ = 0;
  std::vector<Entry> heap_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_HEAVIEST_H_
