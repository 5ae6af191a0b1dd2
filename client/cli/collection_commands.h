// The commands about collections. Each returns an exit code and has written its result or its
// error.

#ifndef RASPUTIN_CLIENT_CLI_COLLECTION_COMMANDS_H_
#define RASPUTIN_CLIENT_CLI_COLLECTION_COMMANDS_H_

#include "client/cli/context.h"

namespace rasputin::client {

int CollectionCreate(const Context& context);
int CollectionLs(const Context& context);
int CollectionDescribe(const Context& context);
int CollectionUpdate(const Context& context);
int CollectionDrop(const Context& context);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_COLLECTION_COMMANDS_H_
