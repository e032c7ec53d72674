// docs/http2.md says which test covers which rule. It must not promise what nobody checks.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace sluice::http2 {
namespace {

const std::filesystem::path kRepository = SLUICE_REPOSITORY;

std::string read(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}
// The first group of every match.
std::set<std::string> all(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at)
    found.insert((*at)[1]);
  return found;
}

TEST(Page, names_only_tests_that_exist) {
  std::set<std::string> tests;
  for (const char* place : {"tests/http2", "tests/relay"})
    for (const auto& file : std::filesystem::directory_iterator(kRepository / place))
      if (file.path().extension() == ".cc")
        tests.merge(all(read(file.path()), R"(TEST(?:_F|_P)?\(\w+,\s*(\w+)\))"));
  // As the two styles write names: words and underscores, or words that begin with capitals.
  const std::string page = read(kRepository / "docs/http2.md");
  std::set<std::string> named = all(page, R"(\b([a-z0-9]+(?:_[a-z0-9]+){3,})\b)");
  named.merge(
      all(page, R"(\b((?=(?:[a-z0-9]*[A-Z]){3})(?=[A-Z0-9]*[a-z]{2}|\w*[a-z]{3})[A-Z]\w+)\b)"));
  named.erase("HAProxy");
  EXPECT_GT(named.size(), 100u);
  for (const std::string& name : named) EXPECT_TRUE(tests.contains(name)) << name;
}

}  // namespace
}  // namespace sluice::http2
