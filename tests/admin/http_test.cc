#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "admin/http_origin.h"
#include "admin/http_server.h"
#include "tls/certificates.h"

namespace sluice::admin {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

config::AdminHttp settings(const char* address = "127.0.0.1:0") {
  return {.address = Endpoint::parse(address), .hosts = {"lb1.example"}};
}

// Connections that the server has not closed.
size_t open_of(std::vector<asio::ip::tcp::socket>& sockets) {
  return static_cast<size_t>(std::count_if(sockets.begin(), sockets.end(), [](auto& s) {
    s.non_blocking(true);
    boost::system::error_code e;
    char byte = 0;
    s.read_some(asio::buffer(&byte, 1), e);
    return e == asio::error::would_block;
  }));
}

class HttpServerTest : public testing::Test {
 protected:
  // The whole answer to these bytes, until the server closes.
  std::string send(const std::string& request) {
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), server.port()});
    asio::write(socket, asio::buffer(request));
    std::string answer;
    bool closed = false;
    asio::async_read(socket, asio::dynamic_buffer(answer),
                     [&](const boost::system::error_code&, size_t) { closed = true; });
    io.restart();
    for (int i = 0; !closed && i < 10'000; ++i) io.run_for(1ms);
    EXPECT_TRUE(closed);
    return answer;
  }
  std::string get(const std::string& path, const std::string& fields = "") {
    const std::string host = "127.0.0.1";
    return send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
  }
  static std::string status(const std::string& answer) { return answer.substr(9, 3); }

  asio::io_context io;
  int asked = 0;
  HttpServer server{io, settings(), [this](std::string_view path) {
                      ++asked;
                      return HttpAnswer{200, "text/plain", "path " + std::string(path) + "\n"};
                    }};
};

TEST_F(HttpServerTest, get_of_a_path_is_answered_and_the_connection_is_closed) {
  const std::string answer = get("/metrics?x=y");
  EXPECT_EQ(status(answer), "200");
  EXPECT_TRUE(answer.ends_with("\r\n\r\npath /metrics\n")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, head_has_the_same_head_and_no_body) {
  const std::string answer = send("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(status(answer), "200");
  EXPECT_NE(answer.find("Content-Length: 14"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, only_reads) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"})
    EXPECT_EQ(status(send(std::string(method) + " / HTTP/1.1\r\nHost: localhost\r\n\r\n")), "405");
  EXPECT_EQ(status(send("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc")),
            "413");
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpServerTest, names_and_origins_of_strangers_are_refused) {
  EXPECT_EQ(status(send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")), "421");
  EXPECT_EQ(status(send("GET / HTTP/1.1\r\n\r\n")), "421");
  EXPECT_EQ(status(send("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")), "421");
  EXPECT_EQ(status(get("/", "Origin: http://evil.example\r\n")), "403");
  EXPECT_EQ(status(get("/", "Origin: null\r\n")), "403");
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(status(get("/", "Origin: http://localhost\r\n")), "200");
}

TEST_F(HttpServerTest, a_request_that_is_too_large_is_refused) {
  const std::string answer = get("/", "X: " + std::string(10'000, 'x') + "\r\n");
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(answer.empty() || status(answer) == "431") << answer;
}

TEST_F(HttpServerTest, a_session_beyond_the_bound_takes_the_place_of_the_oldest) {
  std::vector<asio::ip::tcp::socket> idle;
  for (size_t i = 0; i < 3 * HttpServer::kMaxSessions; ++i)
    idle.emplace_back(io).connect({asio::ip::address_v4::loopback(), server.port()});
  EXPECT_EQ(status(get("/")), "200");
  EXPECT_EQ(open_of(idle), HttpServer::kMaxSessions - 1);
  EXPECT_EQ(status(get("/")), "200");
}

TEST_F(HttpServerTest, a_request_that_arrives_byte_by_byte_is_cut_off) {
  asio::ip::tcp::socket slow(io);
  slow.connect({asio::ip::address_v4::loopback(), server.port()});
  const auto until = std::chrono::steady_clock::now() + HttpServer::kPatience + 2s;
  std::vector<asio::ip::tcp::socket> one;
  one.push_back(std::move(slow));
  boost::system::error_code e;
  for (const char c : std::string(1000, 'G')) {
    if (open_of(one) == 0 || std::chrono::steady_clock::now() > until) break;
    asio::write(one[0], asio::buffer(&c, 1), e);
    io.restart();
    io.run_for(100ms);
  }
  EXPECT_EQ(open_of(one), 0U);
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpServerTest, an_address_in_use_is_an_error_with_its_name) {
  const std::string address = "127.0.0.1:" + std::to_string(server.port());
  try {
    HttpServer second(io, settings(address.c_str()), {});
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find(address), std::string::npos) << e.what();
  }
}

// A server that asks for TLS and a token.
struct SecureHttpServer : testing::Test {
  static constexpr const char* kToken = "0123456789abcdef";

  config::AdminHttp secure() const {
    config::AdminHttp out = settings();
    out.certificate = issued.pem();
    out.key = issued.key_pem();
    out.token = kToken;
    return out;
  }
  std::string get(const std::string& fields) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    asio::ssl::stream<asio::ip::tcp::socket> stream(io, context);
    stream.lowest_layer().connect({asio::ip::address_v4::loopback(), server.port()});
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
    std::string answer;
    bool closed = false;
    stream.async_handshake(asio::ssl::stream_base::client, [&](const auto& error) {
      EXPECT_FALSE(error) << error.message();
      asio::async_write(stream, asio::buffer(request), [&](const auto&, size_t) {
        asio::async_read(stream, asio::dynamic_buffer(answer), [&](const auto& end, size_t) {
          EXPECT_TRUE(end == asio::error::eof) << "a whole answer ends with close_notify";
          closed = true;
        });
      });
    });
    io.restart();
    for (int i = 0; !closed && i < 10'000; ++i) io.run_for(1ms);
    EXPECT_TRUE(closed);
    return answer;
  }

  const test::Issued issued = test::issue("localhost", {"DNS:localhost"}, nullptr);
  asio::io_context io;
  int asked = 0;
  HttpServer server{io, secure(), [this](std::string_view) {
                      ++asked;
                      return HttpAnswer{200, "text/plain", "secret\n"};
                    }};
};

TEST_F(SecureHttpServer, answers_who_has_the_token) {
  const std::string answer = get(std::string("Authorization: Bearer ") + kToken + "\r\n");
  EXPECT_EQ(answer.substr(9, 3), "200");
  EXPECT_TRUE(answer.ends_with("\r\n\r\nsecret\n")) << answer;
}

TEST_F(SecureHttpServer, refuses_other_tokens_and_none) {
  for (const char* fields :
       {"", "Authorization: Bearer 0123456789abcdee\r\n",
        "Authorization: Bearer 0123456789abcde\r\n", "Authorization: Basic 0123456789abcdef\r\n",
        "Authorization: Bearer 0123456789abcdef\r\nAuthorization: Bearer 0123456789abcdef\r\n"}) {
    const std::string answer = get(fields);
    EXPECT_EQ(answer.substr(9, 3), "401") << fields;
    EXPECT_NE(answer.find("WWW-Authenticate: Bearer"), std::string::npos);
  }
  EXPECT_EQ(asked, 0);
}

TEST_F(SecureHttpServer, handshakes_are_few_at_a_time_and_begin_at_a_bounded_rate) {
  constexpr size_t kMore = HttpServer::kHandshakeBurst + 8;
  const auto began = std::chrono::steady_clock::now();
  std::vector<asio::ip::tcp::socket> silent;
  size_t open = 0;
  for (size_t i = 0; i < kMore; ++i) {
    silent.emplace_back(io).connect({asio::ip::address_v4::loopback(), server.port()});
    io.restart();
    io.run_for(1ms);
  }
  for (int i = 0; i < 4'000; ++i) {
    io.restart();
    io.run_for(1ms);
    open = open_of(silent);
    if (open == HttpServer::kMaxHandshakes) break;
  }
  EXPECT_EQ(open, HttpServer::kMaxHandshakes) << "a further one takes the place of the oldest";
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1000ms * 6 / HttpServer::kHandshakeRate);
  EXPECT_EQ(get(std::string("Authorization: Bearer ") + kToken + "\r\n").substr(9, 3), "200");
}

TEST_F(SecureHttpServer, does_not_speak_plain_http) {
  asio::ip::tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), server.port()});
  asio::write(socket,
              asio::buffer(std::string("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")));
  std::string answer;
  bool closed = false;
  asio::async_read(socket, asio::dynamic_buffer(answer),
                   [&](const boost::system::error_code&, size_t) { closed = true; });
  io.restart();
  for (int i = 0; !closed && i < 10'000; ++i) io.run_for(1ms);
  EXPECT_TRUE(closed);
  EXPECT_EQ(answer.find("HTTP"), std::string::npos);
  EXPECT_EQ(asked, 0);
}

TEST(HttpServerCertificate, one_that_cannot_be_used_is_an_error) {
  asio::io_context io;
  config::AdminHttp bad = settings();
  bad.certificate = "none";
  EXPECT_THROW(HttpServer(io, bad, {}), std::runtime_error);
}

TEST(HttpOrigin, the_servers_own_hosts) {
  const auto v4 = settings("127.0.0.1:9464"), v6 = settings("[::1]:9464");
  for (const char* host : {"127.0.0.1", "127.0.0.1:9464", "localhost", "LocalHost:9464",
                           "lb1.example", "LB1.example:8080"})
    EXPECT_TRUE(is_own_host(host, v4)) << host;
  for (const char* host : {"", "127.0.0.1:80", "127.0.0.1:", "127.0.0.2", "localhost.evil.example",
                           "evil.example", "lb1.example:x", "[::1]", "127.0.0.1:9464:9464"})
    EXPECT_FALSE(is_own_host(host, v4)) << host;
  EXPECT_TRUE(is_own_host("[::1]:9464", v6));
  EXPECT_TRUE(is_own_host("[::1]", v6));
  EXPECT_FALSE(is_own_host("[::2]:9464", v6));
  EXPECT_TRUE(is_own_origin("http://localhost:9464", v4));
  EXPECT_FALSE(is_own_origin("https://localhost:9464", v4));
  EXPECT_FALSE(is_own_origin("null", v4));
  EXPECT_TRUE(is_own_origin("https://lb1.example", v4)) << "something in front ends TLS";
  EXPECT_FALSE(is_own_origin("https://evil.example", v4));
}

}  // namespace
}  // namespace sluice::admin
