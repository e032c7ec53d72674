#pragma once
// A connection that speaks HTTP/2.

#include <memory>
#include <optional>
#include <string>

#include "call.h"
#include "peer.h"
#include "support/queue_stream.h"

namespace sluice::sim {

class Http2Peer : public Peer, public http::Handler {
 public:
  Http2Peer(Stage& stage, std::unique_ptr<Secure> secure, http2::Role role,
            const http2::Config& config)
      : Peer(stage, std::move(secure)), role_(role), config_(config) {}

  void begin(tcp::Connection& c) override {
    Peer::begin(c);
    wire_.emplace(output());
    h2_.emplace(role_, config_, *this, *wire_, stage_.node().buffers.memory, stats_, streams_,
                hpack_);
    if (role_ == http2::Role::kServer && !secure()) on_established(c);
  }
  http2::Connection& h2() { return *h2_; }
  uint32_t open_streams() const { return h2_ ? h2_->open_streams() : 0; }
  bool busy() const override { return open_streams() > 0; }

  void on_settings() override {}
  void on_ping_ack(uint64_t) override {}

 protected:
  // The stream's story ends with the connection.
  virtual void on_lost(http::Stream& s) = 0;
  virtual void after_flush() {}

  // Sends `n` bytes, made by `byte(position)`, behind what was sent before.
  template <class Byte>
  void send_bytes(http::Stream& s, size_t from, size_t n, bool end, Byte&& byte) {
    do {
      const size_t piece = std::min<size_t>(n, 1400);
      buf::Slice slice = stage_.node().buffers.rx.alloc();
      slice.grow_back(static_cast<uint32_t>(piece));
      for (size_t i = 0; i < piece; ++i)
        slice.mutable_data()[i] = static_cast<uint8_t>(byte(from + i));
      from += piece;
      n -= piece;
      h2_->send_data(s, std::move(slice), end && n == 0);
    } while (n > 0);
  }

 private:
  void on_start() override { h2_->start(); }
  void on_bytes(buf::Slice data) override { h2_->receive(std::move(data), stage_.now()); }
  void produce() override {
    if (!h2_->failed()) h2_->flush(room());
    if (h2_->failed()) {
      if (!faulty()) stage_.violation(std::string("a peer was told nonsense: ") + h2_->detail());
      hang_up();
      return;
    }
    after_flush();
  }
  void detach() override { h2_.reset(); }
  void on_leave() override {
    h2_->for_each_stream([&](http::Stream& s) {
      on_lost(s);
      s.set_owner(nullptr);
    });
  }

  http2::Role role_;
  http2::Config config_;
  stats::Http2 stats_;
  http2::hpack::Shared hpack_{stats_, {}, 64 * 1024};
  Slab<http2::Stream> streams_;
  std::optional<QueueStream> wire_;
  std::optional<http2::Connection> h2_;
};

}  // namespace sluice::sim
