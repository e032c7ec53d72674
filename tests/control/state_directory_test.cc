#include "controller_fixture.h"

#include "discovery/saved_endpoints.h"

namespace sluice::control {
namespace {

namespace fs = std::filesystem;

// The pods of the service are those of a name that no DNS server knows: nobody listens at port 1.
class StateDirectoryTest : public ControllerTest {
 protected:
  void SetUp() override {
    std::string text = files.config("[dns]\nservers = [\"127.0.0.1:1\"]\n");
    const auto replace = [&](const std::string& what, const std::string& with) {
      text.replace(text.find(what), what.size(), with);
    };
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

TEST_F(DamagedStateTest, a_damaged_file_is_not_used_and_the_log_says_why) {
  EXPECT_EQ(pods(), 0u);
  EXPECT_TRUE(log.has("the checksum is wrong")) << log.str();
}

}  // namespace
}  // namespace sluice::control
