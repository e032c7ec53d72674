// The steering program in the kernel, on a TAP device with several queues in a network namespace of
// the test's own: each frame arrives at the queue of the worker that owns its flow, as
// steer::Owner names it. Skipped without the privileges for it.

#include "nic/steering_program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "base/byte_order.h"
#include "nic/tun_device.h"
#include "nic/virtio_header.h"
#include "steer/owner.h"

namespace sluice::nic {
namespace {

constexpr unsigned kWorkers = 3;

class Steering : public testing::Test {
 protected:
  void SetUp() override {
    outside_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (::access("/dev/net/tun", R_OK | W_OK) != 0 || ::unshare(CLONE_NEWNET) != 0)
      GTEST_SKIP() << "needs root and /dev/net/tun";
    device_ = std::make_unique<TunDevice>(TunOptions{.interface = "t0", .queues = kWorkers});
    ip("addr add 198.18.0.1/24 dev t0");
    ip("addr add 2001:db8::1/64 dev t0 nodad");
    for (const char* local : {"198.18.0.10", "198.18.0.99", "2001:db8::a", "2001:db8::99"})
      ip(std::string("neigh replace ") + local + " lladdr 02:00:00:00:00:07 dev t0");
  }
  void TearDown() override {
    device_.reset();
    ASSERT_EQ(::setns(outside_, CLONE_NEWNET), 0);
    ::close(outside_);
  }
  static void ip(const std::string& arguments) {
    ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << arguments;
  }

  static Address address(const std::string& text) { return *Address::parse(text); }

  // Sluice has the addresses that end with 10 and with a.
  steer::Owner owner() const {
    const std::vector<steer::OwnerPort> ports{
        {.addresses = {{address("198.18.0.10"), 96 + 24}, {address("2001:db8::a"), 64}}}};
    return {kWorkers, SipKey{1, 2}, ports, steer::EphemeralPorts{40'000, 50'000}};
  }
  FlowOwners facts(const steer::Owner& o) const {
    return {.workers = o.workers(),
            .key = o.key(),
            .addresses = {address("198.18.0.10"), address("2001:db8::a")},
            .first_port = o.ephemeral().first,
            .last_port = o.ephemeral().last};
  }

  // Sends a datagram from the kernel's address, and returns the queue at which it arrives; -1:
  // none.
  int arrives_at(const std::string& local, uint16_t local_port, uint16_t remote_port) {
    const bool v4 = local.find('.') != std::string::npos;
    const int s = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (v4) {
      sockaddr_in from{.sin_family = AF_INET, .sin_port = htons(remote_port)};
      sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(local_port)};
      ::inet_pton(AF_INET, local.c_str(), &to.sin_addr);
      EXPECT_EQ(::bind(s, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
      EXPECT_EQ(::sendto(s, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 1);
    } else {
      sockaddr_in6 from{.sin6_family = AF_INET6, .sin6_port = htons(remote_port)};
      sockaddr_in6 to{.sin6_family = AF_INET6, .sin6_port = htons(local_port)};
      ::inet_pton(AF_INET6, local.c_str(), &to.sin6_addr);
      EXPECT_EQ(::bind(s, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
      EXPECT_EQ(::sendto(s, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 1);
    }
    ::close(s);
    for (;;) {
      std::array<pollfd, kWorkers> queues;
      for (unsigned q = 0; q < kWorkers; ++q) queues[q] = {device_->queue(q), POLLIN, 0};
      if (::poll(queues.data(), kWorkers, 2000) <= 0) return -1;
      for (unsigned q = 0; q < kWorkers; ++q) {
        if ((queues[q].revents & POLLIN) == 0) continue;
        uint8_t frame[2048];
        if (::read(queues[q].fd, frame, sizeof frame) < 0) continue;
        // Others are the kernel's own: neighbour discovery, multicast.
        const size_t ports = sizeof(VirtioHeader) + 14 + (v4 ? 20 : 40);
        if (load_be16(frame + ports) == remote_port && load_be16(frame + ports + 2) == local_port)
          return static_cast<int>(q);
      }
    }
  }

  int outside_ = -1;
  std::unique_ptr<TunDevice> device_;
};

TEST_F(Steering, a_flow_arrives_at_the_worker_that_a_hash_names) {
  const steer::Owner o = owner();
  ASSERT_EQ(attach_steering(device_->queue(0), facts(o)), "");
  for (const auto& [local, remote] :
       {std::pair{"198.18.0.10", "198.18.0.1"}, std::pair{"2001:db8::a", "2001:db8::1"}}) {
    std::array<unsigned, kWorkers> flows{};
    for (uint16_t port = 1024; port < 1024 + 60; ++port) {
      const unsigned by_owner = o.by_hash({address(local), 443}, {address(remote), port});
      ASSERT_EQ(arrives_at(local, 443, port), static_cast<int>(by_owner)) << local << port;
      ++flows[by_owner];
    }
    for (const unsigned n : flows) EXPECT_GT(n, 5u) << "all workers have flows";
  }
}

TEST_F(Steering, a_connection_that_sluice_opened_arrives_at_the_worker_in_whose_share_its_port_is) {
  const steer::Owner o = owner();
  ASSERT_EQ(attach_steering(device_->queue(0), facts(o)), "");
  for (const char* local : {"198.18.0.10", "2001:db8::a"})
    for (const uint16_t port : {40'000, 40'001, 40'002, 49'999, 50'000})
      EXPECT_EQ(arrives_at(local, port, 8080), static_cast<int>(o.by_share(port))) << local << port;
}

TEST_F(Steering, ports_beyond_the_range_and_virtual_addresses_are_nobodys_shares) {
  const steer::Owner o = owner();
  ASSERT_EQ(attach_steering(device_->queue(0), facts(o)), "");
  for (const uint16_t remote : {1025, 1026, 1027, 1028, 1029}) {
    const auto by_hash = [&](const char* local, uint16_t port, const char* from) {
      return static_cast<int>(o.by_hash({address(local), port}, {address(from), remote}));
    };
    for (const uint16_t port : {39'999, 50'001})
      EXPECT_EQ(arrives_at("198.18.0.10", port, remote),
                by_hash("198.18.0.10", port, "198.18.0.1"));
    EXPECT_EQ(arrives_at("198.18.0.99", 45'000, remote),
              by_hash("198.18.0.99", 45'000, "198.18.0.1"));
    EXPECT_EQ(arrives_at("2001:db8::99", 45'000, remote),
              by_hash("2001:db8::99", 45'000, "2001:db8::1"));
  }
}

TEST_F(Steering, a_program_without_addresses_of_a_family_loads) {
  const steer::Owner o = owner();
  FlowOwners only_v4 = facts(o);
  only_v4.addresses.resize(1);
  EXPECT_EQ(attach_steering(device_->queue(0), only_v4), "");
  only_v4.addresses.clear();
  EXPECT_EQ(attach_steering(device_->queue(0), only_v4), "");
}

TEST_F(Steering, a_refusal_says_why) {
  EXPECT_NE(attach_steering(-1, facts(owner())).find("TUNSETSTEERINGEBPF fails"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::nic
