// The commands that change which stores hold what. Each returns an exit code and has written its
// result or its error.

#ifndef RASPUTIN_CLIENT_CLI_MEMBER_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_MEMBER_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int RangeReplicas(const Context& context);
int StoreLs(const Context& context);
int StoreReplace(const Context& context);
int StoreForget(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_MEMBER_COMMANDS_H_
