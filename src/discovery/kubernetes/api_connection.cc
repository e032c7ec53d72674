#include "discovery/kubernetes/api_connection.h"

#include <charconv>
#include <functional>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <fmt/format.h>

namespace sluice::discovery::kubernetes {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Error = boost::system::error_code;

}  // namespace

// The body of an answer, which goes on to a function as it comes.
struct PassedOn {
  using value_type = std::function<bool(std::string_view)>;

  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(http::header<kRequest, Fields>&, value_type& take) : take_(take) {}
    void init(const boost::optional<uint64_t>&, Error& e) { e = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, Error& e) {
      e = {};
      size_t size = 0;
      for (const auto& b : beast::buffers_range_ref(buffers)) {
        size += b.size();
        if (take_({static_cast<const char*>(b.data()), b.size()})) continue;
        e = asio::error::operation_aborted;
        break;
      }
      return size;
    }
    void finish(Error& e) { e = {}; }

   private:
    value_type& take_;
  };
};

namespace {

asio::ssl::context tls_context(const ApiServer& server) {
  namespace ssl = asio::ssl;
  ssl::context context(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (!server.verify) {
    context.set_verify_mode(ssl::verify_none);
  } else {
    context.set_verify_mode(ssl::verify_peer);
    context.set_verify_callback(
        ssl::host_name_verification(server.server_name.empty() ? server.host : server.server_name));
    if (server.ca.given()) {
      context.add_certificate_authority(asio::buffer(server.ca.read()));
    } else {
      context.set_default_verify_paths();
    }
  }
  if (server.certificate.given()) {
    context.use_certificate_chain(asio::buffer(server.certificate.read()));
    context.use_private_key(asio::buffer(server.key.read()), ssl::context::pem);
  }
  return context;
}

std::optional<Duration> retry_after(std::string_view text) {
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr unsigned kMost = 3600;
  if (error != std::errc() || seconds > kMost) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

class ApiConnection::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(asio::io_context& io, ApiServer server, Receiver& receiver)
      : io_(io), server_(std::move(server)), receiver_(&receiver), resolver_(io) {}

  void get(const std::string& target, Duration patience) {
    patience_ = patience;
    try {
      request_ = {http::verb::get, server_.path + target, 11};
      request_.set(http::field::host, host());
      request_.set(http::field::user_agent, "sluiced");
      request_.set(http::field::accept, "application/json");
      if (server_.token.given())
        request_.set(http::field::authorization, "Bearer " + server_.token.read());
      if (stream_open_) {
        send();
      } else {
        connect();
      }
    } catch (const std::exception& e) {
      asio::post(io_, [self = shared_from_this(), why = std::string(e.what())] { self->end(why); });
    }
  }

  void close() {
    receiver_ = nullptr;
    resolver_.cancel();
    if (plain_ || tls_) tcp().close();
  }

 private:
  std::string host() const {
    const bool brackets = server_.host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", brackets ? "[" : "", server_.host, brackets ? "]" : "",
                       server_.port);
  }

  beast::tcp_stream& tcp() { return plain_ ? *plain_ : tls_->next_layer(); }

  // Runs `then` unless the receiver has gone, or there is an error, which ends the answer.
  template <class Then>
  auto step(std::string_view what, Then then) {
    return [self = shared_from_this(), what, then](const Error& e, auto&&... more) {
      if (!self->receiver_) return;
      if (e) {
        self->end(fmt::format("{}: {}", what, e.message()));
      } else {
        then(more...);
      }
    };
  }

  void connect() {
    if (server_.tls) {
      context_.emplace(tls_context(server_));
      tls_ = std::make_unique<asio::ssl::stream<beast::tcp_stream>>(io_, *context_);
      const std::string& name = server_.server_name.empty() ? server_.host : server_.server_name;
      Error not_an_address;
      asio::ip::make_address(name, not_an_address);
      if (not_an_address) SSL_set_tlsext_host_name(tls_->native_handle(), name.c_str());
    } else {
      plain_ = std::make_unique<beast::tcp_stream>(io_);
    }
    resolver_.async_resolve(
        server_.host, std::to_string(server_.port),
        step("name resolution", [this](const Tcp::resolver::results_type& found) {
          tcp().expires_after(kConnect);
          tcp().async_connect(found, step("connect", [this](const auto&...) { connected(); }));
        }));
  }

  void connected() {
    set_options();
    if (!tls_) {
      stream_open_ = true;
      send();
      return;
    }
    tcp().expires_after(kConnect);
    tls_->async_handshake(asio::ssl::stream_base::client, step("TLS", [this](const auto&...) {
                            stream_open_ = true;
                            send();
                          }));
  }

  // A server that is gone without a FIN is noticed within half a minute.
  void set_options() {
    constexpr int kIdle = 10, kInterval = 5, kProbes = 3;
    constexpr unsigned kUserTimeoutMs = 20'000;
    const int fd = tcp().socket().native_handle();
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kIdle, sizeof kIdle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kInterval, sizeof kInterval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
  }

  template <class Do>
  void with_stream(Do&& action) {
    tcp().expires_after(patience_);
    if (tls_) {
      action(*tls_);
    } else {
      action(*plain_);
    }
  }

  void send() {
    parser_.emplace();
    parser_->body_limit(boost::none);
    // Beast calls this as bytes come, and its operation ends with the answer. So the timer starts
    // anew here.
    parser_->get().body() = [this](std::string_view bytes) {
      tcp().expires_after(patience_);
      pause_soon();
      return receiver_ && receiver_->on_body(bytes);
    };
    with_stream([this](auto& stream) {
      http::async_write(stream, request_, step("request", [this](size_t) { read_head(); }));
    });
  }

  void read_head() {
    with_stream([this](auto& stream) {
      http::async_read_header(stream, buffer_, *parser_, step("answer", [this](size_t) {
                                const auto& head = parser_->get();
                                receiver_->on_head(head.result_int(),
                                                   retry_after(head[http::field::retry_after]));
                                if (receiver_) read_body();
                              }));
    });
  }

  void read_body() {
    const auto done = [this](size_t) {
      stream_open_ = parser_->keep_alive();
      receiver_->on_end(true, {}, stream_open_);
    };
    with_stream(
        [&](auto& stream) { http::async_read(stream, buffer_, *parser_, step("answer", done)); });
  }

  void pause_soon() {
    if (std::exchange(pause_pending_, true)) return;
    asio::post(io_, [self = shared_from_this()] {
      self->pause_pending_ = false;
      if (self->receiver_) self->receiver_->on_pause();
    });
  }

  void end(const std::string& why) {
    if (!receiver_) return;
    stream_open_ = false;
    if (plain_ || tls_) tcp().close();
    receiver_->on_end(false, why, false);
  }

  asio::io_context& io_;
  ApiServer server_;
  Receiver* receiver_;  // nullptr: nobody listens any more
  Tcp::resolver resolver_;
  std::optional<asio::ssl::context> context_;
  std::unique_ptr<asio::ssl::stream<beast::tcp_stream>> tls_;  // one of the two
  std::unique_ptr<beast::tcp_stream> plain_;
  bool pause_pending_ = false;
  bool stream_open_ = false;  // requests can be sent
  beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  std::optional<http::response_parser<PassedOn>> parser_;
  Duration patience_{};
};

ApiConnection::ApiConnection(asio::io_context& io, ApiServer server, Receiver& receiver)
    : session_(std::make_shared<Session>(io, std::move(server), receiver)) {}

ApiConnection::~ApiConnection() {
  session_->close();
}

void ApiConnection::get(const std::string& target, Duration patience) {
  session_->get(target, patience);
}

}  // namespace sluice::discovery::kubernetes
