#include "relay/handshake.h"

#include "relay/listener.h"

namespace sluice::relay {

Handshake::Handshake(Context& context, Listener& listener, transport::StreamPtr stream)
    : context_(context), listener_(listener), stream_(std::move(stream)) {
  stream_->set_user(*this);
  ++listener_.stats().active_connections;
}

Handshake::~Handshake() {
  --listener_.stats().active_connections;
}

void Handshake::on_established(transport::Stream&) {
  listener_.begin_client(std::move(stream_), outdated_);
  context_.handshakes.destroy(this);
}

void Handshake::on_closed(transport::Stream&, transport::CloseReason) {
  context_.handshakes.destroy(this);
}

}  // namespace sluice::relay
