#pragma once
// A listener on one worker whose connections are relayed: accepts clients.

#include "base/list.h"
#include "config/snapshot.h"
#include "splice/routes.h"
#include "splice/splice.h"
#include "tcp/user.h"
#include "tls/layer.h"

namespace sluice::splice {

class Listener final : public tcp::Acceptor {
 public:
  Listener(Context& context, const config::Listener& config, Routes routes)
      : context_(context),
        slot_(config.slot),
        address_(config.address),
        routes_(std::move(routes)),
        tls_(context.tls, context.plain) {
    set_way(config);
  }

  // Clients are left here only when the worker ends. TCP does not call back any more then.
  ~Listener() {
    while (Splice* s = splices_.pop_front()) context_.splices.destroy(s);
  }

  // False when the endpoint cannot be listened on.
  bool open() { return open_ = context_.tcp.listen(address_, this); }
  bool is_open() const { return open_; }
  // Accepts no new connections. Old connections go on.
  void close() {
    if (open_) context_.tcp.unlisten(address_);
    open_ = false;
  }
  // For new connections.
  void adopt(const config::Listener& config, Routes routes) {
    routes_ = std::move(routes);
    set_way(config);
  }
  void end_clients(End why) {
    for (Splice& s : splices_) s.end(why);
  }
  void arm_idle() {
    for (Splice& s : splices_) s.arm_idle();
  }
  bool idle() { return splices_.empty(); }
  const Routes& routes() const { return routes_; }

  stats::Listener& stats() { return context_.stats.listener(slot_); }
  uint32_t slot() const { return slot_; }
  const Endpoint& address() const { return address_; }

 private:
  // The beginning of a connection.
  enum class Way : uint8_t {
    kPlain,  // bytes
    kHello,  // a ClientHello, which goes to the pod
    kTls,    // TLS, which ends here
  };

  void set_way(const config::Listener& config) {
    way_ = config.protocol != config::Protocol::kTls ? Way::kPlain
           : config.ends_tls()                       ? Way::kTls
                                                     : Way::kHello;
    if (way_ == Way::kTls) tls_.serve(config.tls.contexts);
  }

  tcp::User* on_accept(tcp::Connection& c) override {
    transport::Layer::Accepted accepted =
        way_ == Way::kTls ? tls_.accept(c) : context_.plain.accept(c);
    Splice* splice = context_.splices.create(context_, *this, std::move(accepted.stream));
    splices_.push_back(*splice);
    switch (way_) {
      case Way::kPlain:
        splice->choose({});
        break;
      case Way::kHello:
        splice->read_hello();
        break;
      case Way::kTls:
        break;  // the handshake goes on by itself
    }
    return accepted.tcp_user;
  }

  Context& context_;
  const uint32_t slot_;
  const Endpoint address_;
  Routes routes_;
  Way way_{};  // of connections that are accepted from now on
  tls::Layer tls_;
  bool open_ = false;
  List<Splice> splices_;
};

}  // namespace sluice::splice
