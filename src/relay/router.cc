#include "relay/router.h"

#include "relay/listener.h"

namespace sluice::relay {

// No field decides yet.
Route route(const http::FieldList& /*request*/, const Listener& listener) {
  return listener.routes().all_;
}

}  // namespace sluice::relay
