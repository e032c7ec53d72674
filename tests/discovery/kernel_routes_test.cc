#include "discovery/kernel_routes.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::discovery {
namespace {

using Bytes = std::vector<uint8_t>;

template <class T>
void put(Bytes& out, const T& value) {
  const size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(&out[at], &value, sizeof value);
}

Bytes raw(const char* address) {
  const Address a = *Address::parse(address);
  return a.is_v4() ? Bytes(a.v4_bytes(), a.v4_bytes() + 4) : Bytes(a.bytes.begin(), a.bytes.end());
}

void attribute(Bytes& out, uint16_t type, const Bytes& payload) {
  put(out, rtattr{static_cast<uint16_t>(sizeof(rtattr) + payload.size()), type});
  out.insert(out.end(), payload.begin(), payload.end());
  out.resize(RTA_ALIGN(out.size()));
}

Bytes number(uint32_t n) {
  Bytes out;
  put(out, n);
  return out;
}

// A message of netlink.
Bytes message(uint16_t type, const Bytes& body, uint32_t sequence = 7,
              uint16_t flags = NLM_F_MULTI) {
  Bytes out;
  put(out,
      nlmsghdr{static_cast<uint32_t>(sizeof(nlmsghdr) + body.size()), type, flags, sequence, 0});
  out.insert(out.end(), body.begin(), body.end());
  out.resize(NLMSG_ALIGN(out.size()));
  return out;
}

struct Described {
  const char* to = nullptr;
  uint8_t length = 0;
  const char* via = nullptr;
  uint32_t metric = 0;
  uint32_t table = RT_TABLE_MAIN;
  uint8_t type = RTN_UNICAST;
  const char* first_of_several = nullptr;
};

Bytes route(const Described& d) {
  Bytes body;
  rtmsg head{};
  const char* any = d.via != nullptr ? d.via : d.to != nullptr ? d.to : d.first_of_several;
  head.rtm_family = Address::parse(any)->is_v4() ? AF_INET : AF_INET6;
  head.rtm_dst_len = d.length;
  head.rtm_table = static_cast<uint8_t>(d.table < 256 ? d.table : uint32_t{RT_TABLE_COMPAT});
  head.rtm_type = d.type;
  put(body, head);
  attribute(body, RTA_TABLE, number(d.table));
  if (d.to != nullptr) attribute(body, RTA_DST, raw(d.to));
  if (d.metric != 0) attribute(body, RTA_PRIORITY, number(d.metric));
  if (d.via != nullptr) attribute(body, RTA_GATEWAY, raw(d.via));
  if (d.first_of_several != nullptr) {
    Bytes gateway, ways;
    attribute(gateway, RTA_GATEWAY, raw(d.first_of_several));
    put(ways, rtnexthop{static_cast<uint16_t>(sizeof(rtnexthop) + gateway.size()), 0, 0, 2});
    ways.insert(ways.end(), gateway.begin(), gateway.end());
    attribute(body, RTA_MULTIPATH, ways);
  }
  return message(RTM_NEWROUTE, body);
}

std::string text(const RouteDump& dump) {
  std::string out;
  for (const GatewayRoute& r : dump.routes())
    out += (out.empty() ? "" : ", ") + r.to.str() + " via " + r.via.str();
  return out;
}

struct RouteDumpTest : testing::Test {
  RouteDumpTest() { dump.begin(7); }
  RouteDump dump;
};

TEST_F(RouteDumpTest, has_the_routes_of_the_main_table_that_have_a_gateway) {
  dump.read(route({.to = "10.244.1.0", .length = 24, .via = "192.168.0.11"}));
  dump.read(route({.to = "fd00:1::", .length = 64, .via = "fd00::11"}));
  dump.read(route({.via = "192.168.0.1"}));
  dump.read(route({.to = "192.168.0.0", .length = 24}));
  dump.read(route({.to = "10.9.0.0", .length = 16, .via = "192.168.0.9", .table = 100}));
  dump.read(route({.to = "10.9.0.0", .length = 16, .via = "192.168.0.9", .table = 1'000}));
  dump.read(route({.to = "10.8.0.0", .length = 16, .via = "192.168.0.9", .type = RTN_BLACKHOLE}));
  dump.read(route({.to = "10.7.0.0", .length = 16, .first_of_several = "192.168.0.7"}));
  EXPECT_EQ(dump.state(), RouteDump::State::kUnderWay);
  dump.read(message(NLMSG_DONE, number(0)));
  EXPECT_EQ(dump.state(), RouteDump::State::kComplete);
  EXPECT_EQ(text(dump),
            "0.0.0.0/0 via 192.168.0.1, 10.7.0.0/16 via 192.168.0.7, "
            "10.244.1.0/24 via 192.168.0.11, fd00:1::/64 via fd00::11");
}

TEST_F(RouteDumpTest, several_messages_may_come_in_one_datagram) {
  Bytes all = route({.to = "10.1.0.0", .length = 16, .via = "192.168.0.1"});
  for (const Bytes& more : {route({.to = "10.2.0.0", .length = 16, .via = "192.168.0.2"}),
                            message(NLMSG_DONE, number(0))})
    all.insert(all.end(), more.begin(), more.end());
  dump.read(all);
  EXPECT_EQ(text(dump), "10.1.0.0/16 via 192.168.0.1, 10.2.0.0/16 via 192.168.0.2");
}

TEST_F(RouteDumpTest, the_least_metric_comes_first) {
  dump.read(route({.to = "10.1.0.0", .length = 16, .via = "192.168.0.1", .metric = 200}));
  dump.read(route({.to = "10.1.0.0", .length = 16, .via = "192.168.0.2", .metric = 100}));
  dump.read(message(NLMSG_DONE, number(0)));
  EXPECT_EQ(text(dump), "10.1.0.0/16 via 192.168.0.2, 10.1.0.0/16 via 192.168.0.1");
}

TEST_F(RouteDumpTest, a_change_meanwhile_and_a_dump_that_was_disturbed_are_noted) {
  dump.read(message(RTM_NEWROUTE, {}, 0, 0));
  EXPECT_TRUE(dump.changed());
  dump.begin(7);
  EXPECT_FALSE(dump.changed());
  dump.read(message(NLMSG_DONE, number(0), 7, NLM_F_MULTI | NLM_F_DUMP_INTR));
  EXPECT_TRUE(dump.changed());
  EXPECT_TRUE(dump.interrupted());
  dump.begin(8);
  EXPECT_FALSE(dump.interrupted());
}

TEST_F(RouteDumpTest, an_end_with_an_error_is_none) {
  dump.read(route({.via = "192.168.0.1"}));
  dump.read(message(NLMSG_DONE, number(static_cast<uint32_t>(-ENOMEM))));
  EXPECT_EQ(dump.state(), RouteDump::State::kFailed);
  EXPECT_NE(dump.why().find("Cannot allocate memory"), std::string::npos) << dump.why();
}

TEST_F(RouteDumpTest, an_answer_to_an_earlier_request_is_ignored) {
  dump.read(message(NLMSG_DONE, number(0), 6));
  EXPECT_EQ(dump.state(), RouteDump::State::kUnderWay);
}

TEST_F(RouteDumpTest, a_refusal_has_the_kernels_reason) {
  Bytes body;
  put(body, nlmsgerr{-EPERM, {}});
  dump.read(message(NLMSG_ERROR, body, 7, 0));
  EXPECT_EQ(dump.state(), RouteDump::State::kFailed);
  EXPECT_EQ(dump.why(), "the kernel refuses to list its routes: Operation not permitted");
}

TEST_F(RouteDumpTest, an_error_that_has_no_name_is_shown_as_a_number) {
  Bytes body;
  put(body, nlmsgerr{INT32_MIN, {}});
  dump.read(message(NLMSG_ERROR, body, 7, 0));
  EXPECT_EQ(dump.why(), "the kernel refuses to list its routes: error -2147483648");
}

TEST_F(RouteDumpTest, a_gateway_of_the_other_family_is_left_out) {
  Bytes six = route({.to = "fd00:1::", .length = 64, .via = "fd00::11"});
  const Bytes gateway = raw("fd00::11");
  const auto at = std::search(six.begin(), six.end(), gateway.begin(), gateway.end());
  ASSERT_NE(at, six.end());
  const Bytes mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 0, 1};
  std::copy(mapped.begin(), mapped.end(), at);
  dump.read(six);
  dump.read(message(NLMSG_DONE, number(0)));
  EXPECT_EQ(text(dump), "");
}

TEST_F(RouteDumpTest, bytes_that_are_no_message_are_refused_and_a_cut_route_is_left_out) {
  Bytes cut = route({.to = "10.1.0.0", .length = 16, .via = "192.168.0.1"});
  for (size_t n = 0; n < cut.size(); ++n) {
    RouteDump other;
    other.begin(7);
    other.read({cut.data(), n});
    EXPECT_TRUE(other.routes().empty()) << n;
  }
  nlmsghdr head{};
  std::memcpy(&head, cut.data(), sizeof head);
  head.nlmsg_len = 4;
  std::memcpy(cut.data(), &head, sizeof head);
  dump.read(cut);
  EXPECT_EQ(dump.state(), RouteDump::State::kFailed);
}

TEST_F(RouteDumpTest, is_bounded) {
  for (size_t i = 0; i < kMostRoutes + 3; ++i) {
    const std::string to = Address::v4(static_cast<uint32_t>(0x0a000000 + i)).str();
    dump.read(route({.to = to.c_str(), .length = 32, .via = "192.168.0.1"}));
  }
  dump.read(message(NLMSG_DONE, number(0)));
  EXPECT_EQ(dump.routes().size(), kMostRoutes);
  EXPECT_EQ(dump.left_out(), 3u);
}

TEST(KernelRoutes, are_read_from_the_kernel_at_once) {
  boost::asio::io_context io;
  KernelRoutes routes(io, [] {});
  for (int i = 0; !routes.listed() && routes.error().empty() && i < 10'000; ++i) {
    io.restart();
    io.run_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(routes.listed());
  EXPECT_EQ(routes.error(), "");
}

}  // namespace
}  // namespace sluice::discovery
