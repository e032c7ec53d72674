#include "discovery/kubernetes/kubernetes_source.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "support.h"

namespace sluice::discovery::kubernetes {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

// Takes connections one after another, and answers what the test says.
class Server {
 public:
  explicit Server(asio::io_context& io) : acceptor_(io, {Tcp::v4(), 0}) { accept(); }

  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  // The requests that have not been looked at yet.
  std::deque<std::string> requests;

  void answer(const std::string& bytes) { asio::write(*socket_, asio::buffer(bytes)); }
  void page(const std::string& body) {
    answer("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void chunk(const std::string& text) {
    std::ostringstream size;
    size << std::hex << text.size();
    answer(size.str() + "\r\n" + text + "\r\n");
  }
  void close() { socket_.reset(); }

 private:
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& e, Tcp::socket s) {
      if (e) return;
      socket_.emplace(std::move(s));
      text_.clear();
      read();
      accept();
    });
  }
  void read() {
    asio::async_read_until(*socket_, asio::dynamic_buffer(text_), "\r\n\r\n",
                           [this](const boost::system::error_code& e, size_t size) {
                             if (e) return;
                             requests.push_back(text_.substr(0, size));
                             text_.erase(0, size);
                             read();
                           });
  }

  Tcp::acceptor acceptor_;
  std::optional<Tcp::socket> socket_;
  std::string text_;
};

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    Settings settings;
    set_url(settings.server, "http://127.0.0.1:" + std::to_string(server.port()));
    settings.server.token.text = "secret";
    cluster = std::make_shared<Cluster>(
        io, settings, [this](const Cluster::Line& line) { log += line.text + "\n"; });
    source.emplace(cluster, kGreeter,
                   EndpointSet{{.address = *sluice::Endpoint::parse("10.0.0.9:1")}});
    source->start([this](const Update& u) {
      ++updates;
      EXPECT_TRUE(u.endpoints);
    });
    cluster->start();
  }
  template <class Condition>
  void run_until(Condition condition) {
    for (int i = 0; !condition() && i < 10'000; ++i) {
      io.restart();
      io.run_for(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(condition()) << log;
  }
  std::string request() {
    run_until([&] { return !server.requests.empty(); });
    if (server.requests.empty()) return {};
    const std::string r = server.requests.front();
    server.requests.pop_front();
    return r;
  }
  void list(const std::string& addresses) {
    request();
    server.page(R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[)" +
                slice("a", addresses) + "]}");
  }
  void watch() {
    EXPECT_NE(request().find("?watch=1&allowWatchBookmarks=true&resourceVersion="),
              std::string::npos);
    server.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  static std::string event(const std::string& addresses) {
    return R"({"type":"MODIFIED","object":)" + slice("a", addresses, "8") + "}\n";
  }
  size_t endpoints() const { return source->endpoints().size(); }

  asio::io_context io;
  Server server{io};
  std::string log;
  int updates = 0;
  std::shared_ptr<Cluster> cluster;
  std::optional<KubernetesSource> source;
};

TEST_F(ClusterTest, a_list_and_an_event_reach_the_source_at_once) {
  EXPECT_EQ(source->last_error(), "the API server has not answered yet");
  const std::string first = request();
  EXPECT_TRUE(first.starts_with("GET /apis/discovery.k8s.io/v1/endpointslices?limit=200 HTTP/1.1"));
  EXPECT_NE(first.find("Authorization: Bearer secret\r\n"), std::string::npos);
  server.requests.push_back(first);
  list("10.0.0.1");
  watch();
  run_until([&] { return updates == 1; });
  EXPECT_EQ(source->endpoints().at(0).id, "10.0.0.1");
  // The end of this chunk comes with the next one, which never comes.
  server.chunk(event("10.0.0.1 10.0.0.2"));
  run_until([&] { return updates == 2; });
  EXPECT_EQ(endpoints(), 2u);
  EXPECT_EQ(source->last_error(), "");
}

TEST_F(ClusterTest, of_events_that_come_together_the_last_one_holds) {
  list("10.0.0.1");
  watch();
  run_until([&] { return updates == 1; });
  const std::string first = event("10.0.0.1 10.0.0.2"), second = event("10.0.0.3");
  std::ostringstream text;
  for (const std::string& e : {first, second})
    text << std::hex << e.size() << "\r\n" << e << "\r\n";
  server.answer(text.str());
  run_until([&] { return updates > 1 && source->endpoints().at(0).id == "10.0.0.3"; });
  EXPECT_EQ(endpoints(), 1u);
}

TEST_F(ClusterTest, a_server_that_goes_leaves_everything_and_is_asked_again) {
  list("10.0.0.1 10.0.0.2");
  watch();
  run_until([&] { return updates == 1; });
  server.close();
  run_until([&] { return !source->last_error().empty(); });
  EXPECT_NE(source->last_error().find("the watch broke off"), std::string::npos);
  EXPECT_NE(log.find("the last endpoints stay"), std::string::npos);
  EXPECT_EQ(endpoints(), 2u);
  watch();
  run_until([&] { return source->last_error().empty(); });
  EXPECT_NE(log.find("watched again"), std::string::npos);
  EXPECT_EQ(updates, 1) << "nothing has changed";
}

TEST_F(ClusterTest, half_a_page_changes_nothing) {
  request();
  server.answer("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"kind\":\"EndpointSliceList\"");
  server.close();
  run_until([&] { return !source->last_error().empty(); });
  EXPECT_EQ(endpoints(), 1u);
  EXPECT_EQ(updates, 0);
  list("10.0.0.1 10.0.0.2");
  run_until([&] { return updates == 1; });
}

TEST_F(ClusterTest, a_source_that_begins_later_gets_what_is_known) {
  list("10.0.0.1 10.0.0.2");
  run_until([&] { return updates == 1; });
  KubernetesSource late(cluster, kGreeter, {});
  int heard = 0;
  late.start([&](const Update&) { ++heard; });
  EXPECT_EQ(heard, 1);
  EXPECT_EQ(late.endpoints().size(), 2u);
}

TEST_F(ClusterTest, a_cluster_may_be_dropped_at_any_moment) {
  list("10.0.0.1");
  watch();
  source.reset();
  cluster.reset();
  io.restart();
  io.run_for(std::chrono::milliseconds(20));
}

}  // namespace
}  // namespace sluice::discovery::kubernetes
