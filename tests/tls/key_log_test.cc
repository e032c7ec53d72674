#include "tls/key_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tls/certificates.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;

TEST(KeyLogFile, gets_lines_behind_those_that_it_has_and_only_its_owner_may_read_it) {
  Directory files;
  const fs::path file = files.write("secrets.keys", "one\n");
  fs::permissions(file, fs::perms::owner_all | fs::perms::group_read | fs::perms::others_read);
  ASSERT_EQ(tls::open_key_log(file), "");
  tls::write_key_log("two");
  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "one\ntwo\n");
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(KeyLogFile, is_no_device_no_link_and_no_pipe) {
  Directory files;
  const fs::path file = files.write("secrets.keys", "");
  EXPECT_EQ(tls::open_key_log("/dev/null"), "it is not a file");
  const fs::path link = file.parent_path() / "link";
  fs::create_symlink(file, link);
  EXPECT_NE(tls::open_key_log(link), "");
  const fs::path pipe = file.parent_path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(tls::open_key_log(pipe), "") << "and the start does not wait for a reader";
  EXPECT_NE(tls::open_key_log(file.parent_path() / "no" / "directory"), "");
}

}  // namespace
}  // namespace sluice::test
