// See trial.h. Not thread-safe.

#include "tests/fuzz/trial.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "google/rpc/status.pb.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::fuzz {
namespace {

rasputin::v1::ErrorReason ReasonIn(const std::string& details) {
  google::rpc::Status status;
  rasputin::v1::ErrorDetail detail;
  if (!status.ParseFromString(details) || status.details_size() != 1 ||
      !status.details(0).UnpackTo(&detail)) {
    return rasputin::v1::ERROR_REASON_UNSPECIFIED;
  }
  return detail.reason();
}

}  // namespace

void TryInputs(const TrialOptions& options,
               absl::FunctionRef<void(Random* random, uint64_t run, bool* accepted)> try_input) {
  Random random(options.seed);
  const uint64_t runs = Runs(options.usual);
  uint64_t accepted = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    SCOPED_TRACE(run);
    bool taken = false;
    try_input(&random, run, &taken);
    if (testing::Test::HasFatalFailure()) return;
    accepted += taken ? 1 : 0;
  }
  ReportInputs(options, runs, accepted);
}

void ReportInputs(const TrialOptions& options, uint64_t inputs, uint64_t accepted) {
  std::printf("%lu inputs, %s: %lu accepted\n", inputs, options.what.c_str(), accepted);
  EXPECT_GT(static_cast<double>(accepted), options.accepted_share * static_cast<double>(inputs))
      << options.what;
  EXPECT_LT(accepted, inputs) << options.what;
}

bool IsFault(absl::StatusCode code, absl::string_view message, const std::string& details,
             bool needs_reason) {
  if (code == absl::StatusCode::kOk) return false;
  const rasputin::v1::ErrorReason reason = ReasonIn(details);
  if (message.empty()) return true;
  if (needs_reason && reason == rasputin::v1::ERROR_REASON_UNSPECIFIED) return true;
  switch (code) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    case absl::StatusCode::kUnknown:
      return reason != rasputin::v1::ERROR_REASON_SESSION_EXPIRED;
    default:
      return false;
  }
}

}  // namespace rasputin::fuzz
