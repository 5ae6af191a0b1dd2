// The commands of `rasputin`, with their flags, as the user sees them.
//
// Data only; how they are carried out is in kv_commands.h and admin_commands.h.

#ifndef RASPUTIN_CLIENT_CLI_COMMAND_TABLE_H_
#define RASPUTIN_CLIENT_CLI_COMMAND_TABLE_H_

#include "client/cli/command_line.h"

namespace rasputin::client {

const CommandTable& Commands();

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_COMMAND_TABLE_H_
