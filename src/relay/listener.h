#pragma once
// A listener on one worker: accepts clients.

#include "base/list.h"
#include "config/snapshot.h"
#include "relay/client_connection.h"
#include "relay/handshake.h"
#include "relay/router.h"
#include "tcp/user.h"
#include "tls/layer.h"

namespace sluice::relay {

class Listener final : public tcp::Acceptor {
 public:
  Listener(Context& context, const config::Listener& config, const Routes& routes)
      : context_(context),
        slot_(config.slot),
        address_(config.address),
        routes_(routes),
        tls_(context.tls, context.plain) {
    adopt(config, routes);
  }

  // Clients are left here only when the whole relay ends. TCP does not call back any more then.
  ~Listener() {
    while (Handshake* h = handshakes_.pop_front()) context_.handshakes.destroy(h);
    while (ClientConnection* c = clients_.pop_front()) {
      c->abandon_streams("the load balancer ends");
      context_.clients.destroy(c);
    }
  }

  // False when the endpoint cannot be listened on.
  bool open() { return open_ = context_.tcp.listen(address_, this); }
  // Accepts no new connections. Old connections go on.
  void close() {
    if (open_) context_.tcp.unlisten(address_);
    open_ = false;
  }
  // New streams use the new routes. New connections use the rest. A handshake under another rule
  // for clients' certificates proves nothing under the new one, so the clients of such handshakes
  // are moved away (ClientConnection::drain()).
  void adopt(const config::Listener& config, const Routes& routes) {
    routes_ = routes;
    protocol_ = config.protocol;
    connect_ = config.connect;
    forwarding_ = config.forwarding;
    health_path_ = config.health_path;
    half_closed_timeout_ = config.half_closed_timeout;
    secure_ = config.protocol == config::Protocol::kHttps;
    if (!secure_) return;
    tls_.serve(config.tls.contexts);
    if (client_certificates_ == config.tls.clients) return;
    client_certificates_ = config.tls.clients;
    for (ClientConnection& c : clients_) c.drain();
    for (Handshake& h : handshakes_) h.outdate();
  }
  // Both versions come on one port, and the client's first bytes show which.
  bool takes_http1() const { return protocol_ == config::Protocol::kHttp; }
  // nullptr when clients speak cleartext, and the listener tells pods nothing of them.
  std::unique_ptr<Forwarding> forwarding(const transport::Stream& client) const {
    if (!forwarding_.any() && !secure_) return nullptr;
    return std::make_unique<Forwarding>(forwarding_, client.peer().address,
                                        secure_ ? Forwarding::kTls : Forwarding::kCleartext,
                                        client.peer_certificate());
  }
  // Empty: there is none.
  const std::string& health_path() const { return health_path_; }
  // For a client of this address.
  http::Codec::ServerOptions http_options(http::Origin& origin) const {
    return {.origin = &origin,
            .pass_connect = connect_ == config::Connect::kPass,
            .half_closed_timeout = half_closed_timeout_};
  }

  // Drains the connection of every client (ClientConnection::drain()).
  void drain_clients() {
    draining_ = true;
    for (ClientConnection& c : clients_) c.drain();
  }
  void end_clients() {
    for (ClientConnection& c : clients_) c.end();
    for (Handshake& h : handshakes_) h.end();
  }
  // A stream is ready for HTTP: its handshakes are done. outdated: under a rule for clients'
  // certificates that holds no more.
  void begin_client(transport::StreamPtr stream, bool outdated = false) {
    ClientConnection* client = context_.clients.create(context_, *this, std::move(stream));
    clients_.push_back(*client);
    if (draining_ || outdated) client->drain();
  }
  // client_idle_timeout has changed: clients that are idle already need a new deadline.
  void arm_lives() {
    for (ClientConnection& c : clients_) c.arm_life();
  }
  // The listener takes no more connections, and its clients are moved away.
  bool draining() const { return draining_; }
  bool idle() { return clients_.empty() && handshakes_.empty(); }
  // A client that is connected may begin another call.
  bool takes_calls() {
    for (const ClientConnection& c : clients_)
      if (c.takes_calls()) return true;
    return !handshakes_.empty();
  }

  stats::Listener& stats() { return context_.stats.listener(slot_); }
  uint32_t slot() const { return slot_; }
  const Endpoint& address() const { return address_; }
  const Routes& routes() const { return routes_; }

 private:
  tcp::User* on_accept(tcp::Connection& c) override {
    if (!secure_) {
      transport::Layer::Accepted accepted = context_.plain.accept(c);
      begin_client(std::move(accepted.stream));
      return accepted.tcp_user;
    }
    transport::Layer::Accepted accepted = tls_.accept(c);
    handshakes_.push_back(*context_.handshakes.create(context_, *this, std::move(accepted.stream)));
    return accepted.tcp_user;
  }

  Context& context_;
  uint32_t slot_;
  Endpoint address_;
  Routes routes_;
  config::Protocol protocol_{};
  config::Connect connect_{};
  config::Forwarding forwarding_;
  std::string health_path_;
  Duration half_closed_timeout_{};  // of new connections
  bool secure_ = false;             // connections that are accepted from now on begin with TLS
  config::ClientCertificates client_certificates_;  // the rule of new connections
  tls::Layer tls_;
  bool open_ = false;
  bool draining_ = false;
  List<ClientConnection, ClientConnection> clients_;
  List<Handshake, Handshake> handshakes_;
};

}  // namespace sluice::relay
