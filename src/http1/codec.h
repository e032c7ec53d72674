#pragma once
// The HTTP/1.1 of one worker.

#include <random>

#include "base/slab.h"
#include "http/codec.h"
#include "http1/client_connection.h"
#include "http1/config.h"
#include "http1/section_cache.h"
#include "http1/server_connection.h"
#include "http1/websocket.h"

namespace sluice::http1 {

class Codec final : public http::Codec {
 public:
  struct Setup {
    buf::Memory& memory;  // outlives the codec, as does the next
    stats::Http1& stats;
    const http::FieldRefs* refs = nullptr;  // see SectionCache
  };
  explicit Codec(const Setup& setup)
      : memory_(setup.memory), stats_(setup.stats), sections_(setup.refs) {
    config_.guards = &guards_;
  }

  http::ConnectionPtr server(http::Handler& handler, transport::Stream& stream,
                             const ServerOptions& options) override;
  http::ConnectionPtr client(http::Handler& handler, transport::Stream& stream) override;
  void adopt(const config::Limits& limits, const config::Guards& guards) override;

 private:
  friend Connection;
  friend ServerConnection;
  friend ClientConnection;
  Stream* make_stream() { return streams_.create(); }
  void destroy(Stream* s) { streams_.destroy(s); }
  void destroy(ServerConnection* c) { servers_.destroy(c); }
  void destroy(ClientConnection* c) { clients_.destroy(c); }
  SectionCache& sections() { return sections_; }
  WebSocketKey make_key() { return make_websocket_key(random_); }

  buf::Memory& memory_;
  stats::Http1& stats_;
  SectionCache sections_;
  // Most kept connections are idle, and have none.
  Slab<Stream> streams_;
  Slab<ServerConnection> servers_;
  Slab<ClientConnection> clients_;
  config::Guards guards_;  // connections refer to it
  Config config_;
  std::mt19937_64 random_{std::random_device{}()};
};

inline const Config& Connection::config() const {
  return codec_.config_;
}
inline buf::Memory& Connection::memory() const {
  return codec_.memory_;
}
inline stats::Http1& Connection::stats() const {
  return codec_.stats_;
}

}  // namespace sluice::http1
