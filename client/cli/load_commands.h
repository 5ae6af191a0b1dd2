// The commands that say what ranges have to do and why they are as they are. Each returns an exit
// code and has written its result or its error.

#ifndef RASPUTIN_CLIENT_CLI_LOAD_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_LOAD_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int Explain(const Context& context);
int Top(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_LOAD_COMMANDS_H_
