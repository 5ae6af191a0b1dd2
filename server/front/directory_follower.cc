// Reading the feed of changes; see directory_follower.h. Not thread-safe.
//
// While everything is read afresh, pages may be of different times. That does no harm: the number
// to go on with is as of before the first page, so that whatever changed meanwhile is told again.

#include "server/front/directory_follower.h"

#include <algorithm>
#include <utility>

namespace rasputin::server {

using range::Outcome;

namespace {

constexpr uint32_t kRowsPerRead = 1000;
constexpr Duration kReadDuration = std::chrono::seconds(5);
constexpr int kPeriodsMax = 4;

// Up to a tenth more, so that nodes that started together do not read together for good.
Duration WithJitter(Duration wait, uint64_t seed) {
  seed = (seed + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  seed = (seed ^ (seed >> 31)) * 0x94d049bb133111eb;
  return wait + Duration(wait.count() / 10 * static_cast<int64_t>((seed >> 40) % 1000) / 1000);
}

}  // namespace

DirectoryFollower::DirectoryFollower(const FrontOptions& options, CallTable* calls,
                                     Directory* directory, Dispatcher* dispatcher,
                                     client::Router* router, const FrontCounters* counters)
    : period_(options.directory_period),
      seed_(options.seed),
      directory_(directory),
      dispatcher_(dispatcher),
      router_(router),
      counters_(counters),
      copy_([router](uint64_t range_id) { return router->Leader(range_id); }),
      follow_(calls, &copy_),
      due_(period_ > Duration::zero()),
      wait_(period_) {}

bool DirectoryFollower::Run(const ClockReading& now) {
  const bool reads = due_ && !busy_;
  if (reads) Read(now);
  return follow_.Run() || reads;
}

void DirectoryFollower::Follow(CallId id, const absl::Cord& request) {
  follow_.Start(id, request);
  // The first one does not wait for as long as it took while nobody was there.
  if (follow_.FollowerCount() == 1 && period_ > Duration::zero()) due_ = true;
}

void DirectoryFollower::Read(const ClockReading& now) {
  due_ = false;
  busy_ = true;
  ++reads_;
  storage::v1::MetaQuery query;
  query.set_changes_after(change_);
  query.set_limit(kRowsPerRead);
  directory_->Query(
      now, query, now.boot + kReadDuration,
      [this](const ClockReading& when, RangeAnswer answer, storage::v1::MetaQueryResult result) {
        OnRead(when, answer.response.outcome == Outcome::kOk, result);
      });
}

void DirectoryFollower::OnRead(const ClockReading& now, bool succeeded,
                               const storage::v1::MetaQueryResult& result) {
  if (!succeeded) return ReadAgainAfter(now, false);
  const bool news = result.last_change() != change_;
  change_ = result.last_change();
  if (result.everything()) {
    fresh_.clear();
    TakeRanges(result);
    const std::string next = Directory::NextKey(result);
    return next.empty() ? ReadStores(now) : ReadRangesFrom(now, next);
  }
  for (const uint64_t id : result.gone_range_ids()) router_->Forget(id);
  copy_.Apply(result);
  if (result.more()) return Read(now);
  ReadAgainAfter(now, news);
}

void DirectoryFollower::ReadRangesFrom(const ClockReading& now, const std::string& from) {
  Directory::RangeWalk walk;
  walk.from = from;
  walk.read_duration = kReadDuration;
  walk.page = [this](const ClockReading&, const storage::v1::MetaQueryResult& page) {
    TakeRanges(page);
    return true;
  };
  walk.done = [this](const ClockReading& when, const RangeAnswer& answer) {
    if (answer.response.outcome != Outcome::kOk) return GiveUp(when);
    ReadStores(when);
  };
  directory_->WalkRanges(now, std::move(walk));
}

void DirectoryFollower::TakeRanges(const storage::v1::MetaQueryResult& page) {
  for (const auto& range : page.ranges()) {
    type::v1::RangeDescriptor& known = fresh_[range.range_id()];
    if (known.generation() <= range.generation()) known = range;
  }
}

void DirectoryFollower::ReadStores(const ClockReading& now) {
  directory_->ReadStores(now, now.boot + kReadDuration,
                         [this](const ClockReading& when, const RangeAnswer& answer,
                                const std::vector<type::v1::StoreDescriptor>& stores) {
                           if (answer.response.outcome != Outcome::kOk) return GiveUp(when);
                           copy_.Replace(std::exchange(fresh_, {}), stores);
                           ReadCollections(when);
                         });
}

// What was missed may be the end of a collection: those that are not listed are looked up by name
// when somebody asks for them.
void DirectoryFollower::ReadCollections(const ClockReading& now) {
  directory_->ReadCollections(
      now, now.boot + kReadDuration,
      [this](const ClockReading& when, const RangeAnswer& answer,
             const std::vector<type::v1::Collection>& collections) {
        if (answer.response.outcome != Outcome::kOk) return GiveUp(when);
        router_->ForgetCollections();
        storage::v1::MetaQueryResult all;
        *all.mutable_collections() = {collections.begin(), collections.end()};
        directory_->Learn(all);
        ReadAgainAfter(when, true);
      });
}

void DirectoryFollower::GiveUp(const ClockReading& now) {
  change_ = 0;
  ReadAgainAfter(now, false);
}

void DirectoryFollower::ReadAgainAfter(const ClockReading& now, bool news) {
  busy_ = false;
  const uint64_t stale = counters_->stale_routes;
  const bool wanted = news || follow_.FollowerCount() > 0 || stale != stale_routes_seen_;
  stale_routes_seen_ = stale;
  wait_ = wanted ? period_ : std::min(wait_ * 2, period_ * kPeriodsMax);
  dispatcher_->After(now, WithJitter(wait_, seed_ ^ reads_),
                     [this, reads = reads_](const ClockReading&) { due_ |= reads == reads_; });
}

}  // namespace rasputin::server
