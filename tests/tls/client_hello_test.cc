#include "tls/client_hello.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::test {
namespace {

buf::View bytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
std::string u16(size_t n) {
  return {static_cast<char>(n >> 8), static_cast<char>(n)};
}
std::string name_extension(const std::string& name) {
  return u16(name.size() + 3) + '\0' + u16(name.size()) + name;
}

TEST(ClientHello, has_one_host_name) {
  EXPECT_EQ(tls::server_name_of(bytes(name_extension("a.example"))), "a.example");
  EXPECT_EQ(tls::server_name_of(bytes(name_extension(std::string(255, 'a')))),
            std::string(255, 'a'));
}

TEST(ClientHello, with_a_malformed_name_is_malformed) {
  const std::string good = name_extension("a.example");
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_FALSE(tls::server_name_of(bytes(good.substr(0, n)))) << n;
  EXPECT_FALSE(tls::server_name_of(bytes(good + "x")));
  EXPECT_FALSE(tls::server_name_of(bytes(name_extension(""))));
  EXPECT_FALSE(tls::server_name_of(bytes(name_extension(std::string(256, 'a')))));
  EXPECT_FALSE(tls::server_name_of(bytes(name_extension(std::string("a\0b", 3)))));
  std::string other_type = good;
  other_type[2] = 1;
  EXPECT_FALSE(tls::server_name_of(bytes(other_type)));
}

TEST(ClientHello, offers_a_protocol_that_its_list_has_whole) {
  const std::string list = std::string("\x08http/1.1") + "\x02h2";
  EXPECT_TRUE(tls::offers_protocol(bytes(u16(list.size()) + list), "h2"));
  EXPECT_TRUE(tls::offers_protocol(bytes(u16(list.size()) + list), "http/1.1"));
  EXPECT_FALSE(tls::offers_protocol(bytes(u16(list.size()) + list), "http"));
  EXPECT_FALSE(tls::offers_protocol(bytes(u16(list.size()) + list), "2"));
}

TEST(ClientHello, with_a_malformed_list_offers_nothing) {
  EXPECT_FALSE(tls::offers_protocol({}, "h2"));
  EXPECT_FALSE(tls::offers_protocol(bytes(u16(0)), "h2"));
  EXPECT_FALSE(tls::offers_protocol(bytes(u16(4) + "\x02h2"), "h2")) << "the list is cut short";
  EXPECT_FALSE(tls::offers_protocol(bytes(u16(3) + "\x03h2"), "h2")) << "the name is cut short";
  EXPECT_FALSE(tls::offers_protocol(bytes(u16(4) + std::string("\0\x02h2", 4)), "h2"))
      << "an empty name";
}

TEST(ClientHello, lists_protocols_when_each_name_is_whole_and_not_empty) {
  EXPECT_TRUE(tls::lists_protocols(bytes(u16(3) + "\x02h2")));
  EXPECT_FALSE(tls::lists_protocols({}));
  EXPECT_FALSE(tls::lists_protocols(bytes(u16(0))));
  EXPECT_FALSE(tls::lists_protocols(bytes(u16(1) + std::string(1, '\0'))));
  EXPECT_FALSE(tls::lists_protocols(bytes(u16(4) + "\x02h2")));
  EXPECT_FALSE(tls::lists_protocols(bytes(u16(2) + "\x02h2")));
  EXPECT_FALSE(tls::lists_protocols(bytes(u16(3) + "\x05h2")));
  EXPECT_FALSE(tls::lists_protocols(bytes(u16(4) + std::string("\x02h2\0", 4))));
}

}  // namespace
}  // namespace sluice::test
