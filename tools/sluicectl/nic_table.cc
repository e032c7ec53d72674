#include <fmt/format.h>

#include "sluicectl/fields.h"
#include "sluicectl/tables.h"

namespace sluicectl {
namespace json = boost::json;
namespace {

std::string device_lines(const json::value& d) {
  std::string out =
      fmt::format("  device {}: {}, {} queue(s) of {} receive and {} transmit descriptors\n",
                  text(d, "name"), "link " + text(d, "link_text"), number(d, "queues"),
                  number(d, "rx_descriptors"), number(d, "tx_descriptors"));
  for (const json::value& m : d.at("members").as_array())
    out += fmt::format("    member {}: link {}\n", text(m, "name"), text(m, "link_text"));
  out += fmt::format("    driver {}", text(d, "driver"));
  if (const std::string pci = text(d, "pci"); !pci.empty()) out += ", PCI id " + pci;
  if (const std::string interface = text(d, "interface"); !interface.empty())
    out += fmt::format(", interface {} of the kernel's driver {}", interface,
                       dash_if_empty(text(d, "kernel_driver")));
  out += fmt::format(", MAC {}, MTU {}\n", text(d, "mac"), number(d, "mtu"));
  out += fmt::format("    rx missed {}, rx errors {}, rx no buffer {}, tx errors {}\n",
                     count(number(d, "rx_missed")), count(number(d, "rx_errors")),
                     count(number(d, "rx_no_buffer")), count(number(d, "tx_errors")));
  for (const auto& [name, value] : d.at("counters").as_object())
    out += fmt::format("    {:<34} {:>15}\n", std::string_view(name),
                       count(value.to_number<uint64_t>()));
  return out;
}

std::string claims_lines(const json::array& claims) {
  using enum Columns::Align;
  Columns c;
  for (const char* h : {"  CLAIM", "PROFILE", "DEVICE", "USED"}) c.column(h, kLeft);
  for (const json::value& r : claims)
    c.row({"  " + text(r, "key"), text(r, "claimed"), text(r, "offered"), text(r, "used")});
  return c.str();
}

}  // namespace

std::string nic_table(const json::value& answer) {
  std::string out;
  for (const json::value& p : answer.at("ports").as_array()) {
    if (!out.empty()) out += "\n";
    out += fmt::format("port {}: profile {} ({}), flows {}", text(p, "name"),
                       dash_if_empty(text(p, "profile")), text(p, "profile_chosen"),
                       dash_if_empty(text(p, "flows")));
    const std::string reason = text(p, "flows_reason");
    out += reason.empty() ? "\n" : ": " + reason + "\n";
    for (const json::value& d : p.at("devices").as_array()) out += device_lines(d);
    out += claims_lines(p.at("claims").as_array());
    out += "  dropped\n" + nonzero(p.at("drops").as_object(), "    ");
  }
  return out.empty() ? "no ports\n" : out;
}

}  // namespace sluicectl
