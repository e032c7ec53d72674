#include "admin/request_metrics.h"

#include <array>

#include <fmt/format.h>

namespace sluice::admin {
namespace {

using stats::Durations;

// Of one listener, over all workers.
struct Sum {
  std::array<uint64_t, stats::kResults> results{};
  std::array<uint64_t, Durations::kBounds + 1> buckets{};
  uint64_t sum_ns = 0;

  void add(const stats::Requests& r) {
    for (size_t i = 0; i < results.size(); ++i) results[i] += r.results[i].get();
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += r.durations.bucket(i);
    sum_ns += r.durations.sum_ns();
  }
};

std::string seconds(uint64_t ns) {
  return fmt::format("{}", static_cast<double>(ns) / 1e9);
}

}  // namespace

std::string bound_text(size_t bucket) {
  return bucket == Durations::kBounds
             ? "+Inf"
             : seconds(static_cast<uint64_t>(Durations::bound(bucket).count()));
}

void durations(Exposition& out, const Durations& d) {
  uint64_t below = 0;
  for (size_t b = 0; b <= Durations::kBounds; ++b) {
    below += d.bucket(b);
    out.sample("_bucket", {{"le", bound_text(b)}}, std::to_string(below));
  }
  out.sample("_sum", {}, seconds(d.sum_ns()));
  out.sample("_count", {}, std::to_string(below));
}

void request_metrics(Exposition& out, const View& view) {
  const auto& listeners = view.current.listeners;
  std::vector<Sum> sums(listeners.size());
  for (size_t i = 0; i < listeners.size(); ++i)
    for (const stats::Worker* w : view.ledger.workers())
      sums[i].add(w->listener(listeners[i].slot).requests);
  const auto service = [&](size_t i) { return view.current.service_name(listeners[i]); };

  out.family("sluice_requests_total", Exposition::Type::kCounter,
             "calls that have ended for their client, by gRPC status or class of the HTTP status; "
             "incomplete: an HTTP call without the whole answer");
  for (size_t i = 0; i < listeners.size(); ++i)
    for (size_t r = 0; r < stats::kResults; ++r) {
      // 23 results, of which a listener sees a few. OK and 2xx are there before the first call.
      const auto result = static_cast<stats::Result>(r);
      if (sums[i].results[r] == 0 && result != stats::Result::kOk && result != stats::Result::k2xx)
        continue;
      out.sample({{"listener", listeners[i].name},
                  {"service", service(i)},
                  {"code", stats::text_of(result)}},
                 sums[i].results[r]);
    }

  out.family("sluice_request_duration_seconds", Exposition::Type::kHistogram,
             "from the arrival of a call's request to the end of the call for its client");
  for (size_t i = 0; i < listeners.size(); ++i) {
    uint64_t below = 0;
    for (size_t b = 0; b <= Durations::kBounds; ++b) {
      below += sums[i].buckets[b];
      out.sample("_bucket",
                 {{"listener", listeners[i].name}, {"service", service(i)}, {"le", bound_text(b)}},
                 std::to_string(below));
    }
    out.sample("_sum", {{"listener", listeners[i].name}, {"service", service(i)}},
               seconds(sums[i].sum_ns));
    out.sample("_count", {{"listener", listeners[i].name}, {"service", service(i)}},
               std::to_string(below));
  }
}

}  // namespace sluice::admin
