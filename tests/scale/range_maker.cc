// See range_maker.h.
//
// The work halves itself: the range of numbers [first, end) is split in the middle, and then both
// halves are work for any caller. So no two splits under way are of the same range.

#include "tests/scale/range_maker.h"

#include <glog/logging.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "client/endpoints.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"

namespace rasputin::scale {
namespace {

using admin::v1::ClusterService;
using std::chrono::system_clock;

constexpr auto kPatience = std::chrono::minutes(1);

// Repeats a call until it succeeds.
template <typename Call>
void Insist(const char* what, const Call& call) {
  const auto deadline = system_clock::now() + kPatience;
  grpc::Status status;
  do {
    grpc::ClientContext context;
    context.set_deadline(system_clock::now() + std::chrono::seconds(20));
    status = call(&context);
    if (status.ok()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (system_clock::now() < deadline);
  LOG(FATAL) << what << ": " << status.error_message();
}

class Maker {
 public:
  explicit Maker(process::ServerCluster* cluster) {
    for (const std::string& address : cluster->ClientAddresses()) {
      stubs_.push_back(ClusterService::NewStub(client::NewChannel(address)));
    }
  }

  // Returns the range behind the key.
  type::v1::RangeDescriptor SplitAt(size_t node, int number) {
    admin::v1::SplitRangeRequest request;
    request.set_split_key(KeyInRange(number));
    admin::v1::SplitRangeResponse response;
    Insist("SplitRange", [&](grpc::ClientContext* context) {
      return stubs_[node]->SplitRange(context, request, &response);
    });
    return response.right();
  }

  void Transfer(uint64_t range_id, uint64_t store) {
    admin::v1::TransferLeaseRequest request;
    request.set_range_id(range_id);
    request.set_target_store_id(store);
    admin::v1::TransferLeaseResponse response;
    Insist("TransferLease", [&](grpc::ClientContext* context) {
      return stubs_[0]->TransferLease(context, request, &response);
    });
  }

  // Splits all of the parts.
  void Run(std::deque<std::pair<int, int>> parts, int callers) {
    parts_ = std::move(parts);
    std::vector<std::thread> threads;
    for (int caller = 0; caller < callers; ++caller) {
      threads.emplace_back([this, node = static_cast<size_t>(caller) % stubs_.size()] {
        while (const auto part = Take()) {
          const int middle = part->first + (part->second - part->first) / 2;
          SplitAt(node, middle);
          Give(part->first, middle);
          Give(middle, part->second);
          Finish();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  // Null: nothing is left, and nothing will come.
  std::unique_ptr<std::pair<int, int>> Take() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !parts_.empty() || under_way_ == 0; });
    if (parts_.empty()) return nullptr;
    auto part = std::make_unique<std::pair<int, int>>(parts_.front());
    parts_.pop_front();
    ++under_way_;
    return part;
  }

  void Give(int first, int end) {
    if (end - first < 2) return;
    std::lock_guard<std::mutex> lock(mutex_);
    parts_.emplace_back(first, end);
    changed_.notify_one();
  }

  void Finish() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--under_way_ == 0) changed_.notify_all();
  }

  std::vector<std::unique_ptr<ClusterService::Stub>> stubs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<int, int>> parts_;  // Numbers [first, end), at least two.
  int under_way_ = 0;
};

}  // namespace

std::string KeyInRange(int number) { return absl::StrFormat("key-%07d", number); }

void MakeRanges(process::ServerCluster* cluster, int ranges, int callers) {
  Maker maker(cluster);
  std::deque<std::pair<int, int>> parts;
  const int nodes = cluster->nodes();
  int end = ranges;
  // From behind, since the right half of a split is the one that is told about.
  for (int node = nodes; node-- > 1;) {
    const int first = ranges * node / nodes;
    const type::v1::RangeDescriptor range = maker.SplitAt(0, first);
    maker.Transfer(range.range_id(), static_cast<uint64_t>(node) + 1);
    if (end - first >= 2) parts.emplace_back(first, end);
    end = first;
  }
  parts.emplace_back(0, end);
  maker.Run(std::move(parts), callers);
}

}  // namespace rasputin::scale
