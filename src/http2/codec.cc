#include "http2/codec.h"

namespace sluice::http2 {

Codec::Codec(const Setup& setup)
    : memory_(setup.memory),
      stats_(setup.stats),
      hpack_(setup.stats, setup.fields_key, setup.field_table_bytes) {
  hpack_.cycles = setup.cycles;
  to_clients_.table_seed = setup.table_seed;
  to_clients_.guards = to_pods_.guards = &guards_;
}

http::ConnectionPtr Codec::make(Role role, const Config& config, http::Handler& handler,
                                transport::Stream& stream) {
  Connection* c =
      connections_.create(role, config, handler, stream, memory_, stats_, streams_, hpack_);
  c->codec_ = this;
  return http::ConnectionPtr(c);
}

http::ConnectionPtr Codec::server(http::Handler& handler, transport::Stream& stream,
                                  const ServerOptions& options) {
  Config c = to_clients_;
  c.origin = options.origin;
  c.pass_connect = options.pass_connect;
  return make(Role::kServer, c, handler, stream);
}

http::ConnectionPtr Codec::client(http::Handler& handler, transport::Stream& stream) {
  return make(Role::kClient, to_pods_, handler, stream);
}

void Codec::adopt(const config::Limits& limits, const config::Guards& guards) {
  guards_ = guards;
  for (Config* c : {&to_clients_, &to_pods_}) {
    c->header_table_size = c->encoder_table_size = limits.header_table_size;
    c->max_concurrent_streams = limits.concurrent_streams;
    c->initial_stream_window = limits.stream_window;
    c->max_stream_window = limits.stream_window_max;
    c->connection_window = limits.connection_window;
    c->max_frame_size = limits.frame_size;
    c->max_header_list_size = limits.header_list_size;
  }
}

}  // namespace sluice::http2
