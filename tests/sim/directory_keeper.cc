// Writes to and reads of the meta range; see directory_keeper.h.

#include "tests/sim/directory_keeper.h"

#include <glog/logging.h>

#include <utility>

#include "client/route/full_key.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::sim {
namespace {

constexpr RealTime kInterval = 200 * kMillisecond;

Call MetaCall(kv::Operation operation, std::string body) {
  Call call;
  call.operation = operation;
  call.body = absl::Cord(std::move(body));
  call.first_key = call.last_key = client::KeyPrefix(client::kMetaCollectionId);
  return call;
}

}  // namespace

DirectoryKeeper::DirectoryKeeper(Cluster* cluster, int endpoint, const Random& random)
    : cluster_(cluster), caller_(cluster, endpoint, random) {
  if (cluster_->options().front_ends) return;
  cluster_->AddDescriptorListener([this](int, const range::RangeDescriptor& descriptor,
                                         bool leads) { OnDescriptor(descriptor, leads); });
}

void DirectoryKeeper::Start() { Work(); }

void DirectoryKeeper::OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) {
  if (!leads) return;
  range::RangeDescriptor& pending = pending_[range::RangeId(descriptor.range_id())];
  if (pending.generation() < descriptor.generation()) pending = descriptor;
}

void DirectoryKeeper::Work() {
  cluster_->scheduler().After(kInterval, "directory", 0, [this] { Work(); });
  if (pending_.empty() || caller_.busy()) return;
  storage::v1::MetaCommand command;
  for (const auto& [range, descriptor] : pending_) {
    *command.mutable_put_ranges()->add_ranges() = descriptor;
  }
  Call call = MetaCall(kv::Operation::kMeta, command.SerializeAsString());
  caller_.Start(std::move(call), [this, command](const CallResult& result) {
    if (result.outcome != CallOutcome::kAnswered) return;
    for (const range::RangeDescriptor& written : command.put_ranges().ranges()) {
      const auto found = pending_.find(range::RangeId(written.range_id()));
      if (found == pending_.end() || found->second.generation() > written.generation()) continue;
      pending_.erase(found);
    }
  });
}

void DirectoryKeeper::ReadAll(std::function<void(std::vector<range::RangeDescriptor>)> done) {
  storage::v1::MetaQuery query;
  query.set_ranges_from("");
  query.set_limit(1000);
  Call call = MetaCall(kv::Operation::kMetaRead, query.SerializeAsString());
  call.is_read = true;
  caller_.Start(std::move(call), [done = std::move(done)](const CallResult& result) {
    std::vector<range::RangeDescriptor> ranges;
    storage::v1::MetaQueryResult answer;
    if (result.outcome == CallOutcome::kAnswered) {
      CHECK(answer.ParseFromString(std::string(result.response.body)));
      ranges.assign(answer.ranges().begin(), answer.ranges().end());
    }
    done(std::move(ranges));
  });
}

}  // namespace rasputin::sim
