// See context.h.

#include "client/cli/context.h"

#include <chrono>

#include "client/cli/exit_code.h"

namespace rasputin::client {

void Context::Write(const Json& json_result, const std::string& table_result) const {
  if (json) {
    *streams.out << json_result.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    *streams.out << table_result;
  }
  streams.out->flush();
}

uint64_t Context::NowMs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

void Context::Note(const std::string& sentence) const {
  *streams.err << "rasputin: " << sentence << "\n";
  streams.err->flush();
}

int Context::Fail(const absl::Status& error, bool mutation) const {
  Note(ExplainError(error, mutation));
  return ExitCodeOf(error, mutation);
}

int Context::FailUsage(const absl::Status& error) const {
  Note(std::string(error.message()));
  return kWrongUsage;
}

}  // namespace rasputin::client
