#include "nic/device_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nic/eal.h"
#include "nic/privileges.h"

namespace sluice::nic {
namespace {

TEST(DeviceLock, is_of_the_interface_that_a_vdev_opens) {
  EXPECT_EQ(shared_device("net_af_xdp0,iface=north,start_queue=0"), "north");
  EXPECT_EQ(shared_device("net_tap0,iface=tap7"), "tap7");
  EXPECT_EQ(shared_device("net_memif0,role=client,id=0"), "");
  EXPECT_EQ(shared_device("net_null0"), "");
}

TEST(DeviceLock, a_second_holder_is_refused_and_hears_who_is_the_first) {
  const DeviceLocks first({"lock-test-a", "lock-test-b"});
  try {
    const DeviceLocks second({"lock-test-c", "lock-test-b"});
    FAIL();
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("'lock-test-b' is in use by process " + std::to_string(getpid())),
              std::string::npos)
        << text;
  }
  const DeviceLocks other({"lock-test-c"});  // the failed attempt kept nothing
}

TEST(DeviceLock, two_queues_of_one_interface_are_one_device) {
  const DeviceLocks locks({"lock-test-q", "lock-test-q"});
}

TEST(DeviceLock, is_free_again_after_its_holder_was_killed) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const DeviceLocks held({"lock-test-k"});
    (void)!write(ready[1], "x", 1);
    pause();
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_THROW(DeviceLocks({"lock-test-k"}), Error);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const DeviceLocks mine({"lock-test-k"});
  close(ready[0]);
  close(ready[1]);
}

TEST(Privileges, all_that_a_user_without_rights_lacks_is_said_at_once) {
  if (geteuid() != 0) GTEST_SKIP() << "gives its rights away, for which it must have some";
  int answer[2];
  ASSERT_EQ(pipe(answer), 0);
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65'534;
    std::string text = setuid(kNobody) == 0 ? "" : "no setuid";
    for (const std::string& m : missing_privileges(
             {.memory_mib = 1 << 20, .vdevs = {"net_af_xdp0,iface=a", "net_tap0,iface=b"}}))
      text += m + "\n";
    (void)!write(answer[1], text.data(), text.size());
    _exit(0);
  }
  close(answer[1]);
  std::string said;
  char piece[4096];
  for (ssize_t n; (n = read(answer[0], piece, sizeof piece)) > 0;)
    said.append(piece, static_cast<size_t>(n));
  close(answer[0]);
  waitpid(child, nullptr, 0);
  for (const char* one : {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_IPC_LOCK"})
    EXPECT_NE(said.find(one), std::string::npos) << said;
}

TEST(Privileges, a_device_inside_of_the_process_needs_none) {
  EXPECT_TRUE(missing_privileges({.vdevs = {"net_null0"}}).empty());
}

}  // namespace
}  // namespace sluice::nic
