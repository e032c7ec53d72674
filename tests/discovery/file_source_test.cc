#include "discovery/file_source.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/configuration_files.h"

namespace sluice::discovery {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Each line of a file is an endpoint; a file that says "bad" is a mistake.
Update read_lines(const fs::path& path) {
  Update u;
  u.endpoints.emplace();
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line == "bad") return {.endpoints = {}, .errors = {"line 1 is bad"}, .warnings = {}};
    u.endpoints->push_back({.address = *sluice::Endpoint::parse(line)});
  }
  return u;
}

class FileSourceTest : public testing::Test {
 protected:
  std::unique_ptr<FileSource> open(const std::string& name) {
    const fs::path path = files.path(name);
    auto source =
        std::make_unique<FileSource>(watcher, path, read_lines, *read_lines(path).endpoints);
    source->start([this](const Update& u) { updates.push_back(u); });
    updates.clear();
    return source;
  }
  // Runs until there are so many updates; a moment longer, so that one too many is seen.
  void wait_for(size_t n) {
    for (int i = 0; updates.size() < n && i < 5000; ++i) run(1ms);
    run(2 * FileWatcher::kDebounce);
    ASSERT_EQ(updates.size(), n);
  }
  void run(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }

  test::Files files;
  boost::asio::io_context io;
  FileWatcher watcher{io};
  std::vector<Update> updates;
};

TEST_F(FileSourceTest, a_changed_file_is_delivered_as_a_whole_new_set) {
  files.write("a", "10.0.0.1:80\n");
  const auto source = open("a");
  files.replace("a", "10.0.0.2:80\n10.0.0.3:80\n");
  wait_for(1);
  EXPECT_EQ(updates[0].endpoints->size(), 2u);
  EXPECT_EQ(source->endpoints(), *updates[0].endpoints);
}

TEST_F(FileSourceTest, a_mistake_leaves_the_last_set_and_is_the_last_error_until_it_is_corrected) {
  files.write("a", "10.0.0.1:80\n");
  const auto source = open("a");
  files.replace("a", "bad\n");
  wait_for(1);
  EXPECT_FALSE(updates[0].endpoints);
  EXPECT_EQ(source->endpoints().size(), 1u);
  EXPECT_EQ(source->last_error(), "line 1 is bad");
  EXPECT_GE(source->age(), 2 * FileWatcher::kDebounce) << "of the set, not of the mistake";
  files.replace("a", "10.0.0.1:80\n");
  wait_for(2);
  EXPECT_EQ(source->last_error(), "");
}

TEST_F(FileSourceTest, a_source_hears_of_its_own_file_only) {
  files.write("a", "10.0.0.1:80\n");
  files.write("b", "10.0.0.2:80\n");
  const auto a = open("a");
  const auto b = open("b");
  files.replace("b", "10.0.0.3:80\n");
  wait_for(1);
  EXPECT_EQ(a->endpoints()[0].address.str(), "10.0.0.1:80");
  EXPECT_EQ(b->endpoints()[0].address.str(), "10.0.0.3:80");
}

TEST_F(FileSourceTest, two_sources_of_one_file_hear_both_and_one_goes_on_without_the_other) {
  files.write("a", "10.0.0.1:80\n");
  auto first = open("a");
  const auto second = open("a");
  files.replace("a", "10.0.0.2:80\n");
  wait_for(2);
  first.reset();
  files.replace("a", "10.0.0.3:80\n");
  wait_for(3);
  EXPECT_EQ(second->endpoints()[0].address.str(), "10.0.0.3:80");
}

TEST_F(FileSourceTest, a_directory_link_that_is_swapped_leads_to_another_file) {
  for (const char* d : {"1", "2"}) fs::create_directory(files.path(d));
  files.write("1/a", "10.0.0.1:80\n");
  files.write("2/a", "10.0.0.2:80\n");
  fs::create_symlink("1", files.path("data"));
  const auto source = open("data/a");
  fs::create_symlink("2", files.path("data_tmp"));
  fs::rename(files.path("data_tmp"), files.path("data"));
  wait_for(1);
  EXPECT_EQ(source->endpoints()[0].address.str(), "10.0.0.2:80");
  files.replace("2/a", "10.0.0.3:80\n");
  wait_for(2);
  EXPECT_EQ(source->endpoints()[0].address.str(), "10.0.0.3:80");
}

TEST_F(FileSourceTest, a_directory_that_another_one_replaces_is_followed) {
  for (const char* d : {"top", "top/certs", "top/certs.new"}) fs::create_directory(files.path(d));
  files.write("top/certs/a", "10.0.0.1:80\n");
  files.write("top/certs.new/a", "10.0.0.2:80\n");
  const auto source = open("top/certs/a");
  fs::rename(files.path("top/certs"), files.path("top/certs.old"));
  fs::rename(files.path("top/certs.new"), files.path("top/certs"));
  wait_for(1);
  EXPECT_EQ(source->endpoints()[0].address.str(), "10.0.0.2:80");
  files.write("top/certs/a", "10.0.0.3:80\n");
  wait_for(2);
  EXPECT_EQ(source->endpoints()[0].address.str(), "10.0.0.3:80");
}

TEST_F(FileSourceTest, directories_that_are_removed_and_made_again_are_followed) {
  fs::create_directories(files.path("top/certs"));
  files.write("top/certs/a", "10.0.0.1:80\n");
  const auto source = open("top/certs/a");
  const auto reaches = [&](const std::string& address) {
    const auto there = [&] {
      return !source->endpoints().empty() && source->endpoints()[0].address.str() == address;
    };
    for (int i = 0; !there() && i < 5000; ++i) run(1ms);
    return there();
  };
  fs::remove_all(files.path("top"));
  run(2 * FileWatcher::kDebounce);
  // One directory at a time, and the file last.
  for (const char* d : {"top", "top/certs"}) {
    fs::create_directory(files.path(d));
    run(2 * FileWatcher::kDebounce);
  }
  files.write("top/certs/a", "10.0.0.2:80\n");
  EXPECT_TRUE(reaches("10.0.0.2:80"));
  files.replace("top/certs/a", "10.0.0.3:80\n");
  EXPECT_TRUE(reaches("10.0.0.3:80"));
  // All at once.
  fs::remove_all(files.path("top"));
  fs::create_directories(files.path("top/certs"));
  files.write("top/certs/a", "10.0.0.4:80\n");
  EXPECT_TRUE(reaches("10.0.0.4:80"));
}

TEST_F(FileSourceTest, a_change_without_an_event_is_found_by_the_poll) {
  FileWatcher polling(io, 5ms);
  int heard = 0;
  FileWatcher::Watch watch(polling, [&] { ++heard; });
  files.write("a", "one");
  watch.set({files.path("a")});
  run(20ms);
  EXPECT_EQ(heard, 0) << "nothing changed";
  // A change of a file's time alone is no event that the watcher asks for.
  fs::last_write_time(files.path("a"), fs::last_write_time(files.path("a")) + 1h);
  for (int i = 0; heard == 0 && i < 5000; ++i) run(1ms);
  run(2 * FileWatcher::kDebounce);
  EXPECT_EQ(heard, 1) << "once for each change";
}

TEST_F(FileSourceTest, a_watch_that_an_older_one_destroys_hears_nothing) {
  files.write("a", "");
  std::optional<FileWatcher::Watch> younger;
  int heard = 0;
  FileWatcher::Watch older(watcher, [&] {
    younger.reset();
    ++heard;
  });
  younger.emplace(watcher, [&] { heard += 100; });
  older.set({files.path("a")});
  younger->set({files.path("a")});
  files.replace("a", "x");
  for (int i = 0; heard == 0 && i < 5000; ++i) run(1ms);
  EXPECT_EQ(heard, 1);
}

}  // namespace
}  // namespace sluice::discovery
