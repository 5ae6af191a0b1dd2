// See context.h.

#include "client/cli/context.h"

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
