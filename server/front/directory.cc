// Reads and commands of the meta range; see directory.h. Not thread-safe.
//
// The first lookup in flight serves all that queue behind it: its answer holds up to 100 ranges, so
// that a cold start costs a handful of reads, not one per request.

#include "server/front/directory.h"

#include <glog/logging.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;
using type::v1::Collection;
using type::v1::StoreDescriptor;

namespace {

constexpr uint32_t kLookupRows = 100;
constexpr uint32_t kPageRows = 1000;
constexpr uint32_t kRangeIdBlock = 1000;
constexpr char kDefaultCollection[] = "default";
constexpr size_t kCollectionNameBytesMax = 128;
// Longer than an election: a lookup serves many calls, whose own deadlines end their waiting. Who
// still has time when it has brought nothing shares the next one.
constexpr Duration kLookupDuration = std::chrono::seconds(10);
// A read that is advised to try again after its time ends at once: no advice is longer.
constexpr Duration kAdviceMax = std::chrono::seconds(1);

// A shared read took its time and brought nothing. Another one is begun only then: one that ended
// early was refused, as the next would be, and at once.
bool EndedInVain(const ClockReading& now, Instant ends, const RangeAnswer& answer) {
  return IsNotExecuted(answer.response.outcome) && now.boot + kAdviceMax >= ends;
}

template <typename Message>
absl::Cord Encode(const Message& message) {
  return absl::Cord(message.SerializeAsString());
}

template <typename Message>
Message DecodeAnswer(RangeAnswer* answer) {
  Message message;
  if (answer->response.outcome != Outcome::kOk) return message;
  if (!message.ParseFromString(std::string(answer->response.body))) {
    answer->response.outcome = Outcome::kOutcomeUnknown;
    answer->response.message = "the meta range answered with something that cannot be read";
  }
  return message;
}

const RangeDescriptor* Holding(const storage::v1::MetaQueryResult& result,
                               const std::string& full_key) {
  for (const auto& range : result.ranges()) {
    if (client::KeyInBounds(full_key, range.start_key(), range.end_key())) return &range;
  }
  return nullptr;
}

// What of the meta range is listed by id.
template <typename Row>
struct Listed;

template <>
struct Listed<StoreDescriptor> {
  static void Ask(storage::v1::MetaQuery* query) { query->set_stores(true); }
  static const auto& Rows(const storage::v1::MetaQueryResult& result) { return result.stores(); }
  static uint64_t Id(const StoreDescriptor& store) { return store.store_id(); }
};

template <>
struct Listed<Collection> {
  static void Ask(storage::v1::MetaQuery* query) { query->set_collections(true); }
  static const auto& Rows(const storage::v1::MetaQueryResult& result) {
    return result.collections();
  }
  static uint64_t Id(const Collection& collection) { return collection.id(); }
};

// A name that users gave, for a message: nothing in it can confuse a terminal.
std::string ShownName(const std::string& name) {
  if (name.size() > kCollectionNameBytesMax) {
    return absl::StrCat("with a name of ", name.size(), " bytes; names have at most ",
                        kCollectionNameBytesMax);
  }
  return absl::StrCat("'", absl::CEscape(name), "'");
}

}  // namespace

Directory::Directory(const storage::v1::StoreManifest& manifest, const storage::v1::StoreBook& book,
                     Dispatcher* dispatcher, client::Router* router, FrontCounters* counters)
    : dispatcher_(dispatcher), router_(router), counters_(counters) {
  const storage::v1::BootstrapRecord& record = manifest.bootstrap();
  for (const auto& range : record.ranges()) {
    if (range.range_id() == client::kMetaRangeId) meta_range_ = range;
    router_->Learn(range);
  }
  CHECK_EQ(meta_range_.range_id(), client::kMetaRangeId) << "the manifest names the meta range";
  for (const auto& store : record.stores()) router_->LearnStore(store);
  for (const auto& collection : record.collections()) router_->LearnCollection(collection);
  if (book.stores_size() > 0) router_->ReplaceStores({book.stores().begin(), book.stores().end()});
  if (book.meta_range().generation() > meta_range_.generation()) {
    meta_range_ = book.meta_range();
    router_->Learn(meta_range_);
  }
  dispatcher_->SetLookup(
      [this](const ClockReading& now, const std::string& full_key, Dispatcher::Found found) {
        // It asks again by itself.
        LookUp(now, full_key, Instant::min(),
               [found = std::move(found)](const ClockReading& when, const RangeAnswer&,
                                          const RangeDescriptor* range) { found(when, range); });
      });
}

void Directory::EnsureMeta() {
  const RangeDescriptor* known = router_->Find(client::kMetaRangeId);
  if (known == nullptr) {
    router_->Learn(meta_range_);
  } else if (known->generation() > meta_range_.generation()) {
    meta_range_ = *known;
  }
}

const RangeDescriptor& Directory::MetaRange() {
  EnsureMeta();
  return meta_range_;
}

void Directory::Query(const ClockReading& now, const storage::v1::MetaQuery& query,
                      Instant deadline, QueryDone done) {
  EnsureMeta();
  ++counters_->directory_reads;
  RangeCall call;
  call.operation = kv::Operation::kMetaRead;
  call.body = Encode(query);
  call.first_key = client::KeyPrefix(client::kMetaCollectionId);
  call.repeatable = true;
  call.deadline = deadline;
  dispatcher_->Send(now, std::move(call),
                    [this, done = std::move(done)](const ClockReading& when, RangeAnswer answer) {
                      auto result = DecodeAnswer<storage::v1::MetaQueryResult>(&answer);
                      Learn(result);
                      done(when, std::move(answer), std::move(result));
                    });
}

void Directory::Command(const ClockReading& now, const storage::v1::MetaCommand& command,
                        bool repeatable, Instant deadline, CommandDone done) {
  EnsureMeta();
  RangeCall call;
  call.operation = kv::Operation::kMeta;
  call.body = Encode(command);
  call.first_key = client::KeyPrefix(client::kMetaCollectionId);
  call.mutates = true;
  call.repeatable = repeatable;
  call.deadline = deadline;
  dispatcher_->Send(now, std::move(call),
                    [done = std::move(done)](const ClockReading& when, RangeAnswer answer) {
                      auto result = DecodeAnswer<storage::v1::MetaResult>(&answer);
                      done(when, std::move(answer), std::move(result));
                    });
}

void Directory::Learn(const storage::v1::MetaQueryResult& result) {
  for (const auto& range : result.ranges()) router_->Learn(range);
  for (const auto& store : result.stores()) router_->LearnStore(store);
  for (const auto& collection : result.collections()) {
    if (collection.dropping()) {
      router_->ForgetCollectionById(collection.id());
    } else if (collection.ready()) {
      router_->LearnCollection(collection);
    }
  }
}

template <typename Row>
void Directory::ReadRows(
    const ClockReading& now, std::vector<Row> read, Instant deadline,
    std::function<void(const ClockReading&, RangeAnswer, std::vector<Row>)> done) {
  storage::v1::MetaQuery query;
  Listed<Row>::Ask(&query);
  const uint64_t from = read.empty() ? 0 : Listed<Row>::Id(read.back()) + 1;
  query.set_from_id(from);
  query.set_limit(kPageRows);
  Query(now, query, deadline,
        [this, from, read = std::move(read), deadline, done = std::move(done)](
            const ClockReading& when, RangeAnswer answer,
            storage::v1::MetaQueryResult result) mutable {
          if (answer.response.outcome != Outcome::kOk) return done(when, std::move(answer), {});
          // A store of an older version answers with the first page whatever it is asked for.
          bool news = false;
          for (const Row& row : Listed<Row>::Rows(result)) {
            if (Listed<Row>::Id(row) < from) continue;
            read.push_back(row);
            news = true;
          }
          if (!result.more() || !news) return done(when, std::move(answer), std::move(read));
          ReadRows<Row>(when, std::move(read), deadline, std::move(done));
        });
}

void Directory::ReadStores(const ClockReading& now, Instant deadline, StoresDone done) {
  ReadRows<StoreDescriptor>(now, {}, deadline, std::move(done));
}

void Directory::ReadCollections(const ClockReading& now, Instant deadline, CollectionsDone done) {
  ReadRows<Collection>(now, {}, deadline, std::move(done));
}

std::string Directory::NextKey(const storage::v1::MetaQueryResult& page) {
  if (!page.more() || page.ranges_size() == 0) return "";
  return page.ranges(page.ranges_size() - 1).end_key();
}

void Directory::WalkRanges(const ClockReading& now, RangeWalk walk) {
  WalkOn(now, std::make_shared<RangeWalk>(std::move(walk)));
}

void Directory::WalkOn(const ClockReading& now, std::shared_ptr<RangeWalk> walk) {
  storage::v1::MetaQuery query;
  query.set_ranges_from(walk->from);
  query.set_limit(kPageRows);
  Query(now, query, std::min(walk->deadline, now.boot + walk->read_duration),
        [this, walk](const ClockReading& when, RangeAnswer answer,
                     storage::v1::MetaQueryResult result) {
          if (answer.response.outcome != Outcome::kOk) return walk->done(when, std::move(answer));
          if (!walk->page(when, result)) return;
          walk->from = NextKey(result);
          if (walk->from.empty()) return walk->done(when, std::move(answer));
          WalkOn(when, walk);
        });
}

template <typename Value>
std::function<void(const ClockReading&, RangeAnswer, Value)> Directory::Until(
    const ClockReading& now, Instant deadline,
    std::function<void(const ClockReading&, RangeAnswer, Value)> done) {
  auto waiting = std::make_shared<decltype(done)>(std::move(done));
  const auto answer_once = [waiting](const ClockReading& when, RangeAnswer answer, Value value) {
    if (*waiting == nullptr) return;
    std::exchange(*waiting, nullptr)(when, std::move(answer), std::move(value));
  };
  dispatcher_->After(now, deadline - now.boot, [answer_once](const ClockReading& when) {
    RangeAnswer late;
    late.response.outcome = Outcome::kNotLeader;
    late.response.message =
        "the directory (range 1) did not answer in time: it needs a majority of its stores up and "
        "connected";
    answer_once(when, std::move(late), Value());
  });
  return answer_once;
}

void Directory::LookUp(const ClockReading& now, const std::string& full_key, Instant deadline,
                       LookedUp done) {
  waiting_.push_back({full_key, deadline, std::move(done)});
  if (!lookup_under_way_) StartLookup(now, full_key);
}

void Directory::StartLookup(const ClockReading& now, const std::string& full_key) {
  lookup_under_way_ = true;
  storage::v1::MetaQuery query;
  query.set_ranges_from(full_key);
  query.set_limit(kLookupRows);
  const Instant ends = now.boot + kLookupDuration;
  Query(now, query, ends,
        [this, full_key, ends](const ClockReading& when, RangeAnswer answer,
                               storage::v1::MetaQueryResult result) {
          lookup_under_way_ = false;
          auto waiting = std::exchange(waiting_, {});
          for (Waiting& one : waiting) {
            const RangeDescriptor* known = router_->Locate(one.full_key);
            if (known == nullptr) known = Holding(result, one.full_key);
            // Keys beyond this answer are looked up next; the key asked for has had its answer.
            const bool beyond = one.full_key != full_key && answer.response.outcome == Outcome::kOk;
            const bool again = EndedInVain(when, ends, answer) && when.boot < one.deadline;
            if (known == nullptr && (beyond || again)) {
              LookUp(when, one.full_key, one.deadline, std::move(one.done));
              continue;
            }
            if (known == nullptr) {
              one.done(when, answer, nullptr);
            } else {
              const RangeDescriptor copy = *known;
              one.done(when, answer, &copy);
            }
          }
        });
}

void Directory::FindCollection(const ClockReading& now, const std::string& name, Instant deadline,
                               CollectionDone done) {
  const std::string wanted = name.empty() ? kDefaultCollection : name;
  if (const Collection* known = router_->FindCollection(wanted); known != nullptr) {
    const Collection copy = *known;
    return done(now, RangeAnswer(), copy);
  }
  ShareRead(now, wanted, {deadline, Until(now, deadline, std::move(done))});
}

void Directory::ShareRead(const ClockReading& now, const std::string& name, Sharing caller) {
  auto& sharing = reading_[name];
  sharing.push_back(std::move(caller));
  if (sharing.size() > 1) return;
  const Instant ends = now.boot + kLookupDuration;
  ReadCollection(
      now, name, ends,
      [this, name, ends](const ClockReading& when, RangeAnswer answer, Collection found) {
        auto shared = reading_.extract(name);
        const bool in_vain = EndedInVain(when, ends, answer);
        for (Sharing& one : shared.mapped()) {
          if (in_vain && when.boot < one.deadline) {
            ShareRead(when, name, std::move(one));
          } else {
            one.done(when, answer, found);
          }
        }
      });
}

void Directory::ReadCollection(const ClockReading& now, const std::string& name, Instant deadline,
                               CollectionDone done) {
  const std::string wanted = name.empty() ? kDefaultCollection : name;
  storage::v1::MetaQuery query;
  query.set_collection_name(wanted);
  Query(now, query, deadline,
        [done = std::move(done), shown = ShownName(wanted)](
            const ClockReading& when, RangeAnswer answer, storage::v1::MetaQueryResult result) {
          Collection collection;
          if (result.collections_size() > 0) collection = result.collections(0);
          if (answer.response.outcome != Outcome::kOk) return done(when, std::move(answer), {});
          if (collection.id() == 0) {
            answer.response.outcome = Outcome::kNotFound;
            answer.response.message = absl::StrCat("there is no collection ", shown);
          } else if (collection.dropping()) {
            answer.response.outcome = Outcome::kNotFound;
            answer.response.message = absl::StrCat("the collection ", shown, " is being dropped");
          } else if (!collection.ready()) {
            answer.response.outcome = Outcome::kFailedPrecondition;
            answer.response.message =
                "the collection is being created: wait, or create it again to finish an "
                "interrupted creation";
          }
          done(when, std::move(answer), std::move(collection));
        });
}

void Directory::FindRange(const ClockReading& now, const std::string& full_key, Instant deadline,
                          RangeDone done) {
  if (const RangeDescriptor* known = router_->Locate(full_key); known != nullptr) {
    const RangeDescriptor copy = *known;
    return done(now, RangeAnswer(), copy);
  }
  LookUp(now, full_key, deadline,
         [once = Until(now, deadline, std::move(done))](
             const ClockReading& when, RangeAnswer answer, const RangeDescriptor* range) {
           if (range != nullptr) return once(when, RangeAnswer(), *range);
           if (answer.response.outcome == Outcome::kOk) {
             answer.response.outcome = Outcome::kNotFound;
             answer.response.message = "the directory names no range for the key";
           }
           once(when, std::move(answer), {});
         });
}

void Directory::FindRangeById(const ClockReading& now, uint64_t range_id, Instant deadline,
                              RangeDone done) {
  if (const RangeDescriptor* known = router_->Find(range_id); known != nullptr) {
    const RangeDescriptor copy = *known;
    return done(now, RangeAnswer(), copy);
  }
  RangeWalk walk;
  walk.deadline = deadline;
  walk.page = [range_id, done](const ClockReading& when, const storage::v1::MetaQueryResult& page) {
    for (const auto& range : page.ranges()) {
      if (range.range_id() != range_id) continue;
      done(when, RangeAnswer(), range);
      return false;
    }
    return true;
  };
  walk.done = [range_id, done](const ClockReading& when, RangeAnswer answer) {
    if (answer.response.outcome == Outcome::kOk) {
      answer.response.outcome = Outcome::kNotFound;
      answer.response.message = absl::StrCat("there is no range ", range_id);
    }
    done(when, std::move(answer), {});
  };
  WalkRanges(now, std::move(walk));
}

void Directory::AllocateRangeId(const ClockReading& now, Instant deadline, IdDone done) {
  if (next_range_id_ < range_ids_end_) return done(now, RangeAnswer(), next_range_id_++);
  storage::v1::MetaCommand command;
  command.mutable_allocate_ids()->set_range_ids(kRangeIdBlock);
  Command(now, command, /*repeatable=*/true, deadline,
          [this, done = std::move(done)](const ClockReading& when, RangeAnswer answer,
                                         storage::v1::MetaResult result) {
            if (answer.response.outcome != Outcome::kOk) return done(when, std::move(answer), 0);
            // Of two blocks taken at the same time the later one stays; ids that are lost are never
            // used.
            next_range_id_ = result.first_id() + 1;
            range_ids_end_ = result.first_id() + kRangeIdBlock;
            done(when, std::move(answer), result.first_id());
          });
}

}  // namespace rasputin::server
