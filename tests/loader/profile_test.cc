// Profiles of NICs: named, matched, and those that are shipped.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "loader/load.h"
#include "support/configuration_files.h"

namespace sluice::loader {
namespace {

using test::Files;

const std::string kShipped = SLUICE_REPOSITORY "/nic_profiles";

// The configuration with another `profile`, and a directory of profiles if `root` says so.
Loaded load_with(const Files& files, const std::string& profile, const std::string& root = "") {
  std::string text = files.config();
  const std::string line = "profile = \"nic.toml\"\n";
  text.replace(text.find(line), line.size(), profile);
  files.write("sluiced.toml", root + text);
  return load(files.path("sluiced.toml"));
}

std::string first_mistake(const Loaded& l) {
  return l.mistakes.empty() ? "" : l.mistakes[0].text;
}

TEST(Profile, is_left_to_sluice_by_auto_and_by_no_word_at_all) {
  Files files;
  for (const char* line : {"", "profile = \"auto\"\n"}) {
    const Loaded l = load_with(files, line);
    ASSERT_TRUE(l.snapshot) << first_mistake(l);
    EXPECT_FALSE(l.snapshot->startup.ports[0].profile);
    EXPECT_GE(l.snapshot->startup.nic_profiles.size(), 20u);
  }
}

TEST(Profile, is_a_path_or_a_name_in_the_directory) {
  Files files;
  Loaded l = load_with(files, "profile = \"./nic.toml\"\n");
  ASSERT_TRUE(l.snapshot) << first_mistake(l);
  EXPECT_EQ(l.snapshot->startup.ports[0].profile->name, "nic");
  EXPECT_TRUE(l.snapshot->startup.nic_profiles.empty()) << "nobody asks for them";
  l = load_with(files, "profile = \"ice\"\n");
  ASSERT_TRUE(l.snapshot) << first_mistake(l);
  EXPECT_EQ(l.snapshot->startup.ports[0].profile->name, "ice");
  l = load_with(files, "profile = \"nic\"\n", "nic_profiles = \".\"\n");
  ASSERT_TRUE(l.snapshot) << first_mistake(l);
  EXPECT_EQ(l.snapshot->startup.ports[0].profile->name, "nic");
  EXPECT_NE(first_mistake(load_with(files, "profile = \"icy\"\n")).find("icy.toml"),
            std::string::npos);
}

TEST(Profile, has_no_candidates_in_a_directory_that_is_missing) {
  Files files;
  const std::string text = first_mistake(load_with(files, "", "nic_profiles = \"nowhere\"\n"));
  EXPECT_NE(text.find("nowhere has no profile (No such file or directory)"), std::string::npos)
      << text;
}

TEST(Profile, says_all_that_it_can_say) {
  Files files;
  files.write("nic.toml", R"(
multi_segment = true
rx_checksum = true
lro = true
scatter = true
flows = "returns-where-sent"
tx_segments = 40
[match]
drivers = ["net_x"]
pci = ["1234:5678"]
kernel_drivers = ["x"]
buses = ["pci"]
)");
  const Loaded l = load(files.path("sluiced.toml"));
  ASSERT_TRUE(l.snapshot) << first_mistake(l);
  const config::NicProfile& p = *l.snapshot->startup.ports[0].profile;
  EXPECT_TRUE(p.rx_checksum && p.lro && p.scatter);
  EXPECT_EQ(p.flows, config::Flows::kReturnsWhereSent);
  EXPECT_EQ(p.tx_segments, 40);
  EXPECT_EQ(p.match.drivers, std::vector<std::string>{"net_x"});
  EXPECT_EQ(p.match.pci, std::vector<std::string>{"1234:5678"});
  EXPECT_EQ(p.match.kernel_drivers, std::vector<std::string>{"x"});
  EXPECT_EQ(p.match.buses, std::vector<std::string>{"pci"});
}

TEST(Profile, knows_three_words_for_flows) {
  Files files;
  files.write("nic.toml", "flows = \"maybe\"\n");
  EXPECT_EQ(first_mistake(load(files.path("sluiced.toml"))),
            "flows = \"maybe\" is unknown; allowed: none, rss, returns-where-sent");
}

class Shipped : public testing::Test {
 protected:
  void SetUp() override {
    Loaded l = load_with(files, "", "nic_profiles = \"" + kShipped + "\"\n");
    ASSERT_TRUE(l.snapshot) << first_mistake(l);
    profiles = l.snapshot->startup.nic_profiles;
  }
  Files files;
  std::vector<config::NicProfile> profiles;
};

TEST_F(Shipped, profiles_are_for_one_family_each) {
  for (const char* family :
       {"mlx5", "ice", "i40e", "ixgbe", "iavf", "ena", "gve", "virtio", "vmxnet3", "e1000",
        "e1000e", "igb", "igc", "bnxt", "af_xdp", "af_xdp-veth", "tap", "memif", "vhost"})
    EXPECT_TRUE(std::any_of(profiles.begin(), profiles.end(), [&](const config::NicProfile& p) {
      return p.name == family;
    })) << family;
}

// As many lists with other values tell two profiles of one driver apart.
TEST_F(Shipped, profiles_of_one_driver_differ_in_pci_ids_or_kernel_drivers) {
  std::map<std::string, std::vector<const config::NicProfile*>> by_driver;
  for (const config::NicProfile& p : profiles) {
    // The device of this one has another profile's match, and is able to do more.
    if (p.name == "virtio-rss") continue;
    EXPECT_TRUE(p.match != config::NicMatch{}) << p.name << " matches nothing";
    for (const std::string& driver : p.match.drivers)
      for (const config::NicProfile* other : by_driver[driver])
        EXPECT_FALSE(other->match.pci == p.match.pci &&
                     other->match.kernel_drivers == p.match.kernel_drivers)
            << p.name << " and " << other->name;
    for (const std::string& driver : p.match.drivers) by_driver[driver].push_back(&p);
  }
}

TEST_F(Shipped, profiles_that_cannot_send_chains_do_not_claim_tso) {
  for (const config::NicProfile& p : profiles)
    EXPECT_TRUE(!p.tso || (p.multi_segment && p.tx_checksum)) << p.name;
}

}  // namespace
}  // namespace sluice::loader
