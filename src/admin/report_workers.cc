// Worker by worker: what its cycles went to, and whether its loop stands still.

#include <cmath>

#include <boost/json/array.hpp>

#include "admin/report.h"

namespace sluice::admin {
namespace json = boost::json;

double rounded(double share) {
  return std::round(share * 10'000) / 10'000;
}

// A publication stalls no worker for longer than 50 us: the bound of the histogram's bucket there.
constexpr Duration kLongAdoption = std::chrono::nanoseconds(51'200);

json::object report_workers(const Ledger& ledger, const std::vector<Load>& loads,
                            const std::vector<Stall>& stalls) {
  json::array rows;
  for (size_t i = 0; i < ledger.workers().size(); ++i) {
    const stats::Worker& w = *ledger.workers()[i];
    json::object stages;
    for (size_t s = 0; s < kStages; ++s) stages[kStageNames[s]] = rounded(loads[i].stages[s]);
    json::object row;
    row["id"] = i;
    row["state"] = w.ended() ? "ended" : stalls[i].standing ? "standing still" : "running";
    row["busy"] = rounded(loads[i].busy);
    row["stages"] = std::move(stages);
    row["stage"] = kStageNames[static_cast<size_t>(w.stages.now.load(std::memory_order_relaxed))];
    row["sleeps"] = w.stages.sleeps.get();
    row["stalls"] = stalls[i].times;
    row["stall_s"] = stalls[i].seconds;
    row["stall_stage"] = stalls[i].stage;
    row["stall_at"] = stalls[i].where;
    HistogramSum adoptions;
    adoptions.add(w.adoptions);
    const auto micros = [](Duration d) { return static_cast<double>(d.count()) / 1000; };
    row["adoptions"] = adoptions.count();
    row["adoption_p50_us"] = micros(adoptions.quantile(0.5));
    row["adoption_p99_us"] = micros(adoptions.quantile(0.99));
    row["adoption_longest_us"] = micros(adoptions.longest());
    uint64_t long_ones = 0;  // without those of kLongAdoption's own bucket
    for (size_t b = Histogram::kBuckets; b-- > 0 && Histogram::upper(b) > kLongAdoption;)
      long_ones += adoptions.bucket(b);
    row["adoptions_over_50us"] = long_ones;
    rows.push_back(std::move(row));
  }
  return {{"workers", std::move(rows)}};
}

}  // namespace sluice::admin
