// Looks at a cluster from outside as an operator would: ranges, their leaders, decisions.
//
// One connection to each node; what does not answer within two seconds is left out. Not
// thread-safe.

#ifndef RASPUTIN_TESTS_GROWTH_OBSERVER_H_
#define RASPUTIN_TESTS_GROWTH_OBSERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rasputin/admin/v1/admin.grpc.pb.h"

namespace rasputin::growth {

struct Sight {
  size_t ranges = 0;  // Without the meta range; 0: nobody answered.
  std::map<uint64_t, size_t> leaders;
};

class Observer {
 public:
  explicit Observer(const std::vector<std::string>& endpoints);

  Sight Look();
  // Decisions that were not seen before, oldest first, each in a line with its reason.
  std::vector<std::string> TakeNewDecisions();

 private:
  bool AddPage(std::string* from_key, Sight* sight);

  std::vector<std::unique_ptr<admin::v1::DirectoryService::Stub>> directories_;
  std::vector<std::unique_ptr<admin::v1::ClusterService::Stub>> clusters_;
  std::set<std::string> seen_;
};

}  // namespace rasputin::growth

#endif  // RASPUTIN_TESTS_GROWTH_OBSERVER_H_
