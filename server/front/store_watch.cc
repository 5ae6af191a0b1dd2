// Reading and renewing the list of stores; see store_watch.h. Not thread-safe.
//
// A store whose row is gone was taken off the list for good: it is not written again, and the meta
// range would refuse it.

#include "server/front/store_watch.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace rasputin::server {

using range::Outcome;
using type::v1::StoreDescriptor;

namespace {

constexpr Duration kReadDuration = std::chrono::seconds(5);
constexpr Duration kPauseAfterRead = std::chrono::seconds(1);

bool SaysTheSame(const StoreDescriptor& a, const StoreDescriptor& b) {
  using Labels = std::map<std::string, std::string>;
  return a.peer_address() == b.peer_address() && a.client_address() == b.client_address() &&
         Labels(a.locality().begin(), a.locality().end()) ==
             Labels(b.locality().begin(), b.locality().end());
}

}  // namespace

StoreWatch::StoreWatch(const FrontOptions& options, const storage::v1::StoreManifest& manifest,
                       StoresPort* port, Directory* directory, Dispatcher* dispatcher,
                       client::Router* router)
    : period_(options.stores_period),
      own_(options.own_store),
      cluster_id_(manifest.cluster_id()),
      port_(port),
      directory_(directory),
      dispatcher_(dispatcher),
      router_(router),
      wanted_(period_ > Duration::zero()) {}

bool StoreWatch::Run(const ClockReading& now) {
  if (!HasWork()) return false;
  wanted_ = false;
  busy_ = true;
  ++reads_;
  directory_->ReadStores(now, now.boot + kReadDuration,
                         [this](const ClockReading& when, const RangeAnswer& answer,
                                const std::vector<StoreDescriptor>& stores) {
                           OnRead(when, answer.response.outcome == Outcome::kOk, stores);
                         });
  return true;
}

void StoreWatch::OnRead(const ClockReading& now, bool succeeded,
                        const std::vector<StoreDescriptor>& stores) {
  busy_ = false;
  pausing_ = true;
  dispatcher_->After(now, kPauseAfterRead, [this](const ClockReading&) { pausing_ = false; });
  LookAfter(now, succeeded ? period_ : kPauseAfterRead);
  if (!succeeded) return;
  router_->ReplaceStores(stores);
  if (port_ != nullptr) port_->OnStores(stores, directory_->MetaRange());
  if (MustRegister(stores)) Register(now);
}

void StoreWatch::LookAfter(const ClockReading& now, Duration wait) {
  dispatcher_->After(now, wait, [this, reads = reads_](const ClockReading&) {
    if (reads == reads_) LookSoon();
  });
}

bool StoreWatch::MustRegister(const std::vector<StoreDescriptor>& stores) const {
  if (own_.store_id() == 0) return false;
  const auto row = std::find_if(stores.begin(), stores.end(), [this](const auto& store) {
    return store.store_id() == own_.store_id();
  });
  return row != stores.end() && !SaysTheSame(*row, own_);
}

void StoreWatch::Register(const ClockReading& now) {
  busy_ = true;
  storage::v1::MetaCommand command;
  *command.mutable_put_store()->mutable_store() = own_;
  command.mutable_put_store()->set_cluster_id(cluster_id_);
  directory_->Command(now, command, /*repeatable=*/true, now.boot + kReadDuration,
                      [this](const ClockReading&, RangeAnswer, storage::v1::MetaResult) {
                        busy_ = false;
                        LookSoon();
                      });
}

}  // namespace rasputin::server
