// The front end's access to the meta range: lookups of ranges and collections, commands, ids.
//
// Fills the route cache from what it reads. Lookups of ranges, and of one collection, that are
// asked for while one is under way share its answer: of ten thousand clients that start at once the
// meta range sees one. Each of them waits until its own deadline, through several reads if need be.
// The meta range's own place comes from the store's bootstrap record and is then learnt like any
// other. Not responsible for keeping the directory up to date (upkeep.h). Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_DIRECTORY_H_
#define RASPUTIN_SERVER_FRONT_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/route/router.h"
#include "rasputin/storage/v1/storage.pb.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class Directory {
 public:
  using Collection = type::v1::Collection;
  using QueryDone = std::function<void(const ClockReading& now, RangeAnswer answer,
                                       storage::v1::MetaQueryResult result)>;
  using CommandDone = std::function<void(const ClockReading& now, RangeAnswer answer,
                                         storage::v1::MetaResult result)>;
  // `answer.response.outcome` is kOk exactly if the other argument is meaningful.
  using CollectionDone =
      std::function<void(const ClockReading& now, RangeAnswer answer, Collection collection)>;
  using RangeDone = std::function<void(const ClockReading& now, RangeAnswer answer,
                                       range::RangeDescriptor range)>;
  using IdDone = std::function<void(const ClockReading& now, RangeAnswer answer, uint64_t id)>;
  using StoresDone = std::function<void(const ClockReading& now, RangeAnswer answer,
                                        std::vector<type::v1::StoreDescriptor> stores)>;
  using CollectionsDone = std::function<void(const ClockReading& now, RangeAnswer answer,
                                             std::vector<Collection> collections)>;
  struct RangeWalk {
    std::string from;  // Full key.
    // The whole walk ends at the first, each of its reads after the second.
    Instant deadline = Instant::max();
    Duration read_duration = std::chrono::hours(1);
    // False: the walk is over, and `done` is not called.
    std::function<bool(const ClockReading& now, const storage::v1::MetaQueryResult& page)> page;
    // After the last page, or the first read that failed.
    std::function<void(const ClockReading& now, RangeAnswer answer)> done;
  };

  // Learns the bootstrap record and the book, which may be empty and is newer if it is not, and
  // serves the dispatcher's lookups from here on.
  Directory(const storage::v1::StoreManifest& manifest, const storage::v1::StoreBook& book,
            Dispatcher* dispatcher, client::Router* router, FrontCounters* counters);

  // One read of the meta range; linearizable. Learns what it brings.
  void Query(const ClockReading& now, const storage::v1::MetaQuery& query, Instant deadline,
             QueryDone done);
  // One command to the meta range. `repeatable`: a repetition changes nothing.
  void Command(const ClockReading& now, const storage::v1::MetaCommand& command, bool repeatable,
               Instant deadline, CommandDone done);

  // The list of stores, and all collections, by id; read page by page, however many there are. Rows
  // that change meanwhile are as before or as after that.
  void ReadStores(const ClockReading& now, Instant deadline, StoresDone done);
  void ReadCollections(const ClockReading& now, Instant deadline, CollectionsDone done);
  // Ranges that end beyond a key, in key order, page by page. Of ranges that change meanwhile both
  // states may be seen.
  void WalkRanges(const ClockReading& now, RangeWalk walk);
  // Of a page of ranges: the full key to go on from; empty: it was the last one.
  static std::string NextKey(const storage::v1::MetaQueryResult& page);

  // Takes over what a read brought: ranges, stores, collections.
  void Learn(const storage::v1::MetaQueryResult& result);

  // The collection of this name (empty: `default`), from the cache or the meta range. NOT_FOUND if
  // there is none or it is being dropped, FAILED_PRECONDITION if its creation has not been
  // finished; in the last two cases it is told all the same. Calls back before it returns if the
  // cache knows.
  void FindCollection(const ClockReading& now, const std::string& name, Instant deadline,
                      CollectionDone done);
  // The same, always from the meta range.
  void ReadCollection(const ClockReading& now, const std::string& name, Instant deadline,
                      CollectionDone done);
  // The range that holds a full key, from the cache or the meta range.
  void FindRange(const ClockReading& now, const std::string& full_key, Instant deadline,
                 RangeDone done);
  // The range of this id, from the cache, else by walking the directory. NOT_FOUND if there is
  // none.
  void FindRangeById(const ClockReading& now, uint64_t range_id, Instant deadline, RangeDone done);
  // The meta range, as new as it is known here.
  const range::RangeDescriptor& MetaRange();
  // A range id that nobody else gets, out of a block taken from the meta range.
  void AllocateRangeId(const ClockReading& now, Instant deadline, IdDone done);

 private:
  // `range` is null if there is none, or none was told of.
  using LookedUp = std::function<void(const ClockReading& now, const RangeAnswer& answer,
                                      const range::RangeDescriptor* range)>;
  struct Waiting {
    std::string full_key;
    Instant deadline;
    LookedUp done;
  };
  struct Sharing {
    Instant deadline;
    CollectionDone done;
  };

  // `done` is told of a failure by the first shared read that ends in one at the deadline or later,
  // or was refused.
  void LookUp(const ClockReading& now, const std::string& full_key, Instant deadline,
              LookedUp done);
  void StartLookup(const ClockReading& now, const std::string& full_key);
  // Reads the collection for whoever shares the read of this name.
  void ShareRead(const ClockReading& now, const std::string& name, Sharing caller);
  // The same call that is answered with an error at its deadline, if nothing came before.
  template <typename Value>
  std::function<void(const ClockReading&, RangeAnswer, Value)> Until(
      const ClockReading& now, Instant deadline,
      std::function<void(const ClockReading&, RangeAnswer, Value)> done);
  template <typename Row>
  void ReadRows(const ClockReading& now, std::vector<Row> read, Instant deadline,
                std::function<void(const ClockReading&, RangeAnswer, std::vector<Row>)> done);
  void WalkOn(const ClockReading& now, std::shared_ptr<RangeWalk> walk);
  // The route to the meta range is always there, and as new as it ever was.
  void EnsureMeta();

  range::RangeDescriptor meta_range_;
  Dispatcher* const dispatcher_;
  client::Router* const router_;
  FrontCounters* const counters_;
  std::vector<Waiting> waiting_;
  bool lookup_under_way_ = false;
  std::map<std::string, std::vector<Sharing>> reading_;  // By name.
  uint64_t next_range_id_ = 0;  // Of the block; none left if equal to the end.
  uint64_t range_ids_end_ = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_DIRECTORY_H_
