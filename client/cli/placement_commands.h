// The commands on what the cluster moves by itself. Each returns an exit code and has written its
// result or its error.

#ifndef RASPUTIN_CLIENT_CLI_PLACEMENT_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_PLACEMENT_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int StoreDrain(const Context& context);
int StoreUndrain(const Context& context);
int StoreDecommission(const Context& context);
int ShowPlan(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_PLACEMENT_COMMANDS_H_
