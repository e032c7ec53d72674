#include "nic/port_state.h"

#include <rte_ethdev.h>
#include <rte_ether.h>

#include <algorithm>

#include "nic/identity.h"

namespace sluice::nic {
namespace {

std::vector<std::pair<std::string, uint64_t>> extended_counters(uint16_t device) {
  std::vector<std::pair<std::string, uint64_t>> counters;
  const int n = rte_eth_xstats_get(device, nullptr, 0);
  if (n <= 0) return counters;
  std::vector<rte_eth_xstat> values(static_cast<size_t>(n));
  std::vector<rte_eth_xstat_name> names(static_cast<size_t>(n));
  const auto size = static_cast<unsigned>(n);
  if (rte_eth_xstats_get(device, values.data(), size) != n ||
      rte_eth_xstats_get_names(device, names.data(), size) != n)
    return counters;
  for (const rte_eth_xstat& v : values)
    if (v.value != 0 && v.id < names.size()) counters.emplace_back(names[v.id].name, v.value);
  return counters;
}

std::string mac_of(uint16_t device) {
  rte_ether_addr mac{};
  if (rte_eth_macaddr_get(device, &mac) != 0) return {};
  char text[RTE_ETHER_ADDR_FMT_SIZE];
  rte_ether_format_addr(text, sizeof text, &mac);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return lower;
}

stats::NicDevice device_state(const Port& port, size_t index) {
  const uint16_t device = port.devices()[index];
  const DeviceIdentity identity = identify(port.name(), port.device_names()[index]);
  stats::NicDevice d{.name = identity.device,
                     .driver = identity.driver,
                     .pci = identity.pci,
                     .interface = identity.interface,
                     .kernel_driver = identity.kernel_driver,
                     .mac = mac_of(device),
                     .link = port.device_link(index),
                     .members = port.members(index),
                     .counters = extended_counters(device)};
  rte_eth_dev_get_mtu(device, &d.mtu);
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(device, &info) == 0) d.queues = info.nb_rx_queues;
  d.rx_descriptors = port.rings().rx;
  d.tx_descriptors = port.rings().tx;
  rte_eth_stats stats{};
  if (rte_eth_stats_get(device, &stats) != 0) return d;
  d.rx_missed = stats.imissed;
  d.rx_errors = stats.ierrors;
  d.rx_no_buffer = stats.rx_nombuf;
  d.tx_errors = stats.oerrors;
  return d;
}

std::string yes_or_no(bool b) {
  return b ? "yes" : "no";
}

std::vector<stats::NicClaim> claims_of(const Port& port, const rte_eth_dev_info& info) {
  const Traits& t = port.traits();
  const std::array<bool, 6> used{t.multi_segment, t.tx_checksum, t.tso,
                                 t.rx_checksum,   t.lro,         t.scatter};
  std::vector<stats::NicClaim> claims;
  const auto offloads = offload_claims(port.profile(), info);
  for (size_t i = 0; i < offloads.size(); ++i)
    claims.push_back({offloads[i].key, yes_or_no(offloads[i].claimed),
                      yes_or_no(offloads[i].offered), yes_or_no(used[i])});
  const auto number = [](uint64_t n, uint64_t unknown) {
    return n == unknown ? std::string("not said") : std::to_string(n);
  };
  claims.push_back({"tx_segments", std::to_string(port.profile().tx_segments),
                    number(most_segments(info), UINT16_MAX), std::to_string(t.tx_segments)});
  claims.push_back({"max_mtu", std::to_string(port.profile().max_mtu),
                    number(info.max_mtu, UINT16_MAX), std::to_string(port.mtu())});
  claims.push_back({"max_queues", std::to_string(port.profile().max_queues),
                    std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)),
                    std::to_string(port.queues() / port.devices().size())});
  claims.push_back({"rx_interrupts", yes_or_no(port.profile().rx_interrupts), "not said",
                    yes_or_no(port.queue(0).descriptor() >= 0)});
  claims.push_back({"flows", std::string(text_of(port.profile().flows)),
                    info.flow_type_rss_offloads != 0 ? "rss" : "not said",
                    std::string(text_of(port.flows()))});
  return claims;
}

std::string hex(uint32_t n) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", n);
  return text;
}

std::string fault_of(const HashCheck& check) {
  if (check.verdict() == HashVerdict::kOtherQueue)
    return "a frame came to queue " + std::to_string(check.of_device()) +
           ", and its hash names queue " + std::to_string(check.of_software());
  return "the device's hash of a frame was " + hex(check.of_device()) + ", and software's is " +
         hex(check.of_software());
}

// The reason for the port's word about flows; empty when the profile's word needs no proof.
std::string flows_reason(const Port& port) {
  if (port.profile().flows != config::Flows::kRss) return {};
  for (size_t i = 0; i < port.devices().size(); ++i)
    if (!port.rss(i).known())
      return "the driver does not tell its hash key and redirection table, or does not hash the "
             "ports of TCP";
  uint32_t compared = 0;
  bool running = false;
  for (unsigned q = 0; q < port.queues(); ++q) {
    const HashCheck& check = port.queue(q).hash_check();
    if (check.failed()) return fault_of(check);
    running |= check.running();
    compared += check.compared();
  }
  const char* key = port.rss(0).own_key ? "Sluice's own key" : "the driver's key";
  const std::string frames = std::to_string(compared) + " frames";
  return std::string(key) + "; " +
         (running ? frames + " have had the hash that software computes, and the check goes on"
                  : "the hashes of " + frames + " agree with software's");
}

}  // namespace

stats::NicPort state_of(const Port& port) {
  stats::NicPort p{.profile = port.profile().name,
                   .profile_named = port.profile_named(),
                   .flows = std::string(text_of(port.flows())),
                   .flows_reason = flows_reason(port)};
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port.devices()[0], &info) == 0) p.claims = claims_of(port, info);
  for (size_t i = 0; i < port.devices().size(); ++i) p.devices.push_back(device_state(port, i));
  return p;
}

std::string hash_fault(const Port& port) {
  for (unsigned q = 0; q < port.queues(); ++q) {
    const HashCheck& check = port.queue(q).hash_check();
    if (check.failed()) return fault_of(check);
  }
  return {};
}

}  // namespace sluice::nic
