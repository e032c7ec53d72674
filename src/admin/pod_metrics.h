#pragma once
// The metrics of pods: counters and gauges. Histograms of 10,000 pods would be too many series.

#include "admin/answer.h"
#include "admin/exposition.h"

namespace sluice::admin {

// Those of a pod that has left end after Ledger::kRemembered, so that the last scrapes have all
// that it did.
void pod_metrics(Exposition& out, const View& view);

}  // namespace sluice::admin
