// Configurations as people write them: the printed example, and slips.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "loader/load.h"
#include "support/configuration_files.h"

namespace sluice::loader {
namespace {

namespace fs = std::filesystem;
using test::Files;

std::string content(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// Texts only, a line each.
std::string texts(const Mistakes& all) {
  std::string out;
  for (const Mistake& m : all) out += m.text + "\n";
  return out;
}

TEST(Example, of_the_documentation_loads_without_mistakes_and_warnings) {
  const Loaded l = load(fs::path(SLUICE_REPOSITORY) / "docs/example/sluiced.toml");
  EXPECT_EQ(texts(l.mistakes), "");
  EXPECT_EQ(texts(l.warnings), "");
  ASSERT_TRUE(l.snapshot);
  EXPECT_EQ(l.snapshot->services.at(0).pods.size(), 2u);
}

TEST(Example, of_the_README_is_the_file) {
  const fs::path repository = SLUICE_REPOSITORY;
  const std::string readme = content(repository / "README.md");
  for (const char* file : {"docs/example/sluiced.toml", "docs/example/endpoints.toml"}) {
    std::string text = content(repository / file);
    if (const auto at = text.find("dpdk ="); at != std::string::npos) text.erase(0, at);
    EXPECT_NE(readme.find(text), std::string::npos) << file;
  }
}

TEST(Warnings, a_pod_without_a_route_and_a_service_without_a_listener_are_said) {
  Files files;
  files.write("endpoints.toml",
              "endpoints = [{ address = \"198.18.0.77:80\" }, { address = \"203.0.113.5:80\" }]\n");
  files.write("sluiced.toml", files.config("[[service]]\nname = \"idle\"\nendpoints = []\n"));
  const Loaded l = load(files.path("sluiced.toml"));
  EXPECT_TRUE(l.snapshot);
  EXPECT_EQ(texts(l.warnings),
            "no listener uses the service idle\n"
            "no port has a network or a route for the pod 203.0.113.5:80; it gets no calls\n");
}

TEST(Mistakes, more_workers_than_cores_that_are_named_are_refused_by_the_check) {
  Files files;
  std::string text = files.config();
  text.replace(text.find("workers = 1"), 11, "workers = 2");
  files.write("sluiced.toml", text);
  const std::string said = texts(load(files.path("sluiced.toml")).mistakes);
  EXPECT_NE(said.find("worker_cores names 1 cores, but there are 2 workers"), std::string::npos)
      << said;
}

TEST(Mistakes, of_one_cause_are_said_once) {
  Files files;
  std::string text = files.config();
  fs::remove(files.path("dpdk.toml"));
  files.write("sluiced.toml", text);
  EXPECT_EQ(load(files.path("sluiced.toml")).mistakes.size(), 1u)
      << texts(load(files.path("sluiced.toml")).mistakes);

  files.write("dpdk.toml", Files::kDpdk);
  text = files.config();
  text.replace(text.find("name = \"echo\""), 13, "nome = \"echo\"");
  files.write("sluiced.toml", text);
  const std::string said = texts(load(files.path("sluiced.toml")).mistakes);
  EXPECT_EQ(said.find("there is no service"), std::string::npos) << said;
  EXPECT_NE(said.find("[[service]] lacks name"), std::string::npos) << said;
}

TEST(Mistakes, name_the_table_by_its_whole_path) {
  Files files;
  files.write("sluiced.toml", files.config("[guards.resets]\nburts = 5\n"));
  const std::string said = texts(load(files.path("sluiced.toml")).mistakes);
  EXPECT_NE(said.find("unknown key burts in [guards.resets]"), std::string::npos) << said;
}

TEST(Mistakes, a_forgotten_quote_is_said_with_its_line) {
  Files files;
  std::string text = files.config();
  text.replace(text.find("name = \"north\""), 14, "name = north");
  files.write("sluiced.toml", text);
  const Mistakes all = load(files.path("sluiced.toml")).mistakes;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all[0].text.find("text in quotes"), std::string::npos) << all[0].text;
  EXPECT_NE(all[0].text.find("name = north"), std::string::npos) << all[0].text;
}

}  // namespace
}  // namespace sluice::loader
