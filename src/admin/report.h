#pragma once
// The answers of the admin socket: the numbers of all workers under their names, as JSON.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "admin/ledger.h"
#include "base/stage_meter.h"
#include "config/snapshot.h"
#include "discovery/source.h"

namespace sluice::admin {

// A worker's cycles over the last sampling interval.
struct Load {
  double busy = 0;                       // share of cycles, 0 to 1
  double io = 0;                         // share inside drivers' receive and transmit calls
  std::array<double, kStages> stages{};  // shares of cycles; their sum is 1
};

// The times that a worker's loop stood still.
struct Stall {
  bool standing = false;  // now
  uint64_t times = 0;
  double seconds = 0;  // of the last one, so far
  std::string stage;   // of the last one; empty: there was none
  std::string where;   // its code, as return addresses
};

// The daemon itself.
struct Identity {
  const char* state = "serving";  // or kDraining
  std::string file;               // the configuration that it was started with
  bool refused = false;           // the files on disk were refused: an older generation is in use
  double uptime_s = 0;
  double start_time_s = 0;  // since 1970
  bool listed = true;       // each source has had its first list

  static constexpr const char* kDraining = "draining";
  bool draining() const { return std::string_view(state) == kDraining; }
};

boost::json::object report_status(const config::Snapshot& current, const Ledger& ledger,
                                  const Identity& identity);
boost::json::object report_pods(const config::Snapshot& current, const Ledger& ledger);
boost::json::object report_listeners(const config::Snapshot& current, const Ledger& ledger);
// sources: one for each service.
boost::json::object report_sources(const config::Snapshot& current,
                                   std::span<const discovery::Source* const> sources);
// loads, stalls: one for each worker.
boost::json::object report_workers(const Ledger& ledger, const std::vector<Load>& loads,
                                   const std::vector<Stall>& stalls);
boost::json::object report_stats(const config::Snapshot& current, const Ledger& ledger,
                                 const std::vector<Load>& loads, const Identity& identity);

// Four digits are enough for a share.
double rounded(double share);

}  // namespace sluice::admin
