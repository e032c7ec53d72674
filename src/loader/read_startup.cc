#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "loader/profile_directory.h"
#include "loader/read_endpoints.h"
#include "loader/reading.h"
#include "loader/tun_device.h"
#include "stats/worker.h"

namespace sluice::loader {
namespace {

constexpr int64_t kMaxCore = 1023;
constexpr uint16_t kLargestVlan = 4094;  // IEEE 802.1Q
constexpr size_t kMaxSocketPath = 107;   // sockaddr_un

void read_dpdk(Table& root, Reading& reading) {
  std::string path;
  if (!root.string("dpdk", path, true)) return;
  const auto document = reading.open(root, "dpdk", path);
  if (!document) return;
  reading.dpdk_known = true;
  config::DpdkConf& d = reading.snapshot.startup.dpdk;
  Table t(*document, document->root(), "a file of dpdk_conf", reading.mistakes);
  t.integers("worker_cores", d.worker_cores, 0, kMaxCore);
  t.integer("control_core", d.control_core, 0, kMaxCore);
  t.integers("handshake_cores", d.handshake_cores, 0, kMaxCore);
  t.integer("memory_mib", d.memory_mib, 16, 1 << 20);
  t.boolean("hugepages", d.hugepages);
  t.boolean("in_memory", d.in_memory);
  t.strings("vdevs", d.vdevs);
  t.strings("pci", d.pci);
  t.strings("extra_args", d.extra);
  if (t.choice("log_level",
               {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}))
    t.string("log_level", d.log_level);
  t.integer("rx_mbufs", d.rx_mbufs, 512, 1 << 24);
  t.integer("tx_mbufs", d.tx_mbufs, 512, 1 << 24);
  t.integer("hold_mbufs", d.hold_mbufs, 512, 1 << 24);
  t.integer("data_room", d.data_room, 1024, 16'384);
  if (d.worker_cores.size() < reading.snapshot.startup.workers)
    t.mistake("worker_cores",
              fmt::format("worker_cores names {} cores, but there are {} workers; one core each is "
                          "needed (several may be the same)",
                          d.worker_cores.size(), reading.snapshot.startup.workers));
  t.finish();
}

// DPDK's name of the device that a vdev line makes: the text before the first comma.
std::string device_of(const std::string& vdev) {
  return vdev.substr(0, vdev.find(','));
}

void check_device(Table& t, const config::DpdkConf& dpdk, const std::string& device) {
  // Further EAL arguments may bring devices that are unknown here.
  if (!dpdk.extra.empty()) return;
  std::vector<std::string> known = dpdk.pci;
  for (const std::string& v : dpdk.vdevs) known.push_back(device_of(v));
  if (std::find(known.begin(), known.end(), device) != known.end()) return;
  t.mistake("device",
            fmt::format("no device {} in the dpdk file; it has: {}", device,
                        known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
}

void read_addresses(Table& t, config::Port& port) {
  std::vector<std::string> texts;
  if (!t.strings("addresses", texts)) {
    if (!t.has("addresses"))
      t.mistake("[[port]] lacks addresses, an array like [\"198.18.0.2/24\"]");
    return;
  }
  if (texts.empty()) t.mistake("addresses", "addresses is empty; a port needs at least one");
  for (const std::string& text : texts) {
    const auto prefix = Prefix::parse(text);
    if (!prefix || text.find('/') == std::string::npos || prefix->address.unspecified()) {
      t.mistake("addresses", fmt::format("\"{}\" is not an address with its prefix length; it must "
                                         "be like \"198.18.0.2/24\"",
                                         text));
      continue;
    }
    if (const auto why = unusable(prefix->address); !why.empty()) {
      t.mistake("addresses", fmt::format("{} is {}; a port needs addresses of its own", text, why));
      continue;
    }
    port.addresses.push_back(*prefix);
  }
}

void read_snat_addresses(Table& t, config::Port& port) {
  std::vector<std::string> texts;
  t.strings("snat_addresses", texts);
  for (const std::string& text : texts) {
    const auto address = Address::parse(text);
    const auto speaks = [&](const Prefix& p) { return p.address.is_v4() == address->is_v4(); };
    if (!address || address->unspecified()) {
      t.mistake("snat_addresses",
                fmt::format("\"{}\" is not an address; it must be like \"198.18.1.10\"", text));
    } else if (const auto why = unusable(*address); !why.empty()) {
      t.mistake("snat_addresses", fmt::format("{} is {}; pods could not answer to it", text, why));
    } else if (std::none_of(port.addresses.begin(), port.addresses.end(), speaks)) {
      t.mistake("snat_addresses",
                fmt::format("{} needs an address of the same family in addresses", text));
    } else if (std::find(port.snat_addresses.begin(), port.snat_addresses.end(), *address) !=
               port.snat_addresses.end()) {
      t.mistake("snat_addresses", fmt::format("{} is given twice; addresses must differ", text));
    } else {
      port.snat_addresses.push_back(*address);
    }
  }
}

void read_routes(Table& t, config::Port& port) {
  for (Table& r : t.tables("routes")) {
    std::string to, via;
    config::Route route;
    // Both keys are read, so that both can be reported as missing at once.
    const bool has_to = r.string("to", to, true);
    const bool has_via = r.string("via", via, true);
    r.finish();
    if (!has_to || !has_via) continue;
    const auto prefix = Prefix::parse(to);
    const auto gateway = Address::parse(via);
    if (!prefix)
      r.mistake("to",
                fmt::format("to = \"{}\" is not a network; it must be like \"10.0.0.0/8\"", to));
    if (!gateway)
      r.mistake("via", fmt::format("via = \"{}\" is not an address; it must be like "
                                   "\"198.18.1.254\"",
                                   via));
    if (!prefix || !gateway) continue;
    if (prefix->address.is_v4() != gateway->is_v4()) {
      r.mistake("via",
                fmt::format("to = \"{}\" and via = \"{}\" are of different families", to, via));
      continue;
    }
    const bool link_local = Prefix::parse("fe80::/10")->contains(*gateway);
    const auto holds = [&](const Prefix& p) {
      return p.contains(*gateway) || (link_local && !p.address.is_v4());
    };
    if (std::none_of(port.addresses.begin(), port.addresses.end(), holds)) {
      r.mistake("via",
                fmt::format("via = \"{}\" is in none of the port's networks; the gateway must "
                            "be a neighbour",
                            via));
      continue;
    }
    route.to = *prefix;
    route.via = *gateway;
    port.routes.push_back(route);
  }
}

// A device belongs to one port, or to ports with different VLANs and one profile and MTU.
void check_sharing(Table& t, const std::vector<config::Port>& before, const config::Port& port) {
  for (const config::Port& other : before) {
    const auto shared = std::find_first_of(port.devices.begin(), port.devices.end(),
                                           other.devices.begin(), other.devices.end());
    if (shared == port.devices.end()) continue;
    if (port.vlan == other.vlan) {
      t.mistake("device", fmt::format("device {} is used twice; a device belongs to one port, or "
                                      "to ports with different values of vlan",
                                      *shared));
    } else if (port.devices != other.devices || port.mtu != other.mtu ||
               port.profile != other.profile) {
      t.mistake("device", fmt::format("ports {} and {} share device {}: device, profile and mtu "
                                      "must be the same for both",
                                      other.name, port.name, *shared));
    }
  }
}

void read_ports(Table& root, Reading& reading) {
  config::Startup& startup = reading.snapshot.startup;
  std::set<std::string> names;
  std::set<Address> addresses;
  const ProfileDirectory directory(root);
  bool automatic = false;
  for (Table& t : root.tables("port")) {
    config::Port port;
    if (t.string("name", port.name, true) && !names.insert(port.name).second)
      t.mistake("name", fmt::format("a second port {}; names must differ", port.name));
    if (t.string_or_strings("device", port.devices, true)) {
      for (const std::string& d : port.devices)
        if (!check_tun_device(t, d) && reading.dpdk_known) check_device(t, startup.dpdk, d);
      check_single_tun(t, port.devices);
    }
    t.integer("vlan", port.vlan, 1, kLargestVlan);
    read_profile_of(t, reading, directory, port.profile);
    if (!port.profile) automatic = true;
    t.integer("mtu", port.mtu, 576, port.profile ? port.profile->max_mtu : kLargestMtu);
    check_sharing(t, startup.ports, port);
    read_addresses(t, port);
    constexpr uint16_t kIpv6MinMtu = 1280;  // RFC 8200, 5
    if (port.mtu < kIpv6MinMtu && std::any_of(port.addresses.begin(), port.addresses.end(),
                                              [](const Prefix& p) { return !p.address.is_v4(); }))
      t.mistake("mtu", fmt::format("mtu = {} is too small for the port's IPv6 address; it takes {}",
                                   port.mtu, kIpv6MinMtu));
    for (const Prefix& p : port.addresses)
      if (!addresses.insert(p.address).second)
        t.mistake("addresses",
                  fmt::format("{} is given twice; addresses must differ", p.address.str()));
    read_snat_addresses(t, port);
    for (const Address& a : port.snat_addresses) {
      const auto own = [&](const Prefix& p) { return p.address == a; };
      if (std::none_of(port.addresses.begin(), port.addresses.end(), own) &&
          !addresses.insert(a).second)
        t.mistake("snat_addresses", fmt::format("{} is an address of another port", a.str()));
    }
    read_routes(t, port);
    t.finish();
    startup.ports.push_back(std::move(port));
  }
  if (automatic) startup.nic_profiles = directory.read_all(root, reading);
  if (startup.ports.empty() && !root.has("port"))
    root.mistake("there is no [[port]]; at least one is needed");
  if (startup.ports.size() > stats::kMaxPorts)
    root.mistake("port", fmt::format("{} ports; at most {} are allowed", startup.ports.size(),
                                     stats::kMaxPorts));
}

}  // namespace

void read_startup(Table& root, Reading& reading) {
  config::Startup& startup = reading.snapshot.startup;
  startup.admin_socket = "/run/sluice/sluiced.sock";
  if (auto t = root.table("sluice")) {
    t->integer("workers", startup.workers, 1, config::kMaxWorkers);
    t->integer("handshake_threads", startup.handshake_threads, 0, config::kMaxHandshakeThreads);
    if (t->string("admin_socket", startup.admin_socket)) {
      startup.admin_socket = t->document().resolve(startup.admin_socket).string();
      if (startup.admin_socket.size() > kMaxSocketPath)
        t->mistake("admin_socket", fmt::format("the path of admin_socket has {} bytes; a Unix "
                                               "socket's has at most {}",
                                               startup.admin_socket.size(), kMaxSocketPath));
    }
    if (std::string path; t->string("state_directory", path))
      reading.state_directory = t->document().resolve(path);
    if (const auto i = t->choice("idle", {"auto", "poll", "sleep"}))
      startup.idle = static_cast<config::Idle>(*i);
    if (t->choice("log_level", {"trace", "debug", "info", "warning", "error", "critical", "off"}))
      t->string("log_level", reading.snapshot.log_level);
    t->finish();
  }
  if (auto t = root.table("memory")) {
    t->integer("connections", startup.memory.connections, 16, 1 << 24);
    t->integer("half_open", startup.memory.half_open, 1, 1 << 20);
    t->integer("time_wait", startup.memory.time_wait, 1, 1 << 24);
    t->integer("flows", startup.memory.flows, 16, 1 << 24);
    t->finish();
  }
  read_dpdk(root, reading);
  read_ports(root, reading);
}

}  // namespace sluice::loader
