#include "transport/plain.h"

namespace sluice::transport {

namespace {

CloseReason reason_of(tcp::CloseReason reason) {
  switch (reason) {
    case tcp::CloseReason::kFinished:
      return CloseReason::kFinished;
    case tcp::CloseReason::kReset:
      return CloseReason::kReset;
    case tcp::CloseReason::kTimeout:
      return CloseReason::kTimeout;
    case tcp::CloseReason::kUnreachable:
      return CloseReason::kUnreachable;
    case tcp::CloseReason::kNotTaken:
      return CloseReason::kNotTaken;
    case tcp::CloseReason::kAborted:
      break;
  }
  return CloseReason::kAborted;
}

}  // namespace

// The user destroys the stream inside this call.
void Plain::on_closed(tcp::Connection&, tcp::CloseReason reason) {
  user_->on_closed(*this, reason_of(reason));
}

void Plain::release() {
  layer_.streams_.destroy(this);
}

Layer::Accepted PlainLayer::accept(tcp::Connection& connection) {
  Plain* s = streams_.create(*this, connection);
  return {StreamPtr(s), s};
}

StreamPtr PlainLayer::connect(const Endpoint& remote, User& user, Time now) {
  tcp::Connection* c = tcp_.connect(Endpoint{}, remote, nullptr, now);
  if (c == nullptr) return nullptr;
  Plain* s = streams_.create(*this, *c);
  s->set_user(user);
  c->set_user(s);
  return StreamPtr(s);
}

}  // namespace sluice::transport
