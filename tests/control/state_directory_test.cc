#include "controller_fixture.h"

#include "discovery/saved_endpoints.h"

namespace sluice::control {
namespace {

namespace fs = std::filesystem;

// The pods of the service are those of a name that no DNS server knows: nobody listens at port 1.
class StateDirectoryTest : public ControllerTest {
 protected:
  void SetUp() override {
    text = files.config("[dns]\nservers = [\"127.0.0.1:1\"]\n");
    replace("{ file = \"endpoints.toml\" }", "{ dns = \"pods.test:80\" }");
    replace("[sluice]\n", "[sluice]\nstate_directory = \".\"\n");
    files.write("sluiced.toml", text);
    const auto saved = discovery::saved_text(
        {{"dns pods.test:80",
          {.endpoints = {{.address = *Endpoint::parse("10.0.0.7:80")}},
           .confirmed = std::chrono::system_clock::now() - std::chrono::hours(1)}}});
    discovery::write_saved(files.path(""), damage ? saved + " " : saved);
    ControllerTest::SetUp();
  }
  void replace(const std::string& what, const std::string& with) {
    text.replace(text.find(what), what.size(), with);
  }

  std::string text;  // of the configuration
  Log log;
  bool damage = false;
};

class DamagedStateTest : public StateDirectoryTest {
 protected:
  DamagedStateTest() { damage = true; }
};

TEST_F(StateDirectoryTest, a_start_without_dns_has_the_pods_of_the_last_run_and_says_so) {
  ASSERT_EQ(pods(), 1u);
  EXPECT_EQ(published.get()->services[0].pods[0].endpoint.str(), "10.0.0.7:80");
  // An hour ago when the test began, which may be some seconds ago itself.
  EXPECT_TRUE(log.has("dns pods.test:80: 1 endpoint(s) as they were 36")) << log.str();
}

TEST_F(StateDirectoryTest, the_file_keeps_the_moment_at_which_the_source_confirmed_the_pods) {
  const auto confirmed = [&] {
    return discovery::read_saved(files.path("")).at("dns pods.test:80").confirmed;
  };
  const auto before = confirmed();
  const auto written = fs::last_write_time(files.path("endpoints.json"));
  turns_until([&] { return fs::last_write_time(files.path("endpoints.json")) != written; }, 3000);
  EXPECT_NE(fs::last_write_time(files.path("endpoints.json")), written);
  EXPECT_LE(confirmed() - before, std::chrono::seconds(1));
}

TEST_F(StateDirectoryTest, a_refused_configuration_leaves_the_directory_as_it_was) {
  const fs::path other = files.path("other");
  fs::create_directory(other);
  discovery::SavedSet many{.endpoints = {}, .confirmed = std::chrono::system_clock::now()};
  for (uint32_t i = 0; i <= stats::kMaxPods; ++i)
    many.endpoints.push_back({.address = {Address::v4(0x0a010000u + i), 80}});
  discovery::write_saved(other, discovery::saved_text({{"dns many.test:80", many}}));
  replace("pods.test:80", "many.test:80");
  replace("state_directory = \".\"", "state_directory = \"other\"");
  const auto written = fs::last_write_time(files.path("endpoints.json"));
  const auto untouched = fs::last_write_time(other / "endpoints.json");
  files.write("sluiced.toml", text);
  EXPECT_FALSE(controller->reload("asked"));
  EXPECT_TRUE(log.has("refused: ")) << log.str();
  turns_until([&] { return fs::last_write_time(files.path("endpoints.json")) != written; }, 5000);
  EXPECT_NE(fs::last_write_time(files.path("endpoints.json")), written);
  EXPECT_EQ(fs::last_write_time(other / "endpoints.json"), untouched);
}

TEST_F(DamagedStateTest, a_damaged_file_is_not_used_and_the_log_says_why) {
  EXPECT_EQ(pods(), 0u);
  EXPECT_TRUE(log.has("the checksum is wrong")) << log.str();
}

}  // namespace
}  // namespace sluice::control
