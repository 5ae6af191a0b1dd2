// What a store says of itself to whoever looks after all of them: operators, and the controller
// that decides where replicas belong.
//
// Of ranges only those that had something to do lately. No state.

#ifndef RASPUTIN_SERVER_FRONT_LOAD_REPORT_H_
#define RASPUTIN_SERVER_FRONT_LOAD_REPORT_H_

#include "rasputin/type/v1/load.pb.h"
#include "server/front/ports.h"

namespace rasputin::server {

type::v1::StoreLoad ReportLoad(const ClockReading& now, StorePort* store);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_LOAD_REPORT_H_
