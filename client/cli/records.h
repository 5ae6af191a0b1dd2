// How ranges and stores are written, in tables and in JSON: shared by the commands for operators.
//
// Pure functions.

#ifndef RASPUTIN_CLIENT_CLI_RECORDS_H_
#define RASPUTIN_CLIENT_CLI_RECORDS_H_

#include <cstdint>
#include <string>

#include "client/cli/output.h"
#include "rasputin/type/v1/range.pb.h"

namespace rasputin::client {

// The user key behind a full key, "" if it lies in no or another collection: then the range ends
// where the collection does.
std::string UserKeyIn(const std::string& full_key, uint64_t collection_id);
// "voter", "learner", "incoming", "outgoing".
std::string RoleName(type::v1::ReplicaRole role);
// The ids of the members' stores; those who are no voters are marked: "1,2,4(learner)".
std::string StoresOf(const type::v1::RangeDescriptor& range);
// "rack=b,zone=a".
std::string LabelsOf(const type::v1::StoreDescriptor& store);

Json StoreJson(const type::v1::StoreDescriptor& store);
Json RangeJson(const type::v1::RangeDescriptor& range);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_RECORDS_H_
