// `rasputind recover`: looks at the directory of a stopped store, and makes ranges live again that
// lost their majority for good, from this survivor.
//
// Says in plain words what is lost and what to do next. The judgement is range/recovery_plan.h, the
// surgery range/offline_store.h. Needs no network. For the main thread.

#ifndef RASPUTIN_SERVER_RECOVERY_RECOVER_COMMAND_H_
#define RASPUTIN_SERVER_RECOVERY_RECOVER_COMMAND_H_

#include <ostream>
#include <string>
#include <vector>

namespace rasputin::server {

// `arguments`: behind the word `recover`. Returns the exit code: 0 done (or, without the word that
// accepts the loss, shown), 2 wrong usage, 4 refused, 1 failed. Results go to `out`, refusals and
// errors, one line each, to `err`.
int RunRecover(const std::vector<std::string>& arguments, std::ostream* out, std::ostream* err);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RECOVERY_RECOVER_COMMAND_H_
