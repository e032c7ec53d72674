#pragma once
// The metrics of calls, by listener and service: their results and durations.

#include <cstddef>
#include <string>

#include "admin/answer.h"
#include "admin/exposition.h"
#include "stats/requests.h"

namespace sluice::admin {

void request_metrics(Exposition& out, const View& view);

// The upper bound of a bucket of stats::Durations, in seconds.
std::string bound_text(size_t bucket);
// The samples of a histogram without labels.
void durations(Exposition& out, const stats::Durations& d);

}  // namespace sluice::admin
