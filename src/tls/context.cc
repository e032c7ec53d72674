#include "tls/context.h"

namespace sluice::tls {

size_t Context::take_back() {
  const size_t n = handshakes->collect([](HandshakePtr h) {
    if (Stream* s = h->stream; s != nullptr) s->on_returned(std::move(h));
  });
  stats.handshakes_away.set(handshakes->away());
  return n;
}

}  // namespace sluice::tls
