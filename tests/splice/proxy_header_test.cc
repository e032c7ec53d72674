// PROXY protocol version 2.

#include "splice/proxy_header.h"

#include "fixture.h"

namespace sluice::splice {
namespace {

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string text_of(const ProxyHeader& h) {
  return {reinterpret_cast<const char*>(h.view().data()), h.view().size()};
}

TEST(ProxyHeader, has_both_addresses_of_ipv4) {
  const ProxyHeader h(*Endpoint::parse("192.0.2.1:4660"), *Endpoint::parse("198.18.0.10:443"));
  EXPECT_EQ(text_of(h), kSignature + std::string("\x21\x11\x00\x0c"
                                                 "\xc0\x00\x02\x01\xc6\x12\x00\x0a"
                                                 "\x12\x34\x01\xbb",
                                                 16));
}

TEST(ProxyHeader, has_both_addresses_of_ipv6) {
  const ProxyHeader h(*Endpoint::parse("[2001:db8::1]:4660"), *Endpoint::parse("[2001:db8::a]:80"));
  const std::string prefix("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0", 15);
  EXPECT_EQ(text_of(h), kSignature + std::string("\x21\x21\x00\x24", 4) + prefix + "\x01" + prefix +
                            "\x0a" + std::string("\x12\x34\x00\x50", 4));
}

class WithHeader : public SpliceTest {
 protected:
  WithHeader() {
    snapshot.services[0].proxy_protocol = config::ProxyProtocol::kV2;
    endpoints({1, 2});
  }
};

TEST_F(WithHeader, comes_before_the_first_byte_and_before_a_client_that_waits_for_the_pod) {
  Peer& c = client();
  TestPod& to = pod(pod(1).peers.empty() ? 2 : 1);
  ASSERT_EQ(to.peer().heard.size(), 28u);
  EXPECT_EQ(to.peer().heard.substr(0, 12), kSignature);
  EXPECT_EQ(to.peer().heard.substr(16, 4), std::string("\xc6\x12\x00\x01", 4)) << "the client's";
  c.say("hello");
  run();
  EXPECT_EQ(to.peer().heard.substr(28), "hello");
  EXPECT_EQ(counters().bytes_to_pods.get(), 5u);
}

TEST_F(WithHeader, comes_once_at_the_pod_that_takes_the_connection) {
  pod(1).down();
  for (int i = 0; i < 4; ++i) {
    Peer& c = client();
    c.say("hello");
    run();
    EXPECT_EQ(pod(2).peer().heard.size(), 28u + 5);
  }
}

}  // namespace
}  // namespace sluice::splice
