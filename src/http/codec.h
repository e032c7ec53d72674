#pragma once
// Makes connections of one protocol: what a worker's relay knows of a codec.

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
  // How one listener takes requests.
  struct ServerOptions {
    Origin* origin = nullptr;   // of the client's address; may be nullptr; outlives the connection
    bool pass_connect = false;  // requests to CONNECT reach the owner
  };
  // Handler and stream outlive the connection. Never nullptr.
  virtual ConnectionPtr server(Handler& handler, transport::Stream& stream,
                               const ServerOptions& options) = 0;
  virtual ConnectionPtr client(Handler& handler, transport::Stream& stream) = 0;

  // Limits hold for new connections; guards for all of them, at once.
  virtual void adopt(const config::Limits& limits, const config::Guards& guards) = 0;

 protected:
  ~Codec() = default;
};

}  // namespace sluice::http
