#include "discovery/dns/answer.h"

#include <gtest/gtest.h>

#include "message.h"

namespace sluice::discovery::dns {
namespace {

TEST(DnsAnswer, records_of_the_name_and_type_are_read) {
  const Message m = Message("pods.test", Type::kA)
                        .a("Pods.TEST", "10.0.0.1", 5)
                        .a("other.test", "10.0.0.9")
                        .aaaa("pods.test", "2001:db8::1")
                        .a("pods.test", "10.0.0.2", 7);
  const auto records = read_answer(m.bytes(), "pods.test.", Type::kA);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ(records->at(0).address.str(), "10.0.0.1");
  EXPECT_EQ(records->at(0).ttl, 5u);
  EXPECT_EQ(records->at(1).address.str(), "10.0.0.2");
}

TEST(DnsAnswer, aliases_are_followed_and_bound_the_ttl) {
  const Message m = Message("a.test", Type::kAaaa)
                        .aaaa("c.test", "2001:db8::1", 60)
                        .cname("b.test", "c.test", 30)
                        .cname("a.test", "b.test", 3);
  const auto records = read_answer(m.bytes(), "a.test", Type::kAaaa);
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ(records->at(0).ttl, 3u);
}

TEST(DnsAnswer, a_circle_of_aliases_has_no_records) {
  const Message m = Message("a.test", Type::kA).cname("a.test", "b.test").cname("b.test", "a.test");
  EXPECT_EQ(read_answer(m.bytes(), "a.test", Type::kA)->size(), 0u);
}

TEST(DnsAnswer, services_have_ports_and_targets) {
  const Message m = Message("_grpc._tcp.s.test", Type::kSrv)
                        .srv("_grpc._tcp.s.test", 10, 5, 8080, "Pod-1.s.test");
  const auto records = read_answer(m.bytes(), "_grpc._tcp.s.test", Type::kSrv);
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ(records->at(0).target, "pod-1.s.test");
  EXPECT_EQ(records->at(0).port, 8080);
}

TEST(DnsAnswer, names_may_be_compressed_but_not_into_a_circle) {
  Bytes m = Message("a.test", Type::kA).bytes();
  m[7] = 1;
  for (const unsigned n : {0xc00cU, 1U, 1U, 0U, 9U, 4U, 0x0a00U, 0x0001U}) put16(m, n);
  const auto records = read_answer(m, "a.test", Type::kA);
  ASSERT_TRUE(records && records->size() == 1);
  EXPECT_EQ(records->at(0).address.str(), "10.0.0.1");
  const size_t pointer = Message("a.test", Type::kA).bytes().size();
  m[pointer + 1] = static_cast<uint8_t>(pointer);
  EXPECT_FALSE(read_answer(m, "a.test", Type::kA));
}

TEST(DnsAnswer, a_message_cut_anywhere_is_no_answer) {
  const Bytes whole = Message("a.test", Type::kSrv)
                          .cname("a.test", "b.test")
                          .srv("b.test", 1, 2, 3, "c.test")
                          .bytes();
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read_answer(std::span(whole).first(size), "a.test", Type::kSrv)) << size;
  EXPECT_TRUE(read_answer(whole, "a.test", Type::kSrv));
}

}  // namespace
}  // namespace sluice::discovery::dns
