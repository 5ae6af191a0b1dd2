// The services of the client port: their methods, their shapes and their descriptors.
//
// Read from the descriptors of the protos, so that what is offered, listed and described cannot
// differ. Immutable after construction; thread-safe.

#ifndef RASPUTIN_SERVER_SERVICES_CATALOG_H_
#define RASPUTIN_SERVER_SERVICES_CATALOG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "google/protobuf/descriptor.h"
#include "server/rpc/server_call.h"

namespace rasputin::server {

class Catalog {
 public:
  Catalog();

  // Paths "/package.Service/Method" of the unary methods of keys and values.
  const std::vector<std::string>& frequent() const { return frequent_; }
  // All other methods.
  const std::map<std::string, CallShape>& others() const { return others_; }
  // Full names of all services, sorted.
  const std::vector<std::string>& services() const { return services_; }

  // One answer of server reflection (v1 and v1alpha have the same encoding). Never fails: what
  // cannot be answered is answered with an error inside.
  absl::Cord Reflect(const absl::Cord& request) const;

 private:
  void AddFile(const google::protobuf::FileDescriptor* file);

  std::vector<std::string> frequent_;
  std::map<std::string, CallShape> others_;
  std::vector<std::string> services_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SERVICES_CATALOG_H_
