// What pods are told of the way of a request: Via, X-Forwarded-For, Forwarded.

#include "relay/forwarding.h"

#include <array>
#include <initializer_list>

#include "http/validation.h"
#include "relay/fixture.h"

namespace sluice::relay {
namespace {

std::string text(const FieldList& fields) {
  std::string out;
  for (const http::Field f : fields)
    out += (out.empty() ? "" : " | ") + http2::text(f.name, f.value);
  return out;
}

struct ForwardingTest : RelayTest {
  std::string asked(const FieldList& request) {
    pod(1).way = TestPod::Way::kSilent;
    call(client(), true, request);
    return text(pod(1).peer().owner.streams[1].headers);
  }
};

TEST_F(ForwardingTest, nothing_is_added_by_default) {
  endpoints({1});
  EXPECT_EQ(asked(grpc()), text(grpc()));
}

TEST_F(ForwardingTest, a_request_names_sluice_and_its_client) {
  snapshot.listeners[0].forwarding = {.via = "edge", .x_forwarded_for = true, .forwarded = true};
  endpoints({1});
  EXPECT_EQ(asked(grpc()), text(grpc()) + " | via=2.0 edge | x-forwarded-for=198.18.0.1" +
                               " | forwarded=for=198.18.0.1;proto=http");
}

TEST_F(ForwardingTest, several_lines_of_earlier_hops_become_one_and_ours_is_the_last) {
  snapshot.listeners[0].forwarding.x_forwarded_for = true;
  endpoints({1});
  FieldList f = grpc();
  f.add(Name::kXForwardedFor, "10.0.0.1");
  f.add("secret", "s", Name::kOther, true);
  f.add(Name::kXForwardedFor, "10.0.0.2, 10.0.0.3");
  f.add(Name::kXForwardedFor, "");
  EXPECT_EQ(asked(f), text(grpc()) + " | secret=s | " +
                          "x-forwarded-for=10.0.0.1, 10.0.0.2, 10.0.0.3, 198.18.0.1");
  const FieldList& heard = pod(1).peer().owner.streams[1].headers;
  EXPECT_TRUE(heard[heard.count() - 2].never_indexed) << "what is secret stays so";
}

TEST(Forwarding, quotes_an_address_of_ipv6) {
  FieldList f;
  Forwarding({.x_forwarded_for = true, .forwarded = true}, *Address::parse("2001:db8::1"))
      .add_to(f, "2.0");
  EXPECT_EQ(text(f), "x-forwarded-for=2001:db8::1 | forwarded=for=\"[2001:db8::1]\";proto=http");
}

TEST(Forwarding, behind_tls_says_https_also_where_a_request_of_http_1_1_says_no_scheme) {
  FieldList f;
  f.add(Name::kMethod, "GET");
  f.add(Name::kScheme, "http");
  Forwarding({.forwarded = true}, *Address::parse("192.0.2.1"), Forwarding::kTls, {})
      .add_to(f, "1.1");
  EXPECT_EQ(text(f), ":method=GET | :scheme=https | forwarded=for=192.0.2.1;proto=https");
}

TEST(Forwarding, the_clients_word_for_its_scheme_is_replaced) {
  for (const auto security : {Forwarding::kCleartext, Forwarding::kTls}) {
    FieldList f;
    f.add("x-forwarded-proto", "wss");
    f.add("x_forwarded_proto", "https");
    Forwarding({.x_forwarded_proto = true}, *Address::parse("192.0.2.1"), security, {})
        .add_to(f, "1.1");
    EXPECT_EQ(text(f),
              security == Forwarding::kTls ? "x-forwarded-proto=https" : "x-forwarded-proto=http");
  }
}

TEST(Forwarding, behind_tls_replaces_a_certificate_that_the_client_names) {
  FieldList f;
  f.add("x-forwarded-client-cert", "Subject=admin");
  // CGI's variables do not tell these from the first one.
  f.add("x_forwarded_client_cert", "Subject=admin");
  f.add("x-forwarded_client-cert", "Subject=admin");
  FieldList without = f;
  Forwarding({}, *Address::parse("192.0.2.1"), Forwarding::kTls, "Hash=1").add_to(f, "2.0");
  EXPECT_EQ(text(f), "x-forwarded-client-cert=Hash=1");
  Forwarding({}, *Address::parse("192.0.2.1"), Forwarding::kTls, {}).add_to(without, "2.0");
  EXPECT_EQ(text(without), "");
}

TEST(HostOfAuthority, is_without_port_and_brackets_and_may_be_empty) {
  for (const auto& [authority, host] : std::initializer_list<std::array<std::string_view, 2>>{
           {"a.lab:443", "a.lab"},
           {"[2001:db8::1]:443", "2001:db8::1"},
           {"2001:db8::1", "2001:db8::1"},
           {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
           {"1:2:3:4:5:6:7:8:443", "1:2:3:4:5:6:7:8"},
           {"1:2:3:4:5:6:7::443", "1:2:3:4:5:6:7::443"},
           {":443", ""},
       })
    EXPECT_EQ(http::host_of(authority), host) << authority;
}

}  // namespace
}  // namespace sluice::relay
