#include "http1/codec.h"

namespace sluice::http1 {

http::ConnectionPtr Codec::server(http::Handler& handler, transport::Stream& stream,
                                  const ServerOptions& options) {
  Config config = config_;
  config.half_closed_timeout =
      std::chrono::ceil<decltype(config.half_closed_timeout)>(options.half_closed_timeout);
  return http::ConnectionPtr(servers_.create(
      Connection::Parts{config, handler, stream, memory_, stats_, *this}, options.pass_connect));
}

http::ConnectionPtr Codec::client(http::Handler& handler, transport::Stream& stream) {
  return http::ConnectionPtr(
      clients_.create(Connection::Parts{config_, handler, stream, memory_, stats_, *this}));
}

void Codec::adopt(const config::Limits& limits, const config::Guards& guards) {
  guards_ = guards;
  config_.max_header_list_size = limits.header_list_size;
}

}  // namespace sluice::http1
