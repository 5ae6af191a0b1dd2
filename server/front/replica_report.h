// What a store tells operators about one of its replicas, as a message of the admin API.
//
// A pure conversion; thread-safe. Not responsible for finding the replica.

#ifndef RASPUTIN_SERVER_FRONT_REPLICA_REPORT_H_
#define RASPUTIN_SERVER_FRONT_REPLICA_REPORT_H_

#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/ports.h"

namespace rasputin::server {

admin::v1::DescribeRangeResponse ReportReplica(StoreId store, const ReplicaSummary& replica);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_REPLICA_REPORT_H_
