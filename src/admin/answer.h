#pragma once
// The commands of the admin socket.

#include <span>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "admin/ledger.h"
#include "admin/report.h"
#include "admin/report_nic.h"
#include "config/snapshot.h"
#include "discovery/source.h"

namespace sluice::admin {

// Of the access log.
struct AccessCounts {
  uint64_t lines = 0;
  uint64_t lost = 0;
};

// The subjects of an answer, as they are at the moment of the request.
struct View {
  const config::Snapshot& current;
  const Ledger& ledger;
  const std::vector<Load>& loads;                     // one for each worker
  std::span<const discovery::Source* const> sources;  // one for each service
  Identity identity;
  const NicProbe& nic;
  const std::vector<Stall>& stalls;  // one for each worker
  std::vector<bool> links;           // by port; without an entry nothing is known
  // From news of endpoints to their adoption by every worker; nullptr: not measured.
  const stats::Durations* discovery_lag = nullptr;
  // From Kubernetes' last-change-trigger-time to the adoption; as well.
  const stats::Durations* trigger_lag = nullptr;
  uint64_t unreadable = 0;  // objects of the Kubernetes API that could not be read
  AccessCounts access_log{};

  bool link_up(size_t port) const { return port >= links.size() || links[port]; }
};

// An object with "error" for an unknown command.
boost::json::object answer(std::string_view command, const View& view);

}  // namespace sluice::admin
