// The commands for operators. Each returns an exit code and has written its result or its error.

#ifndef RASPUTIN_CLIENT_CLI_ADMIN_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_ADMIN_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int RangeLs(const Context& context);
int RangeDescribe(const Context& context);
int RangeSplit(const Context& context);
int RangeMerge(const Context& context);
int LeaseTransfer(const Context& context);
int ClusterInit(const Context& context);
int ClusterStatus(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_ADMIN_COMMANDS_H_
