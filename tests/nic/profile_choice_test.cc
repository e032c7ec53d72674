// Which profile a device gets, by the [match] tables of nic_profiles/.

#include "nic/profile_choice.h"

#include <gtest/gtest.h>

#include "nic/eal.h"

namespace sluice::nic {
namespace {

config::NicProfile profile(const std::string& name, const config::NicMatch& match) {
  config::NicProfile p;
  p.name = name;
  p.match = match;
  return p;
}

const std::vector<config::NicProfile> kCandidates{
    profile("af_xdp", {.drivers = {"net_af_xdp"}, .kernel_drivers = {"ice", "mlx5_core"}}),
    profile("af_xdp-veth", {.drivers = {"net_af_xdp"}, .kernel_drivers = {"veth"}}),
    profile("e1000", {.drivers = {"net_e1000_em"}, .pci = {"8086:100e"}}),
    profile("e1000e", {.drivers = {"net_e1000_em"}}),
    profile("generic-pci", {.buses = {"pci"}}),
    profile("mine", {}),
};

std::string chosen(const DeviceIdentity& identity) {
  return choose_profile("north", identity, kCandidates).name;
}
std::string refusal(const DeviceIdentity& identity,
                    const std::vector<config::NicProfile>& candidates = kCandidates) {
  try {
    return "chose " + choose_profile("north", identity, candidates).name;
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(ProfileChoice, goes_by_driver_and_pci_id) {
  EXPECT_EQ(chosen({.driver = "net_e1000_em", .bus = "pci", .pci = "8086:100e"}), "e1000");
  EXPECT_EQ(chosen({.driver = "net_e1000_em", .bus = "pci", .pci = "8086:10d3"}), "e1000e");
}

TEST(ProfileChoice, tells_veth_from_a_physical_nic_behind_af_xdp) {
  EXPECT_EQ(chosen({.driver = "net_af_xdp", .bus = "vdev", .kernel_driver = "veth"}),
            "af_xdp-veth");
  EXPECT_EQ(chosen({.driver = "net_af_xdp", .bus = "vdev", .kernel_driver = "ice"}), "af_xdp");
}

TEST(ProfileChoice, falls_back_by_bus_only_where_no_profile_names_the_driver) {
  EXPECT_EQ(chosen({.driver = "net_strange", .bus = "pci", .pci = "1234:5678"}), "generic-pci");
}

TEST(ProfileChoice, refuses_a_device_that_nothing_matches_and_names_the_likely_profiles) {
  const std::string text = refusal({.device = "net_af_xdp0",
                                    .driver = "net_af_xdp",
                                    .bus = "vdev",
                                    .interface = "eth0",
                                    .kernel_driver = "virtio_net"});
  EXPECT_EQ(text.find("port 'north' (net_af_xdp0): no profile matches its device"), 0u) << text;
  for (const char* word : {"virtio_net", "eth0", "af_xdp, af_xdp-veth", "profile = \"af_xdp\""})
    EXPECT_NE(text.find(word), std::string::npos) << word << " in " << text;
  EXPECT_NE(refusal({.driver = "net_pcap", .bus = "vdev"}).find("docs/hardware.md"),
            std::string::npos);
}

TEST(ProfileChoice, refuses_to_guess_between_profiles_that_match_equally_well) {
  std::vector<config::NicProfile> two = kCandidates;
  two.push_back(profile("mine-too", {.drivers = {"net_e1000_em"}}));
  const std::string text =
      refusal({.driver = "net_e1000_em", .bus = "pci", .pci = "8086:10d3"}, two);
  EXPECT_NE(text.find("e1000e, mine-too"), std::string::npos) << text;
}

TEST(ProfileChoice, refuses_a_port_of_different_devices) {
  const DeviceIdentity veth{.device = "a", .driver = "net_af_xdp", .kernel_driver = "veth"};
  const DeviceIdentity nic{.device = "b", .driver = "net_af_xdp", .kernel_driver = "ice"};
  EXPECT_EQ(choose_profile("north", {veth, veth}, kCandidates).name, "af_xdp-veth");
  EXPECT_THROW(choose_profile("north", {veth, nic}, kCandidates), Error);
}

TEST(Identity, the_kernel_names_the_driver_of_an_interface) {
  EXPECT_EQ(kernel_driver_of("no-such-if"), "");
}

}  // namespace
}  // namespace sluice::nic
