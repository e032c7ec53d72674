#include "admin/report_nic.h"

#include <boost/json/array.hpp>

namespace sluice::admin {
namespace json = boost::json;
namespace {

json::array claims_of(const stats::NicPort& port) {
  json::array rows;
  for (const stats::NicClaim& c : port.claims)
    rows.push_back(
        {{"key", c.key}, {"claimed", c.claimed}, {"offered", c.offered}, {"used", c.used}});
  return rows;
}

json::array members_of(const stats::NicDevice& d) {
  json::array rows;
  for (const stats::NicMember& m : d.members)
    rows.push_back({{"name", m.name}, {"up", m.link.up}, {"link_text", m.link.str()}});
  return rows;
}

json::object device_of(const stats::NicDevice& d) {
  json::object counters;
  for (const auto& [name, value] : d.counters) counters[name] = value;
  return {{"name", d.name},
          {"driver", d.driver},
          {"pci", d.pci},
          {"interface", d.interface},
          {"kernel_driver", d.kernel_driver},
          {"mac", d.mac},
          {"mtu", d.mtu},
          {"link", {{"up", d.link.up}, {"mbps", d.link.mbps}, {"full_duplex", d.link.full_duplex}}},
          {"link_text", d.link.str()},
          {"members", members_of(d)},
          {"queues", d.queues},
          {"rx_descriptors", d.rx_descriptors},
          {"tx_descriptors", d.tx_descriptors},
          {"rx_missed", d.rx_missed},
          {"rx_errors", d.rx_errors},
          {"rx_no_buffer", d.rx_no_buffer},
          {"tx_errors", d.tx_errors},
          {"counters", std::move(counters)}};
}

// Summed over the workers. The device's own counts (rx_missed, rx_no_buffer) are as new as the
// last look of control's sampler.
json::object drops_of(const Ledger& ledger, size_t port) {
  json::object out;
  for (size_t i = 0; i < stats::kDrops; ++i) {
    uint64_t sum = 0;
    for (const stats::Worker* w : ledger.workers()) sum += w->port(port).drops[i].get();
    out[stats::kDropInfo[i].name] = sum;
  }
  return out;
}

}  // namespace

json::object report_nic(const config::Snapshot& current, const Ledger& ledger,
                        const NicProbe& probe) {
  json::array rows;
  for (size_t i = 0; i < current.startup.ports.size(); ++i) {
    const stats::NicPort port = probe ? probe(i) : stats::NicPort{};
    json::array devices;
    for (const stats::NicDevice& d : port.devices) devices.push_back(device_of(d));
    json::object row;
    row["name"] = current.startup.ports[i].name;
    row["profile"] = port.profile;
    row["profile_chosen"] = port.profile_named ? "named" : "auto";
    row["flows"] = port.flows;
    row["flows_reason"] = port.flows_reason;
    row["claims"] = claims_of(port);
    row["devices"] = std::move(devices);
    row["drops"] = drops_of(ledger, i);
    rows.push_back(std::move(row));
  }
  return {{"ports", std::move(rows)}};
}

}  // namespace sluice::admin
