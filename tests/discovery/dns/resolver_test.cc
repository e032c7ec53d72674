#include "discovery/dns/dns_source.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "message.h"

namespace sluice::discovery::dns {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

// A server on one port of UDP and TCP. `respond` gets the question, and returns the answer.
class Server {
 public:
  using Respond = std::function<Message(const std::string& name, Type type, bool over_tcp)>;

  explicit Server(asio::io_context& io)
      : udp_(io, udp::endpoint(asio::ip::address_v4::loopback(), 0)),
        tcp_(io, tcp::endpoint(asio::ip::address_v4::loopback(), port())) {
    receive();
    accept();
  }
  uint16_t port() const { return udp_.local_endpoint().port(); }

  Respond respond;
  int over_udp = 0, over_tcp = 0;

 private:
  Bytes answer(std::span<const uint8_t> question, bool over_tcp) const {
    std::string name;
    size_t at = 12;
    for (; question[at] != 0; at += question[at] + 1)
      name += (name.empty() ? "" : ".") +
              std::string(reinterpret_cast<const char*>(&question[at + 1]), question[at]);
    Bytes out = respond(name, static_cast<Type>(question[at + 2]), over_tcp).bytes();
    std::copy_n(question.begin(), 2, out.begin());  // id
    return out;
  }
  void receive() {
    udp_.async_receive_from(
        asio::buffer(buffer_), from_, [this](const boost::system::error_code& e, size_t size) {
          if (e) return;
          ++over_udp;
          udp_.send_to(asio::buffer(answer(std::span(buffer_).first(size), false)), from_);
          receive();
        });
  }
  void accept() {
    tcp_.async_accept([this](const boost::system::error_code& e, tcp::socket socket) {
      if (e) return;
      ++over_tcp;
      auto s = std::make_shared<tcp::socket>(std::move(socket));
      auto text = std::make_shared<Bytes>(2);
      asio::async_read(*s, asio::buffer(*text), [this, s, text](const auto& e1, size_t) {
        if (e1) return;
        text->resize(static_cast<size_t>((*text)[0] << 8 | (*text)[1]));
        asio::async_read(*s, asio::buffer(*text), [this, s, text](const auto& e2, size_t) {
          if (e2) return;
          const Bytes body = answer(*text, true);
          Bytes out;
          put16(out, static_cast<unsigned>(body.size()));
          out.insert(out.end(), body.begin(), body.end());
          asio::write(*s, asio::buffer(out));
        });
      });
      accept();
    });
  }

  udp::socket udp_;
  tcp::acceptor tcp_;
  udp::endpoint from_;
  std::array<uint8_t, 512> buffer_{};
};

class ResolverTest : public testing::Test {
 protected:
  template <class Condition>
  void run_until(Condition condition) {
    for (int i = 0; !condition() && i < 10'000; ++i) {
      io.restart();
      io.run_for(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(condition());
  }
  Result ask(const char* name, Type type) {
    std::optional<Result> result;
    resolver->ask(name, type, [&](const Result& r) { result = r; });
    run_until([&] { return result.has_value(); });
    return result.value_or(Result{});
  }

  asio::io_context io;
  Server server{io};
  std::shared_ptr<Resolver> resolver = std::make_shared<Resolver>(
      io, Settings{.servers = {"127.0.0.1:" + std::to_string(server.port())}});
};

TEST_F(ResolverTest, records_come_with_their_ttl) {
  server.respond = [](const std::string& name, Type type, bool) {
    return Message(name, type).a(name, "10.0.0.1", 7);
  };
  const Result r = ask("pods.test", Type::kA);
  ASSERT_EQ(r.records.size(), 1u);
  EXPECT_EQ(r.records[0].ttl, 7u);
}

TEST_F(ResolverTest, an_answer_that_is_cut_short_is_asked_for_over_tcp) {
  server.respond = [](const std::string& name, Type type, bool over_tcp) {
    if (!over_tcp) return Message(name, type, Message::kResponse | Message::kTruncated);
    Message m(name, type);
    for (int i = 1; i <= 100; ++i) m.a(name, "10.0.0." + std::to_string(i));
    return m;
  };
  EXPECT_EQ(ask("pods.test", Type::kA).records.size(), 100u);
  EXPECT_EQ(server.over_tcp, 1);
}

TEST_F(ResolverTest, negative_answers_and_failures_are_told_apart) {
  unsigned code = 3;
  server.respond = [&](const std::string& name, Type type, bool) {
    return Message(name, type, Message::kResponse | code);
  };
  EXPECT_EQ(ask("pods.test", Type::kA).kind, Result::Kind::kNone) << "NXDOMAIN";
  code = 0;
  EXPECT_EQ(ask("pods.test", Type::kA).kind, Result::Kind::kNone) << "no such record";
  code = 2;
  EXPECT_EQ(ask("pods.test", Type::kA).kind, Result::Kind::kFailure) << "SERVFAIL";
}

TEST_F(ResolverTest, a_resolver_may_be_dropped_while_questions_are_open) {
  server.respond = [](const std::string& name, Type type, bool) { return Message(name, type); };
  bool answered = false;
  resolver->ask("pods.test", Type::kA, [&](const Result&) { answered = true; });
  resolver.reset();
  io.restart();
  io.run_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(answered);
}

TEST_F(ResolverTest, a_source_follows_its_name) {
  std::vector<std::string> pods{"10.0.0.1"};
  unsigned code = 0;
  server.respond = [&](const std::string& name, Type type, bool) {
    Message m(name, type, Message::kResponse | code);
    if (type == Type::kA && code == 0)
      for (const std::string& p : pods) m.a(name, p, 0);
    return m;
  };
  int updates = 0;
  DnsSource source(io, resolver, 30s, *Target::parse("pods.test:80"), {});
  source.start([&](const Update&) { ++updates; });
  run_until([&] { return updates == 1; });
  EXPECT_EQ(source.endpoints().at(0).address.str(), "10.0.0.1:80");
  pods.push_back("10.0.0.2");
  run_until([&] { return updates == 2; });
  EXPECT_EQ(source.endpoints().size(), 2u);
  code = 2;
  run_until([&] { return !source.last_error().empty(); });
  EXPECT_EQ(source.endpoints().size(), 2u) << "SERVFAIL keeps the last set";
}

}  // namespace
}  // namespace sluice::discovery::dns
