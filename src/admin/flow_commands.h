#pragma once
// The commands of the admin socket about L4 flows: a page of the list, and the flush of a pod.

#include <cstdint>
#include <functional>
#include <span>

#include <boost/json/object.hpp>

#include "admin/ledger.h"
#include "config/snapshot.h"
#include "stats/flow_page.h"

namespace sluice::admin {

// {"command":"flows","worker":0,"from":0,"listener":"dns","pod":"198.18.1.101:53"}: the flows of
// this worker from this place on; all keys are optional. The answer names the place where the next
// page begins, unless it is the "last". "pending": the page is not there yet, and is to be asked
// for again. pages: one for each worker.
boost::json::object list_flows(const boost::json::object& request, const config::Snapshot& current,
                               const Ledger& ledger, std::span<stats::FlowPage* const> pages);

// {"command":"flush","pod":"198.18.1.101:53"}, or the pod's id: flush(slot) is called for the pod
// of each service that has it.
boost::json::object flush_pod(const boost::json::object& request, const config::Snapshot& current,
                              const Ledger& ledger, const std::function<void(uint32_t)>& flush);

}  // namespace sluice::admin
