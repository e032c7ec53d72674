#pragma once
// Makes the TLS streams of a listener, or of a service, over the streams of another layer.

#include <memory>

#include "tls/context.h"
#include "transport/layer.h"

namespace sluice::tls {

class Layer final : public transport::Layer {
 public:
  // Both outlive the layer.
  Layer(Context& context, transport::Layer& lower) : context_(context), lower_(lower) {}

  // For handshakes that begin from now on; not nullptr.
  void serve(std::shared_ptr<const ServerContexts> contexts) { contexts_ = std::move(contexts); }

  // For connects that begin from now on; nullptr: there are none.
  void call_with(std::shared_ptr<const ClientContext> context) { client_ = std::move(context); }

  // After serve().
  Accepted accept(tcp::Connection& connection) override;
  // After call_with().
  transport::StreamPtr connect(const Endpoint& remote, transport::User& user, Time now) override;

 private:
  Context& context_;
  transport::Layer& lower_;
  std::shared_ptr<const ServerContexts> contexts_;
  std::shared_ptr<const ClientContext> client_;
};

}  // namespace sluice::tls
