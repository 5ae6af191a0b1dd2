// The commands on keys. Each returns an exit code and has written its result or its error.

#ifndef RASPUTIN_CLIENT_CLI_KV_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_KV_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int KvGet(const Context& context);
int KvSet(const Context& context);
int KvCas(const Context& context);
int KvDel(const Context& context);
int KvScan(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_KV_COMMANDS_H_
