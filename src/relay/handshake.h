#pragma once
// A client whose security protocol's handshake is under way: no HTTP is spoken yet, and no call can
// be kept. The listener makes a ClientConnection of it when the handshake is done.

#include "base/list.h"
#include "relay/context.h"
#include "transport/stream.h"

namespace sluice::relay {

class Listener;

class Handshake final : public transport::User, public ListHook<Handshake> {
 public:
  // Owned by the context's slab; destroys itself when the handshake or the stream ends.
  Handshake(Context& context, Listener& listener, transport::StreamPtr stream);
  ~Handshake();

  // The rule for clients' certificates under which the handshake goes on holds no more.
  void outdate() { outdated_ = true; }
  // The relay waits for clients no longer.
  void end() { stream_->abort(); }

 private:
  void on_established(transport::Stream& s) override;
  // Nothing arrives before on_established.
  void on_data(transport::Stream&, buf::Slice) override {}
  // A failed handshake ends its stream by itself.
  void on_end_of_data(transport::Stream&, transport::End) override {}
  void on_writable(transport::Stream&) override {}
  void on_closed(transport::Stream& s, transport::CloseReason reason) override;

  Context& context_;
  Listener& listener_;
  transport::StreamPtr stream_;
  bool outdated_ = false;
};

}  // namespace sluice::relay
