#include "nic/profile_choice.h"

#include <algorithm>
#include <utility>

#include "nic/eal.h"

namespace sluice::nic {
namespace {

using config::NicMatch;
using config::NicProfile;

bool holds(const std::vector<std::string>& list, const std::string& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

// Higher is better: whether the driver is named, then the number of lists that had to hold it.
using Rank = std::pair<bool, int>;
constexpr Rank kNoMatch{false, 0};

Rank rank(const NicMatch& match, const DeviceIdentity& identity) {
  if (!holds(match.drivers, identity.driver) || !holds(match.pci, identity.pci) ||
      !holds(match.kernel_drivers, identity.kernel_driver) || !holds(match.buses, identity.bus))
    return kNoMatch;
  const int lists = !match.drivers.empty() + !match.pci.empty() + !match.kernel_drivers.empty() +
                    !match.buses.empty();
  return {!match.drivers.empty(), lists};
}

std::string names(const std::vector<const NicProfile*>& profiles) {
  std::string text;
  for (const NicProfile* p : profiles) text += (text.empty() ? "" : ", ") + p->name;
  return text;
}

// The profiles for the same driver, whatever else they ask for: the likely ones for a device that
// none matches.
std::vector<const NicProfile*> related(const DeviceIdentity& identity,
                                       const std::vector<NicProfile>& candidates) {
  std::vector<const NicProfile*> found;
  for (const NicProfile& p : candidates)
    if (!p.match.drivers.empty() && holds(p.match.drivers, identity.driver)) found.push_back(&p);
  return found;
}

}  // namespace

const NicProfile& choose_profile(const std::string& port, const DeviceIdentity& identity,
                                 const std::vector<NicProfile>& candidates) {
  Rank best = kNoMatch;
  std::vector<const NicProfile*> found;
  for (const NicProfile& p : candidates) {
    const Rank r = rank(p.match, identity);
    if (r == kNoMatch || r < best) continue;
    if (r > best) found.clear();
    best = r;
    found.push_back(&p);
  }
  if (found.size() == 1) return *found[0];
  const std::string where = "port '" + port + "' (" + identity.device + "): ";
  if (found.size() > 1)
    throw Error(where + "the profiles " + names(found) + " match its device equally well (" +
                identity.str() + "). Name the right one: profile = \"" + found[0]->name + "\"");
  const std::vector<const NicProfile*> likely = related(identity, candidates);
  throw Error(where + "no profile matches its device (" + identity.str() + "). " +
              (likely.empty() ? "Write one for its driver: docs/hardware.md says how"
                              : "For its driver there is " + names(likely) +
                                    ". Name the one that fits: profile = \"" + likely[0]->name +
                                    "\", or write one (docs/hardware.md says how)"));
}

const NicProfile& choose_profile(const std::string& port,
                                 const std::vector<DeviceIdentity>& identities,
                                 const std::vector<NicProfile>& candidates) {
  const NicProfile& first = choose_profile(port, identities.at(0), candidates);
  for (const DeviceIdentity& identity : identities) {
    const NicProfile& other = choose_profile(port, identity, candidates);
    if (&other != &first)
      throw Error("port '" + port + "': its devices " + identities[0].device + " and " +
                  identity.device + " match different profiles, " + first.name + " and " +
                  other.name +
                  ". A port has devices of one kind: make two ports of them, or name the profile");
  }
  return first;
}

}  // namespace sluice::nic
