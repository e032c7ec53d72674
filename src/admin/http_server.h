#pragma once
// The HTTP server for metrics and probes. It only reads. Beyond loopback it speaks TLS, and asks
// for a token. Loopback is open to every process of the host, and by way of a browser to pages of
// strangers, so Host and Origin are checked (admin/http_origin.h).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "config/admin_http.h"

namespace sluice::admin {

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";  // a content type

struct HttpAnswer {
  unsigned status = 200;
  std::string_view content_type;  // lives as long as the process
  std::string body;
  std::shared_ptr<const std::string> shared{};  // in place of `body`; nullptr: there is none

  std::string_view content() const { return shared ? *shared : body; }
};

class HttpServer {
 public:
  static constexpr size_t kMaxRequest = 8192;  // bytes of a request, which has no body
  // At a time. A further one takes the place of the oldest, so that clients that hold connections
  // keep nobody out.
  static constexpr size_t kMaxSessions = 64;
  static constexpr std::chrono::seconds kPatience{5};  // for a request, and as long for its answer
  // Handshakes of TLS under way: a further one takes the place of the oldest.
  static constexpr size_t kMaxHandshakes = 16;
  // Connections of TLS accepted in a second, saved up to kHandshakeBurst; others wait in the
  // kernel's queue, which is short then. A handshake takes a millisecond of the context's thread,
  // and strangers may ask for any number.
  static constexpr uint64_t kHandshakeRate = 32;
  static constexpr uint64_t kHandshakeBurst = 32;
  static constexpr int kTlsQueue = 32;  // connections

  // The answer to GET of a path. Runs on the context's thread.
  using Answer = std::function<HttpAnswer(std::string_view path)>;

  // settings.address has a value. Throws std::runtime_error: the address cannot be bound, or the
  // certificate cannot be used. One request for each connection.
  HttpServer(boost::asio::io_context& io, const config::AdminHttp& settings, Answer answer);
  // Answers that are under way still leave.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  uint16_t port() const;

 private:
  class Session;
  class Listener;
  std::shared_ptr<Listener> listener_;
};

}  // namespace sluice::admin
