// See clusters.h. Both build their messages with protobuf, so that the work per operation compares.

#include "client/bench/clusters.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/bench/load.h"
#include "client/route/full_key.h"
#include "client/route/router.h"
#include "etcd/etcd.pb.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::client {
namespace {

constexpr std::chrono::seconds kResolvePatience(10);

template <typename Message>
bool Parse(Message* message, const char* data, size_t size) {
  return message->ParseFromArray(data, static_cast<int>(size));
}

class Rasputin : public Cluster {
 public:
  Rasputin(const WorkloadOptions& options, const std::vector<std::string>& endpoints)
      : options_(options), endpoints_(endpoints), admin_(ClientOptionsFor(endpoints)) {}

  std::string name() const override { return "rasputin"; }

  absl::StatusOr<RouteTable> Resolve() override {
    RouteTable table;
    if (options_.any_node) {
      table.addresses = endpoints_;
      return table;
    }
    const auto stores = admin_.ListStores();
    if (!stores.ok()) return stores.status();
    std::map<uint64_t, uint16_t> place_of_store;
    for (const type::v1::StoreDescriptor& store : stores->stores()) {
      place_of_store[store.store_id()] = static_cast<uint16_t>(table.addresses.size());
      table.addresses.push_back(store.client_address());
    }
    const auto routes = admin_.ListRanges(options_.collection);
    if (!routes.ok()) return routes.status();
    Router router;
    for (const admin::v1::RangeRoute& route : *routes) {
      router.Learn(route.range());
      router.LearnLeader(route.range().range_id(), route.leader_store_id());
    }
    const uint64_t collection_id = routes->empty() ? 0 : routes->front().range().collection_id();
    table.address_of_key.reserve(options_.keys);
    for (uint64_t i = 0; i < options_.keys; ++i) {
      const type::v1::RangeDescriptor* range = router.Locate(FullKey(collection_id, BenchKey(i)));
      const auto place =
          place_of_store.find(range == nullptr ? 0 : router.Leader(range->range_id()));
      table.address_of_key.push_back(place == place_of_store.end() ? 0 : place->second);
    }
    return table;
  }

  const std::string& Method(BenchOperation operation) const override {
    return operation == BenchOperation::kGet   ? get_method_
           : operation == BenchOperation::kSet ? set_method_
                                               : cas_method_;
  }

  std::string Encode(BenchOperation operation, uint64_t key_index) const override {
    switch (operation) {
      case BenchOperation::kGet: {
        kv::v1::GetRequest request;
        request.set_collection(options_.collection);
        request.set_key(BenchKey(key_index));
        return request.SerializeAsString();
      }
      case BenchOperation::kSet: {
        kv::v1::SetRequest request;
        request.set_collection(options_.collection);
        request.set_key(BenchKey(key_index));
        request.set_value(BenchValue(key_index, options_.value_bytes));
        return request.SerializeAsString();
      }
      case BenchOperation::kCas: {
        kv::v1::CasRequest request;
        request.set_collection(options_.collection);
        request.set_key(BenchKey(key_index));
        request.set_value(BenchValue(key_index, options_.value_bytes));
        request.set_expected_value(request.value());
        return request.SerializeAsString();
      }
    }
    return "";
  }

  std::string Check(BenchOperation operation, const char* data, size_t size) const override {
    if (operation == BenchOperation::kGet) {
      kv::v1::GetResponse response;
      if (!Parse(&response, data, size)) return "a response that is no GetResponse";
      if (!response.found()) return "a key was not found";
      return response.value().size() == options_.value_bytes ? "" : "a value of another size";
    }
    if (operation == BenchOperation::kSet) {
      kv::v1::SetResponse response;
      return Parse(&response, data, size) ? "" : "a response that is no SetResponse";
    }
    kv::v1::CasResponse response;
    if (!Parse(&response, data, size)) return "a response that is no CasResponse";
    return response.success() ? "" : "a cas did not find the value that was loaded";
  }

 private:
  static ClientOptions ClientOptionsFor(const std::vector<std::string>& endpoints) {
    ClientOptions options;
    options.endpoints = endpoints;
    options.deadline = kResolvePatience;
    return options;
  }

  const WorkloadOptions options_;
  const std::vector<std::string> endpoints_;
  Admin admin_;
  const std::string get_method_ = "/rasputin.kv.v1.KvService/Get";
  const std::string set_method_ = "/rasputin.kv.v1.KvService/Set";
  const std::string cas_method_ = "/rasputin.kv.v1.KvService/Cas";
};

class Etcd : public Cluster {
 public:
  Etcd(const WorkloadOptions& options, const std::vector<std::string>& endpoints)
      : options_(options), endpoints_(endpoints) {}

  std::string name() const override { return "etcd"; }

  absl::StatusOr<RouteTable> Resolve() override {
    RouteTable table;
    table.addresses = endpoints_;
    if (options_.any_node) return table;
    absl::Status last = absl::UnavailableError("no etcd member says that it leads");
    for (size_t i = 0; i < endpoints_.size(); ++i) {
      const absl::StatusOr<std::string> answer =
          CallOnce(endpoints_[i], "/etcdserverpb.Maintenance/Status", "", kResolvePatience);
      if (!answer.ok()) {
        last = answer.status();
        continue;
      }
      etcd::StatusResponse status;
      if (!status.ParseFromString(*answer)) {
        return absl::InternalError(absl::StrCat(endpoints_[i], " does not answer like etcd"));
      }
      if (status.leader() == 0 || status.leader() != status.header().member_id()) continue;
      table.address_of_key.assign(options_.keys, static_cast<uint16_t>(i));
      return table;
    }
    return absl::UnavailableError(
        absl::StrCat("the leader is not among the members given with --etcd: ", last.message()));
  }

  const std::string& Method(BenchOperation operation) const override {
    return operation == BenchOperation::kGet   ? get_method_
           : operation == BenchOperation::kSet ? set_method_
                                               : cas_method_;
  }

  std::string Encode(BenchOperation operation, uint64_t key_index) const override {
    if (operation == BenchOperation::kGet) {
      etcd::RangeRequest request;
      request.set_key(BenchKey(key_index));
      return request.SerializeAsString();
    }
    etcd::PutRequest put;
    put.set_key(BenchKey(key_index));
    put.set_value(BenchValue(key_index, options_.value_bytes));
    if (operation == BenchOperation::kSet) return put.SerializeAsString();
    constexpr int kValueTarget = 3;
    etcd::TxnRequest request;
    etcd::Compare* compare = request.add_compare();
    compare->set_target(kValueTarget);
    compare->set_key(put.key());
    compare->set_value(put.value());
    request.add_failure()->mutable_request_range()->set_key(put.key());
    *request.add_success()->mutable_request_put() = std::move(put);
    return request.SerializeAsString();
  }

  std::string Check(BenchOperation operation, const char* data, size_t size) const override {
    if (operation == BenchOperation::kGet) {
      etcd::RangeResponse response;
      if (!Parse(&response, data, size)) return "a response that is no RangeResponse";
      if (response.kvs_size() != 1) return "a key was not found";
      return response.kvs(0).value().size() == options_.value_bytes ? ""
                                                                    : "a value of another size";
    }
    if (operation == BenchOperation::kSet) return "";
    etcd::TxnResponse response;
    if (!Parse(&response, data, size)) return "a response that is no TxnResponse";
    return response.succeeded() ? "" : "a txn did not find the value that was loaded";
  }

 private:
  const WorkloadOptions options_;
  const std::vector<std::string> endpoints_;
  const std::string get_method_ = "/etcdserverpb.KV/Range";
  const std::string set_method_ = "/etcdserverpb.KV/Put";
  const std::string cas_method_ = "/etcdserverpb.KV/Txn";
};

}  // namespace

std::unique_ptr<Cluster> RasputinCluster(const WorkloadOptions& options,
                                         const std::vector<std::string>& endpoints) {
  return std::make_unique<Rasputin>(options, endpoints);
}

std::unique_ptr<Cluster> EtcdCluster(const WorkloadOptions& options,
                                     const std::vector<std::string>& endpoints) {
  return std::make_unique<Etcd>(options, endpoints);
}

}  // namespace rasputin::client
