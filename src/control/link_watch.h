#pragma once
// Notices the links of ports going down and coming up. After a link has come up, the stations
// behind it may know nothing of Sluice's addresses: a switch forgets what it learnt from a port
// that went down, and a port may have another MAC address than before. An announcement can be lost,
// for example at a switch that does not forward yet, so it is repeated (RFC 5227, 2.3; RFC 4861,
// 7.2.6).

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "config/snapshot.h"
#include "stats/nic_port.h"

namespace sluice::control {

class LinkWatch {
 public:
  // The link of the port with this index in the configuration. May ask the kernel.
  using Probe = std::function<stats::NicLink(size_t port)>;
  // Makes the workers announce the addresses of the port.
  using Announce = std::function<void(size_t port)>;

  // An announcement is made three times (MAX_NEIGHBOR_ADVERTISEMENT), two seconds apart
  // (ANNOUNCE_INTERVAL); this is the number of looks between two of them.
  static constexpr unsigned kAnnouncements = 3;
  static constexpr unsigned kLooksBetween = 20;

  // With an empty probe nothing is watched.
  LinkWatch(Probe probe, Announce announce)
      : probe_(std::move(probe)), announce_(std::move(announce)) {}

  struct Line {
    bool good = false;  // the link is up
    std::string text;
  };
  // Call it ten times a second. Announces the addresses of each port whose link was not up at the
  // look before, the first look included: a link may come up after the workers' own announcement;
  // and of a bond that has changed the member that carries it.
  // New addresses of listeners are announced by the workers at once; here the repetitions of that
  // announcement are made. Returns a line for the log for each change of a link.
  std::vector<Line> look(const config::Snapshot& current);
  // By port, at the last look; shorter, or empty, where nothing is known.
  std::vector<bool> up() const;

 private:
  Probe probe_;
  Announce announce_;
  struct Port {
    std::optional<stats::NicLink> link;  // nullopt before the first look
    unsigned repetitions = 0;            // of the announcement, that are still to be made
    unsigned looks = 0;                  // since the last announcement
  };
  bool has_new_vips(const config::Snapshot& current);
  void repeat(size_t port);

  std::vector<Port> ports_;
  std::vector<Address> vips_;  // sorted; of the listeners at the look before
};

}  // namespace sluice::control
