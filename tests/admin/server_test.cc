#include "admin/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <future>

#include "sluicectl/client.h"
#include "support/configuration_files.h"

namespace sluice::admin {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class ServerTest : public testing::Test {
 protected:
  void run(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }
  // Runs until the condition holds, for `most` turns of a millisecond at the most; how many it
  // took. A moment in which the machine stands still is one turn, however long it is.
  template <class Condition>
  int turns_until(Condition condition, int most) {
    int turns = 0;
    for (; !condition() && turns < most; ++turns) run(1ms);
    return turns;
  }
  // sluicectl asks on a thread of its own while the server runs here.
  std::string ask(const std::string& command) {
    auto answer = std::async(std::launch::async, [&] {
      return sluicectl::ask(files.path("admin.sock").string(), command);
    });
    while (answer.wait_for(0s) != std::future_status::ready) run(1ms);
    return answer.get();
  }
  int connect_raw() {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strcpy(a.sun_path, files.path("admin.sock").c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    return fd;
  }

  test::Files files;
  boost::asio::io_context io;
  Server server{io, files.path("admin.sock"),
                [](std::string_view command, const boost::json::object&) {
                  return boost::json::object{{command, boost::json::array()}};
                }};
};

TEST_F(ServerTest, the_socket_is_for_owner_and_group) {
  const auto s = fs::status(files.path("admin.sock"));
  EXPECT_EQ(s.permissions(), fs::perms(0660));
}

TEST_F(ServerTest, a_request_without_end_is_cut_off_and_others_are_served) {
  const int fd = connect_raw();
  const std::string junk(100'000, 'x');
  ::send(fd, junk.data(), junk.size(), MSG_NOSIGNAL);
  run(20ms);
  char answer[256];
  EXPECT_GT(::recv(fd, answer, sizeof answer, 0), 0);
  run(5ms);
  EXPECT_NE(ask("pods").find("\"pods\""), std::string::npos);
  ::close(fd);
}

TEST_F(ServerTest, silent_clients_neither_pile_up_nor_keep_others_out_for_good) {
  std::vector<int> fds;
  for (size_t i = 0; i < Server::kMaxSessions; ++i) fds.push_back(connect_raw());
  run(20ms);
  const int over = connect_raw();
  run(20ms);
  char byte;
  EXPECT_EQ(::recv(over, &byte, 1, 0), 0) << "one more is closed at once";
  const int patience = std::chrono::milliseconds(Server::kPatience).count();
  turns_until([&] { return ::recv(fds[0], &byte, 1, 0) == 0; }, patience + 200);
  EXPECT_EQ(::recv(fds[0], &byte, 1, 0), 0) << "a silent one is closed after a while";
  EXPECT_NE(ask("pods").find("\"pods\""), std::string::npos);
  for (const int fd : fds) ::close(fd);
  ::close(over);
}

TEST_F(ServerTest, a_living_daemons_socket_is_not_taken_over) {
  boost::asio::io_context other;
  EXPECT_THROW(
      Server(other, files.path("admin.sock"),
             [](std::string_view, const boost::json::object&) { return boost::json::object(); }),
      std::runtime_error);
  EXPECT_TRUE(fs::exists(files.path("admin.sock")));
}

TEST_F(ServerTest, what_is_in_the_way_of_the_socket_is_known_before_anything_is_opened) {
  EXPECT_NE(Server::obstacle(files.path("admin.sock")).find("another sluiced answers"),
            std::string::npos);
  EXPECT_EQ(Server::obstacle(files.path("other.sock")), "");
  EXPECT_NE(Server::obstacle("/proc/none/sluiced.sock").find("cannot be made"), std::string::npos);
}

TEST(Server, replaces_the_socket_of_a_dead_daemon) {
  test::Files files;
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strcpy(a.sun_path, files.path("admin.sock").c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  ::close(fd);
  boost::asio::io_context io;
  Server server(io, files.path("admin.sock"),
                [](std::string_view, const boost::json::object&) { return boost::json::object(); });
}

}  // namespace
}  // namespace sluice::admin
