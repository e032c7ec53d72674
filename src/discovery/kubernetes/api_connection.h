#pragma once
// A connection to an API server: HTTP/1.1 over TCP or TLS, one GET at a time, bodies as they come.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "base/chrono.h"
#include "discovery/kubernetes/api_server.h"

namespace sluice::discovery::kubernetes {

class ApiConnection {
 public:
  // No function runs inside one of ApiConnection's. Each may destroy the connection, except
  // on_body.
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void on_head(unsigned status, std::optional<Duration> retry_after) = 0;
    // False: the rest is of no use; on_end follows.
    virtual bool on_body(std::string_view bytes) = 0;
    // The bytes that came together have been handed over. May come after the end of the answer.
    virtual void on_pause() = 0;
    // The answer has ended. whole: as HTTP says. Otherwise `why` is the reason. usable: the
    // connection takes another request.
    virtual void on_end(bool whole, const std::string& why, bool usable) = 0;
  };

  // Connecting takes no longer than this, and TLS' handshake neither.
  static constexpr Duration kConnect = 5s;

  // Does nothing yet. The receiver and `io` outlive the connection.
  ApiConnection(boost::asio::io_context& io, ApiServer server, Receiver& receiver);
  // The receiver hears nothing more.
  ~ApiConnection();
  ApiConnection(const ApiConnection&) = delete;

  // Connects if need be, and sends the request. patience: without a byte of the answer for so long,
  // it has broken off.
  void get(const std::string& target, Duration patience);

 private:
  class Session;
  std::shared_ptr<Session> session_;
};

}  // namespace sluice::discovery::kubernetes
