#pragma once
// Notices the links of ports going down and coming up. After a link has come up, the stations
// behind it may know nothing of Sluice's addresses: a switch forgets what it learnt from a port
// that went down.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "stats/nic_port.h"

namespace sluice::control {

class LinkWatch {
 public:
  // The link of the port with this index in the configuration. May ask the kernel.
  using Probe = std::function<stats::NicLink(size_t port)>;
  // Makes the workers announce the addresses of the port.
  using Announce = std::function<void(size_t port)>;

  // With an empty probe nothing is watched.
  LinkWatch(Probe probe, Announce announce)
      : probe_(std::move(probe)), announce_(std::move(announce)) {}

  struct Line {
    bool good = false;  // the link is up
    std::string text;
  };
  // Call it ten times a second. Announces the addresses of each port whose link was not up at the
  // look before, the first look included: a link may come up after the workers' own announcement.
  // Returns a line for the log for each change.
  std::vector<Line> look(const config::Snapshot& current);
  // By port, at the last look; shorter, or empty, where nothing is known.
  std::vector<bool> up() const;

 private:
  Probe probe_;
  Announce announce_;
  std::vector<std::optional<stats::NicLink>> links_;  // by port; nullopt before the first look
};

}  // namespace sluice::control
