#pragma once
// Makes connections of one protocol: the interface of a codec toward the relay.

#include "base/chrono.h"
#include "config/guards.h"
#include "config/settings.h"
#include "http/connection.h"
#include "http/handler.h"
#include "http/origin.h"
#include "transport/stream.h"

namespace sluice::http {

// One for each protocol and worker; outlives its connections.
class Codec {
 public:
  // Options of a listener for its requests.
  struct ServerOptions {
    Origin* origin = nullptr;   // of the client's address; may be nullptr; outlives the connection
    bool pass_connect = false;  // requests to CONNECT reach the owner
    // HTTP/1.1: config::Listener has it.
    Duration half_closed_timeout{};
  };
  // Handler and stream outlive the connection. Never returns nullptr.
  virtual ConnectionPtr server(Handler& handler, transport::Stream& stream,
                               const ServerOptions& options) = 0;
  virtual ConnectionPtr client(Handler& handler, transport::Stream& stream) = 0;

  // Limits apply to new connections. Guards apply to all connections, at once.
  virtual void adopt(const config::Limits& limits, const config::Guards& guards) = 0;

 protected:
  ~Codec() = default;
};

}  // namespace sluice::http
