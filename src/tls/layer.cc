#include "tls/layer.h"

namespace sluice::tls {

transport::Layer::Accepted Layer::accept(tcp::Connection& connection) {
  Accepted below = lower_.accept(connection);
  transport::Stream& lower = *below.stream;
  Stream* s = context_.streams.create(context_, std::move(below.stream), contexts_);
  lower.set_user(*s);
  return {transport::StreamPtr(s), below.tcp_user};
}

transport::StreamPtr Layer::connect(const Endpoint& remote, transport::User& user, Time now) {
  Stream* s = context_.streams.create(context_, client_);
  transport::StreamPtr out(s);
  s->set_user(user);
  if (!s->connect(lower_, remote, now)) return nullptr;
  return out;
}

}  // namespace sluice::tls
