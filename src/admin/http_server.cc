#include "admin/http_server.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>
#include <utility>

#include <openssl/crypto.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl.hpp>

#include <fmt/format.h>

#include "admin/http_origin.h"
#include "base/token_bucket.h"

namespace sluice::admin {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace beast_http = beast::http;
using Tcp = asio::ip::tcp;
using Error = boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kPause{100};  // after an accept that failed

Tcp::endpoint endpoint_of(const Endpoint& e) {
  return {asio::ip::make_address(e.address.str()), e.port};
}

// nullptr: the server speaks plain HTTP.
std::shared_ptr<asio::ssl::context> tls_context(const config::AdminHttp& settings) {
  if (settings.certificate.empty()) return nullptr;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->use_certificate_chain(asio::buffer(settings.certificate));
  context->use_private_key(asio::buffer(settings.key), asio::ssl::context::pem);
  return context;
}

// Takes as long whatever the difference is.
bool is_authorized(std::string_view field, std::string_view token) {
  constexpr std::string_view kBearer = "Bearer ";
  if (!field.starts_with(kBearer)) return false;
  field.remove_prefix(kBearer.size());
  return field.size() == token.size() &&
         CRYPTO_memcmp(field.data(), token.data(), token.size()) == 0;
}

}  // namespace

class HttpServer::Session : public std::enable_shared_from_this<Session> {
 public:
  // tls: nullptr for plain HTTP.
  Session(Tcp::socket socket, const config::AdminHttp& settings,
          std::shared_ptr<asio::ssl::context> tls, Answer answer)
      : stream_(std::move(socket)),
        settings_(settings),
        context_(std::move(tls)),
        answer_(std::move(answer)) {
    if (context_) tls_.emplace(stream_, *context_);
    parser_.header_limit(kMaxRequest);
    parser_.body_limit(std::uint64_t{0});
  }

  void close() {
    shaking_hands_ = false;
    stream_.close();
  }
  bool shaking_hands() const { return shaking_hands_; }
  void start() {
    // For the whole request, however slowly its bytes arrive.
    stream_.expires_after(kPatience);
    if (!tls_) {
      read();
      return;
    }
    shaking_hands_ = true;
    tls_->async_handshake(asio::ssl::stream_base::server,
                          [self = shared_from_this()](const Error& e) {
                            self->shaking_hands_ = false;
                            if (!e) self->read();
                          });
  }

 private:
  using Request = beast_http::request<beast_http::empty_body>;
  using Body = beast_http::span_body<const char>;

  // Calls use(stream), for the stream of TLS or the plain one.
  template <class Use>
  void with_stream(Use&& use) {
    if (tls_) {
      use(*tls_);
    } else {
      use(stream_);
    }
  }

  void read() {
    const auto done = [self = shared_from_this()](const Error& e, size_t) {
      if (!e) self->respond(self->answer_to(self->parser_.get()));
      // Garbage that is no request gets no answer, but those that can read one do.
      if (e == beast_http::error::header_limit) self->respond({431, kPlainText, "too large\n"});
      if (e == beast_http::error::body_limit)
        self->respond({413, kPlainText, "no body is wanted\n"});
    };
    with_stream([&](auto& s) { beast_http::async_read(s, buffer_, parser_, done); });
  }

  HttpAnswer answer_to(const Request& request) {
    const auto field = [&](beast_http::field name) -> std::optional<std::string_view> {
      if (request.count(name) != 1) return std::nullopt;
      const auto value = request[name];
      return std::string_view(value.data(), value.size());
    };
    const auto host = field(beast_http::field::host);
    if (!host || !is_own_host(*host, settings_))
      return {421, kPlainText, "the Host is not this server's; hosts of [admin] adds names\n"};
    if (request.count(beast_http::field::origin) != 0) {
      const auto origin = field(beast_http::field::origin);
      if (!origin || !is_own_origin(*origin, settings_))
        return {403, kPlainText, "pages of other origins may not read this\n"};
    }
    if (!settings_.token.empty()) {
      const auto authorization = field(beast_http::field::authorization);
      if (!authorization || !is_authorized(*authorization, settings_.token))
        return {401, kPlainText, "the token of [admin] is missing or wrong\n"};
    }
    head_ = request.method() == beast_http::verb::head;
    if (!head_ && request.method() != beast_http::verb::get)
      return {405, kPlainText, "this server only reads\n"};
    const std::string_view target(request.target().data(), request.target().size());
    return answer_(target.substr(0, target.find('?')));
  }

  void respond(HttpAnswer with) {
    content_ = std::move(with);
    const HttpAnswer& answer = content_;
    response_.version(11);
    response_.result(answer.status);
    response_.set(beast_http::field::content_type,
                  beast::string_view(answer.content_type.data(), answer.content_type.size()));
    response_.set(beast_http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (answer.status == 401) response_.set(beast_http::field::www_authenticate, "Bearer");
    if (answer.status == 405) response_.set(beast_http::field::allow, "GET, HEAD");
    response_.keep_alive(false);
    response_.content_length(answer.content().size());
    if (!head_) response_.body() = {answer.content().data(), answer.content().size()};
    stream_.expires_after(kPatience);
    const auto sent = [self = shared_from_this()](const Error&, size_t) { self->end(); };
    if (head_) {
      serializer_.emplace(response_);
      with_stream([&](auto& s) { beast_http::async_write_header(s, *serializer_, sent); });
    } else {
      with_stream([&](auto& s) { beast_http::async_write(s, response_, sent); });
    }
  }

  void end() {
    if (!tls_) {
      Error ignored;
      stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
      return;
    }
    // So that the client knows that nothing is missing.
    tls_->async_shutdown([self = shared_from_this()](const Error&) { self->stream_.close(); });
  }

  beast::tcp_stream stream_;
  const config::AdminHttp settings_;
  const std::shared_ptr<asio::ssl::context> context_;
  std::optional<asio::ssl::stream<beast::tcp_stream&>> tls_;  // over stream_
  Answer answer_;
  beast::flat_buffer buffer_{kMaxRequest};
  beast_http::request_parser<beast_http::empty_body> parser_;
  HttpAnswer content_;  // lives until it has been sent
  beast_http::response<Body> response_;
  std::optional<beast_http::response_serializer<Body>> serializer_;
  bool head_ = false;
  bool shaking_hands_ = false;
};

class HttpServer::Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(asio::io_context& io, const config::AdminHttp& settings, Answer answer)
      : settings_(settings), answer_(std::move(answer)), acceptor_(io), pause_(io) {
    try {
      tls_ = tls_context(settings_);
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("certificate of [admin]: {}", e.what()));
    }
    Error error;
    const Tcp::endpoint endpoint = endpoint_of(*settings.address);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(Tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint, error);
    if (!error)
      acceptor_.listen(tls_ ? kTlsQueue : asio::socket_base::max_listen_connections, error);
    if (error)
      throw std::runtime_error(
          fmt::format("http = \"{}\" of [admin]: {}", settings.address->str(), error.message()));
  }

  void accept() {
    if (tls_ && !handshakes_.take(Time(std::chrono::steady_clock::now().time_since_epoch()))) {
      accept_later();
      return;
    }
    acceptor_.async_accept([self = shared_from_this()](const Error& e, Tcp::socket socket) {
      if (e == asio::error::operation_aborted) return;
      if (e) {
        self->accept_later();
        return;
      }
      self->begin(std::move(socket));
      self->accept();
    });
  }
  void close() {
    Error ignored;
    acceptor_.close(ignored);
    closed_ = true;  // and nothing accepts again behind a pause
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void begin(Tcp::socket socket) {
    std::erase_if(sessions_, [](const auto& s) { return s.expired(); });
    if (sessions_.size() == kMaxSessions) {
      if (const auto oldest = sessions_.front().lock()) oldest->close();
      sessions_.pop_front();
    }
    close_oldest_handshake();
    const auto session = std::make_shared<Session>(std::move(socket), settings_, tls_, answer_);
    sessions_.push_back(session);
    session->start();
  }
  // Where there are too many.
  void close_oldest_handshake() {
    std::shared_ptr<Session> oldest;
    size_t n = 0;
    for (const auto& weak : sessions_)
      if (auto s = weak.lock(); s && s->shaking_hands() && n++ == 0) oldest = std::move(s);
    if (n >= kMaxHandshakes) oldest->close();
  }
  // Descriptors are short, or there were too many handshakes a moment ago. Where a connection could
  // not be accepted, it stays in the queue, so that another attempt at once would fail as well.
  void accept_later() {
    pause_.expires_after(kPause);
    pause_.async_wait([self = shared_from_this()](const Error& e) {
      if (!e && !self->closed_) self->accept();
    });
  }

  const config::AdminHttp settings_;
  std::shared_ptr<asio::ssl::context> tls_;
  Answer answer_;
  Tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  bool closed_ = false;
  TokenBucket handshakes_{kHandshakeRate, kHandshakeBurst};
  std::deque<std::weak_ptr<Session>> sessions_;  // oldest first
};

HttpServer::HttpServer(asio::io_context& io, const config::AdminHttp& settings, Answer answer)
    : listener_(std::make_shared<Listener>(io, settings, std::move(answer))) {
  listener_->accept();
}

HttpServer::~HttpServer() {
  listener_->close();
}

uint16_t HttpServer::port() const {
  return listener_->port();
}

}  // namespace sluice::admin
