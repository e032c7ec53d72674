#pragma once
// One connection of a client or a pod: HTTP/2 over the world's stack. What goes over the wire when
// is decided by who derives from it.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "call.h"
#include "relay/fixture.h"
#include "tcp/user.h"

namespace sluice::sim {

// The world as clients and pods see it.
class Stage {
 public:
  virtual Time now() const = 0;
  virtual void at(Time when, std::function<void()> fn) = 0;
  // Something that must never happen has happened.
  virtual void violation(const std::string& what) = 0;
  virtual relay::Node& node() = 0;

 protected:
  ~Stage() = default;
};

// Lives as long as the world, whatever becomes of its connection: events may still name it.
class Peer : public tcp::User, public http::Handler {
 public:
  Peer(Stage& stage, http2::Role role, const http2::Config& config)
      : stage_(stage), role_(role), config_(config) {}
  virtual ~Peer() = default;

  void begin(tcp::Connection& c) {
    tcp_ = &c;
    wire_.emplace(c.send_queue());
    h2_.emplace(role_, config_, *this, *wire_, stage_.node().buffers.memory, stats_, streams_,
                hpack_);
    if (role_ == http2::Role::kServer) on_established(c);
  }
  bool alive() const { return tcp_ != nullptr && !over_; }
  bool started() const { return started_ && alive(); }
  tcp::Connection* tcp() { return tcp_; }
  http2::Connection& h2() { return *h2_; }
  bool has_h2() const { return h2_.has_value(); }

  // From here on nothing is expected of this connection.
  void blame() { faulty_ = true; }
  bool faulty() const { return faulty_; }
  bool garbled() const { return garbled_; }

  // Reads no more bytes, or goes on.
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    if (alive() && unread_ > 0) tcp_->consumed(std::exchange(unread_, 0));
  }
  void garbage(std::string_view bytes) {
    blame();
    garbled_ = true;
    if (!started()) return;
    tcp_->send_queue().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                   stage_.node().buffers.memory.hold());
  }
  // RST.
  void abort() {
    blame();
    if (tcp_ == nullptr) return;
    take_leave();
    tcp_->abort();
  }
  // FIN; in the middle of things it is a fault.
  void close() {
    if (!alive()) return;
    if (h2_->open_streams() > 0) blame();
    take_leave();
    tcp_->close();
  }
  void flush() {
    if (!alive()) {
      if (tcp_ == nullptr) h2_.reset();
      return;
    }
    if (started_ && !h2_->failed()) h2_->flush(tcp_->send_space());
    if (h2_->failed()) {
      if (!faulty_) stage_.violation(std::string("a peer was told nonsense: ") + h2_->detail());
      take_leave();
      tcp_->close();
      return;
    }
    after_flush();
    if (tcp_ != nullptr) tcp_->push();
  }

  void on_established(tcp::Connection&) override {
    if (over_) return;
    h2_->start();
    started_ = true;
  }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    const uint32_t n = data.size();
    if (!over_) h2_->receive(std::move(data), stage_.now());
    if (paused_) {
      unread_ += n;
    } else {
      c.consumed(n);
    }
  }
  void on_end_of_data(tcp::Connection& c) override {
    heard_end_ = true;
    if (over_) return;
    on_peer_end();
    take_leave();
    c.close();
  }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override {
    if (!over_) on_peer_end();
    take_leave();
    tcp_ = nullptr;
  }
  void on_settings() override {}
  void on_ping_ack(uint64_t) override {}

 protected:
  // The stream's story ends with the connection.
  virtual void on_lost(http::Stream& s) = 0;
  // The other side ended or lost the connection.
  virtual void on_peer_end() {}
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

  Stage& stage_;

 private:
  void take_leave() {
    if (over_) return;
    over_ = true;
    h2_->for_each_stream([&](http::Stream& s) {
      on_lost(s);
      s.set_owner(nullptr);
    });
  }

  http2::Role role_;
  http2::Config config_;
  tcp::Connection* tcp_ = nullptr;
  bool started_ = false;  // the preface stands in the output
  bool over_ = false;
  bool faulty_ = false;
  bool garbled_ = false;
  bool paused_ = false;
  bool heard_end_ = false;
  uint32_t unread_ = 0;
  stats::Http2 stats_;
  http2::hpack::Shared hpack_{stats_, {}, 64 * 1024};
  Slab<http2::Stream> streams_;
  std::optional<QueueStream> wire_;
  std::optional<http2::Connection> h2_;
};

}  // namespace sluice::sim
