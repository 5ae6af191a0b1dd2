// The command `bench`: flags to options, progress, and where the result goes.

#ifndef RASPUTIN_CLIENT_CLI_BENCH_COMMAND_H_
#define RASPUTIN_CLIENT_CLI_BENCH_COMMAND_H_

#include "client/cli/context.h"

namespace rasputin::client {

int Bench(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_BENCH_COMMAND_H_
