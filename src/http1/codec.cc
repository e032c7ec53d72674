#include "http1/codec.h"

namespace sluice::http1 {

http::ConnectionPtr Codec::server(http::Handler& handler, transport::Stream& stream,
                                  const ServerOptions& options) {
  const Connection::Parts parts{handler, stream, *this};
  return http::ConnectionPtr(
      servers_.create(parts, options.pass_connect, options.half_closed_timeout));
}

http::ConnectionPtr Codec::client(http::Handler& handler, transport::Stream& stream) {
  return http::ConnectionPtr(clients_.create(Connection::Parts{handler, stream, *this}));
}

void Codec::adopt(const config::Limits& limits, const config::Guards& guards) {
  guards_ = guards;
  config_.max_header_list_size = limits.header_list_size;
}

}  // namespace sluice::http1
