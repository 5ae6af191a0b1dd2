// Who is asked to withdraw, what is refused, and that nothing happens without a trace.

#include "server/recovery/way_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <string>
#include <vector>

namespace rasputin::server {
namespace {

using admin::v1::WITHDRAWAL_OUTCOME_NOT_REACHED;
using admin::v1::WITHDRAWAL_OUTCOME_NOTHING_PROMISED;
using admin::v1::WITHDRAWAL_OUTCOME_REFUSED;
using admin::v1::WITHDRAWAL_OUTCOME_WITHDRAWN;
using consensus::lease::Withdrawal;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kPausesOfHalfLease = 3;

// Store 2 of 1 to 4; store 1 is the dead one.
class WayOutTest : public testing::Test {
 protected:
  WayOutTest() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }

  WayOut::Ports Ports() {
    WayOut::Ports ports;
    ports.call_peer = [this](const std::string& address, const std::string& method,
                             const google::protobuf::MessageLite&,
                             google::protobuf::MessageLite* response) -> absl::Status {
      calls_.push_back(method + " " + address);
      if (method == "Probe" && address == "s1" && dead_answers_) {
        auto* probe = static_cast<peer::v1::ProbeResponse*>(response);
        probe->set_cluster_id(42);
        probe->set_store_id(1);
        return absl::OkStatus();
      }
      if (method == "WithdrawPromises" && address == "s3") {
        static_cast<peer::v1::WithdrawPromisesResponse*>(response)->set_withdrawn(true);
        return absl::OkStatus();
      }
      return absl::UnavailableError("nobody there");
    };
    ports.other_stores = [] {
      return std::map<uint64_t, std::string>{{1, "s1"}, {3, "s3"}, {4, "s4"}};
    };
    ports.withdraw = [this](uint64_t) -> std::optional<range::Store::LeaseWithdrawal> {
      const Withdrawal outcome = outcomes_.front();
      if (outcomes_.size() > 1) outcomes_.pop_front();
      return range::Store::LeaseWithdrawal{outcome, consensus::Epoch(6)};
    };
    ports.manifest = [] {
      storage::v1::StoreManifest manifest;
      manifest.set_cluster_id(42);
      manifest.set_store_id(2);
      return std::optional<storage::v1::StoreManifest>(manifest);
    };
    ports.wall_us = [] { return int64_t{0}; };
    ports.pause = [] {};
    ports.pauses_of_half_lease = kPausesOfHalfLease;
    return ports;
  }

  absl::StatusOr<admin::v1::WithdrawPromisesResponse> Withdraw(uint64_t store, uint64_t proved) {
    admin::v1::WithdrawPromisesRequest request;
    request.set_store_id(store);
    request.set_proved_dead_store_id(proved);
    request.set_asked_by("eve@desk");
    return WayOut(directory_, Ports()).Withdraw(request);
  }

  std::vector<std::string> Trace() const { return AuditFile(directory_).Lines(); }

  std::string directory_ = testing::TempDir() + "/wayout-XXXXXX";
  bool dead_answers_ = false;
  std::deque<Withdrawal> outcomes_ = {Withdrawal::kBegun, Withdrawal::kBegun, Withdrawal::kNothing};
  std::vector<std::string> calls_;
};

TEST_F(WayOutTest, AsksEveryOtherStoreAndSaysWhatBecameOfIt) {
  const auto response = Withdraw(1, 1);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->stores_size(), 3);
  EXPECT_EQ(response->stores(0).store_id(), 2u);
  EXPECT_EQ(response->stores(0).outcome(), WITHDRAWAL_OUTCOME_WITHDRAWN);
  EXPECT_EQ(response->stores(1).outcome(), WITHDRAWAL_OUTCOME_WITHDRAWN);
  EXPECT_EQ(response->stores(2).outcome(), WITHDRAWAL_OUTCOME_NOT_REACHED);
  EXPECT_EQ(response->stores(2).message(), "nobody there");
  EXPECT_THAT(calls_, ElementsAre("Probe s1", "WithdrawPromises s3", "WithdrawPromises s4"));
}

TEST_F(WayOutTest, LeavesATraceOfTheOrderAndOfWhatBecameOfIt) {
  ASSERT_TRUE(Withdraw(1, 1).ok());
  EXPECT_THAT(Trace(), ElementsAre(HasSubstr("WITHDRAWAL ASKED FOR, of all promises to store 1, by "
                                             "eve@desk through store 2, who calls it dead"),
                                   HasSubstr("store 1 DONE: every epoch below 6")));
}

TEST_F(WayOutTest, RefusesWhereTheStoreAnswers) {
  dead_answers_ = true;
  const auto response = Withdraw(1, 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(response.status()));
  EXPECT_THAT(std::string(response.status().message()), HasSubstr("store 1 answers at s1"));
  EXPECT_THAT(Trace(), IsEmpty());
  EXPECT_THAT(calls_, SizeIs(1));
}

TEST_F(WayOutTest, ReportsARefusalOfThisStoreAndKeepsItsTrace) {
  outcomes_ = {Withdrawal::kRefused};
  const auto response = Withdraw(1, 1);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->stores(0).outcome(), WITHDRAWAL_OUTCOME_REFUSED);
  EXPECT_THAT(response->stores(0).message(), HasSubstr("store 1 asked this store for support"));
  EXPECT_THAT(Trace(), ElementsAre(HasSubstr("ASKED FOR"), HasSubstr("REFUSED, nothing happened")));
}

TEST_F(WayOutTest, WaitsHalfALeaseForAStoreThatWasHeardJustBefore) {
  outcomes_ = std::deque<Withdrawal>(kPausesOfHalfLease, Withdrawal::kRefused);
  outcomes_.push_back(Withdrawal::kBegun);
  outcomes_.push_back(Withdrawal::kNothing);
  EXPECT_EQ(Withdraw(1, 1)->stores(0).outcome(), WITHDRAWAL_OUTCOME_WITHDRAWN);
  EXPECT_THAT(Trace(), ElementsAre(HasSubstr("ASKED FOR"), HasSubstr("DONE")));
}

TEST_F(WayOutTest, FindsNothingPromised) {
  outcomes_ = {Withdrawal::kNothing};
  EXPECT_EQ(Withdraw(1, 1)->stores(0).outcome(), WITHDRAWAL_OUTCOME_NOTHING_PROMISED);
}

TEST_F(WayOutTest, RefusesWithoutTheWordThatTheStoreIsDeadAndForStoresThatAreNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(Withdraw(1, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Withdraw(1, 3).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Withdraw(0, 0).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Withdraw(2, 2).status())) << "the store that is asked";
  EXPECT_TRUE(absl::IsNotFound(Withdraw(9, 9).status()));
  EXPECT_THAT(calls_, IsEmpty());
}

TEST_F(WayOutTest, WithdrawsNothingWhereNoTraceCanBeLeft) {
  directory_ = "/nowhere/at/all";
  outcomes_.clear();  // Asking for one would be noticed.
  const auto response = Withdraw(1, 1);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->stores(0).outcome(), WITHDRAWAL_OUTCOME_NOT_REACHED);
  EXPECT_THAT(response->stores(0).message(), HasSubstr("/nowhere/at/all/AUDIT"));
}

TEST_F(WayOutTest, ListsTheTraceOfEveryStoreThatAnswers) {
  ASSERT_TRUE(Withdraw(1, 1).ok());
  const admin::v1::ListAuditResponse response = WayOut(directory_, Ports()).ListAudit();
  ASSERT_EQ(response.stores_size(), 4);
  EXPECT_FALSE(response.stores(0).reachable());
  EXPECT_EQ(response.stores(1).store_id(), 2u);
  EXPECT_THAT(response.stores(1).lines(), SizeIs(2));
}

}  // namespace
}  // namespace rasputin::server
