#include "admin/answer.h"

#include <ctime>

#include <fmt/format.h>

#include "admin/report_certificates.h"
#include "admin/report_guards.h"

namespace sluice::admin {

boost::json::object answer(std::string_view command, const View& view) {
  const auto& [current, ledger, loads, sources, identity, nic, stalls, links, lag, trigger_lag,
               unreadable, access_log] = view;
  if (command == "pods") return report_pods(current, ledger);
  if (command == "listeners") return report_listeners(current, ledger);
  if (command == "sources") return report_sources(current, sources);
  if (command == "certificates") return report_certificates(current, std::time(nullptr));
  if (command == "guards") return report_guards(current, ledger);
  if (command == "nic") return report_nic(current, ledger, nic);
  if (command == "workers") return report_workers(ledger, loads, stalls);
  if (command == "stats") return report_stats(current, ledger, loads, identity);
  if (command == "status") return report_status(current, ledger, identity);
  return {
      {"error", fmt::format("unknown command {}; allowed: status, stats, pods, listeners, sources, "
                            "certificates, guards, nic, workers, flows, flush",
                            command)}};
}

}  // namespace sluice::admin
