// See observer.h.

#include "tests/growth/observer.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "grpcpp/grpcpp.h"

namespace rasputin::growth {
namespace {

constexpr uint64_t kMetaRange = 1;
constexpr std::chrono::seconds kPatience(2);
constexpr uint32_t kPage = 1000;

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + kPatience);
}

// "DECISION_KIND_SPLIT" as "split".
std::string Shown(const std::string& name, const std::string& prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

}  // namespace

Observer::Observer(const std::vector<std::string>& endpoints) {
  for (const std::string& endpoint : endpoints) {
    const auto channel = grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials());
    directories_.push_back(admin::v1::DirectoryService::NewStub(channel));
    clusters_.push_back(admin::v1::ClusterService::NewStub(channel));
  }
}

bool Observer::AddPage(std::string* from_key, Sight* sight) {
  admin::v1::ListRangesRequest request;
  request.set_from_key(*from_key);
  request.set_limit(kPage);
  for (const auto& directory : directories_) {
    grpc::ClientContext context;
    SetDeadline(&context);
    admin::v1::ListRangesResponse response;
    if (!directory->ListRanges(&context, request, &response).ok()) continue;
    for (const auto& route : response.routes()) {
      if (route.range().range_id() == kMetaRange) continue;
      ++sight->ranges;
      ++sight->leaders[route.leader_store_id()];
    }
    *from_key = response.resume_key();
    return true;
  }
  return false;
}

Sight Observer::Look() {
  Sight sight;
  std::string from_key;
  do {
    if (!AddPage(&from_key, &sight)) return Sight();
  } while (!from_key.empty());
  return sight;
}

std::vector<std::string> Observer::TakeNewDecisions() {
  std::vector<std::pair<uint64_t, std::string>> found;
  for (const auto& cluster : clusters_) {
    grpc::ClientContext context;
    SetDeadline(&context);
    admin::v1::ListLoadsResponse response;
    admin::v1::ListLoadsRequest request;
    request.set_limit(1);
    if (!cluster->ListLoads(&context, request, &response).ok()) continue;
    for (const auto& decision : response.decisions()) {
      std::string text = absl::StrCat(
          Shown(type::v1::DecisionKind_Name(decision.kind()), "DECISION_KIND_"), " ",
          Shown(type::v1::DecisionOutcome_Name(decision.outcome()), "DECISION_OUTCOME_"),
          " of range ", decision.range_id(), " by store ", decision.store_id(), ": ",
          decision.reason());
      if (!seen_.insert(absl::StrCat(decision.at_ms(), " ", text)).second) continue;
      found.emplace_back(decision.at_ms(), std::move(text));
    }
    break;
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> lines;
  for (auto& [at_ms, text] : found) lines.push_back(std::move(text));
  return lines;
}

}  // namespace rasputin::growth
