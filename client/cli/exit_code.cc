// See exit_code.h.

#include "client/cli/exit_code.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/status.h"

namespace rasputin::client {

ExitCode ExitCodeOf(const absl::Status& error, bool mutation) {
  if (mutation && OutcomeIsUnknown(error)) return kOutcomeUnknown;
  switch (error.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
      return kNotReached;
    default:
      return kRefused;
  }
}

std::string ExplainError(const absl::Status& error, bool mutation) {
  std::string message = absl::StrReplaceAll(error.message(), {{"\n", " "}, {"\r", " "}});
  if (message.empty()) message = absl::StatusCodeToString(error.code());
  if (ReasonOf(error) == v1::ERROR_REASON_NOT_INITIALIZED) {
    // The server has said already what to run, or that nothing helps at this node.
    return absl::StrContains(message, "`rasputin ")
               ? message
               : absl::StrCat(message, "; run: rasputin cluster init");
  }
  switch (ExitCodeOf(error, mutation)) {
    case kOutcomeUnknown:
      return absl::StrCat("the outcome is unknown: ", message,
                          "; read what is there before you try again");
    case kNotReached:
      if (absl::StrContains(message, kNeedsMajority)) {
        return absl::StrCat(message, "; see `rasputin cluster status`");
      }
      if (ReasonOf(error) == v1::ERROR_REASON_STORE_UNREACHABLE) {
        // The server has said already what to start.
        if (absl::StrContains(message, "start all seeds")) return message;
        return absl::StrCat(message,
                            "; start the nodes, or name the client ports (default 8880) "
                            "of others with --endpoints");
      }
      return absl::StrCat("no answer in time: ", message,
                          "; see rasputin cluster status, or try again with a longer --timeout");
    default:
      return absl::StrCat("refused: ", message);
  }
}

}  // namespace rasputin::client
