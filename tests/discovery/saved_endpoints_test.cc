#include "discovery/saved_endpoints.h"

#include <gtest/gtest.h>

#include "support/configuration_files.h"

namespace sluice::discovery {
namespace {

SavedEndpoints example() {
  const std::chrono::system_clock::time_point confirmed{std::chrono::seconds(1'700'000'000)};
  return {{"dns pods.test:80", {.endpoints = {}, .confirmed = confirmed}},
          {"kubernetes default/greeter:grpc",
           {.endpoints = {{.address = *sluice::Endpoint::parse("[2001:db8::1]:80"),
                           .id = "uid \"quoted\"",
                           .conditions = {.ready = false, .serving = true, .terminating = true},
                           .zone = "west",
                           .weight = 7}},
            .confirmed = confirmed}}};
}

TEST(SavedEndpoints, what_was_written_is_read) {
  const test::Files files;
  EXPECT_TRUE(read_saved(files.path("")).empty()) << "there is no file yet";
  write_saved(files.path(""), saved_text(example()));
  EXPECT_EQ(read_saved(files.path("")), example());
  EXPECT_FALSE(std::filesystem::exists(files.path("endpoints.json.new")));
}

TEST(SavedEndpoints, a_file_that_was_cut_or_changed_is_refused) {
  const std::string text = saved_text(example());
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW(read_saved_text(text.substr(0, size)), std::runtime_error) << size;
  std::string changed = text;
  changed[changed.find("2001")] = '3';
  EXPECT_THROW(read_saved_text(changed), std::runtime_error);
}

TEST(SavedEndpoints, a_directory_that_is_not_there_is_an_error_with_its_name) {
  try {
    write_saved("/nonexistent", "");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("/nonexistent/endpoints.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::discovery
