#include "discovery/saved_routes.h"

#include <stdexcept>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "discovery/state_file.h"
#include "support/configuration_files.h"

namespace sluice::discovery {
namespace {

SavedRoutes routes() {
  return {.server = "https://10.0.0.1:6443",
          .nodes = {{*Prefix::parse("10.244.1.0/24"), *Address::parse("192.168.0.11")},
                    {*Prefix::parse("fd00:244::/64"), *Address::parse("fd00::11")}},
          .kernel = {{*Prefix::parse("10.7.0.0/16"), *Address::parse("192.168.0.7")}}};
}

TEST(SavedRoutes, are_read_as_they_were_written) {
  const test::Files files;
  EXPECT_EQ(read_saved_routes(files.path("")), SavedRoutes()) << "there is no file yet";
  write_state_file(files.path("routes.json"), saved_routes_text(routes()));
  EXPECT_EQ(read_saved_routes(files.path("")), routes());
}

TEST(SavedRoutes, that_were_cut_or_changed_are_refused) {
  const std::string text = saved_routes_text(routes());
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW(read_saved_routes_text(text.substr(0, size)), std::runtime_error) << size;
  std::string changed = text;
  changed[changed.find("244")] = '3';
  EXPECT_THROW(read_saved_routes_text(changed), std::runtime_error);
}

TEST(SavedRoutes, of_another_form_are_refused) {
  for (const char* text : {R"({"server": "x", "nodes": []})", R"([])",
                           R"({"server": "x", "nodes": [{"to": "10.0.0.0/8", "via": "fd00::1"}],
                               "kernel": []})",
                           R"({"server": "x", "nodes": [{"to": "10.0.0.0/8"}], "kernel": []})"})
    EXPECT_THROW(read_saved_routes_text(checked_text(boost::json::parse(text))), std::runtime_error)
        << text;
}

}  // namespace
}  // namespace sluice::discovery
