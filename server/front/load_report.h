// What a store says of itself to the controller that decides where replicas belong.
//
// Without the ranges that are idle, but for their number, their sizes and who lags. No state.

#ifndef RASPUTIN_SERVER_FRONT_LOAD_REPORT_H_
#define RASPUTIN_SERVER_FRONT_LOAD_REPORT_H_

#include "rasputin/type/v1/load.pb.h"
#include "server/front/front_end.h"

namespace rasputin::server {

type::v1::StoreLoad ReportLoad(const ClockReading& now, const FrontOptions& options,
                               StorePort* store);

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_LOAD_REPORT_H_
