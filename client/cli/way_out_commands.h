// `store withdraw` and `store audit`: the operator's way out and its trace.

#ifndef RASPUTIN_CLIENT_CLI_WAY_OUT_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_WAY_OUT_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int StoreWithdraw(const Context& context);
int StoreAudit(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_WAY_OUT_COMMANDS_H_
