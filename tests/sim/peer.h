#pragma once
// One connection of a client or a pod over the world's stack: bytes over TCP, or over TLS. What
// they mean is decided by who derives from it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "call.h"
#include "relay/fixture.h"
#include "secure.h"
#include "tcp/user.h"

namespace sluice::sim {

struct Tunnel;

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
class Peer : public tcp::User {
 public:
  // secure: nullptr for cleartext.
  Peer(Stage& stage, std::unique_ptr<Secure> secure) : stage_(stage), secure_(std::move(secure)) {}
  virtual ~Peer() = default;

  virtual void begin(tcp::Connection& c) { tcp_ = &c; }
  bool alive() const { return tcp_ != nullptr && !over_; }
  bool started() const { return started_ && alive(); }
  tcp::Connection* tcp() { return tcp_; }
  bool secure() const { return secure_ != nullptr; }

  // From here on nothing is expected of this connection.
  void blame() { faulty_ = true; }
  bool faulty() const { return faulty_; }
  // A client whose certificate the appliance must refuse: none of its calls may reach a pod.
  void refuse() {
    blame();
    refused_ = true;
  }
  bool refused() const { return refused_; }
  // The values of x-forwarded-client-cert that pods must get with calls of this client, one at
  // most.
  void show(std::string certificate) { shown_ = std::move(certificate); }
  const std::string& shown() const { return shown_; }
  bool garbled() const { return garbled_; }

  // Reads no more bytes, or goes on.
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    if (alive() && unread_ > 0) tcp_->consumed(std::exchange(unread_, 0));
  }
  // beneath: among the records of TLS, not in them.
  void garbage(std::string_view bytes, bool beneath) {
    blame();
    garbled_ = true;
    if (!started()) return;
    if (beneath) {
      to_tcp(bytes);
    } else {
      say(bytes);
    }
  }
  // New keys of TLS.
  void update_keys() {
    if (secure_ && started()) secure_->update_keys();
  }
  // RST.
  void abort() {
    blame();
    if (tcp_ == nullptr) return;
    take_leave();
    tcp_->abort();
  }
  // The end of our side: close_notify, where there is TLS, and FIN. In the middle of things it is a
  // fault.
  void close() {
    if (!alive()) return;
    if (busy()) blame();
    hang_up();
  }
  bool output_ended() const { return output_ended_; }
  // The end of our side, as close() makes it, and reading goes on until the other side's end.
  void end_output() {
    if (!alive() || output_ended_) return;
    seal();
    if (secure_ && secure_->done()) {
      secure_->end();
      to_tcp(secure_->said());
    }
    output_ended_ = left_in_order_ = true;
    tcp_->set_patient();
    tcp_->close();
    if (peer_ended_) take_leave();
  }
  // A FIN without close_notify.
  void truncate() {
    if (!alive()) return;
    blame();
    cut_ = true;
    hang_up();
  }
  void flush() {
    if (tcp_ == nullptr) {
      detach();
      return;
    }
    if (!alive()) return;
    if (started_) produce();
    if (!alive()) return;
    seal();
    tcp_->push();
  }

  // Whether a call is under way.
  virtual bool busy() const = 0;

  void on_established(tcp::Connection&) override {
    if (over_) return;
    if (secure_) {
      hear({});
    } else {
      start();
    }
  }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    const uint32_t n = data.size();
    if (!over_ && secure_) {
      hear({reinterpret_cast<const char*>(data.data()), data.size()});
    } else if (!over_) {
      on_bytes(std::move(data));
    }
    if (paused_) {
      unread_ += n;
    } else {
      c.consumed(n);
    }
  }
  void on_end_of_data(tcp::Connection&) override {
    if (over_) return;
    const bool clean = !secure_ || secure_->heard_end();
    // The appliance may think better of a connection to a pod before its first record.
    const bool unused = secure_ && secure_->is_server() && !heard_;
    if (!clean && !unused && !faulty_) stage_.violation("a FIN without close_notify or an alert");
    if (!peer_ended_ || !clean) heard_end(clean);
  }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override {
    if (!over_) on_peer_end(false);
    take_leave();
    tcp_ = nullptr;
  }

 protected:
  // Bytes can be sent.
  virtual void on_start() = 0;
  virtual void on_bytes(buf::Slice data) = 0;
  // The other side ended (clean: by its protocol's own mark), or lost the connection.
  virtual void on_peer_end(bool clean) = 0;
  // The connection is over for its owner: whatever is under way is lost.
  virtual void on_leave() = 0;
  // Into output().
  virtual void produce() = 0;
  // Our side goes on behind the other side's end in order.
  virtual bool lives_half_closed() const { return false; }
  // TCP's connection has gone.
  virtual void detach() {}

  buf::Queue& output() { return secure_ ? plain_ : tcp_->send_queue(); }
  uint32_t room() const {
    const uint64_t taken = plain_.size();
    return tcp_->send_space() > taken ? static_cast<uint32_t>(tcp_->send_space() - taken) : 0;
  }
  void say(std::string_view bytes) {
    if (output_ended_) return;
    if (!output().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                              stage_.node().buffers.memory.hold()))
      stage_.violation("the world has no memory left");
  }
  // The end of our side, in order, whatever is under way.
  void hang_up() {
    seal();
    left_in_order_ |= !cut_ || !secure_;
    take_leave();
    if (output_ended_) return;
    if (secure_ && secure_->done() && !cut_) {
      secure_->end();
      to_tcp(secure_->said());
    }
    tcp_->close();
  }

  // For on_leave(): our side has ended in order, behind all that was said.
  bool left_in_order() const { return left_in_order_; }
  // All that was said is on the wire, each byte once at least.
  bool all_transmitted() const {
    return plain_.size() == 0 && tcp_->transmitted() == tcp_->send_queue().end();
  }

  Stage& stage_;

 private:
  void start() {
    started_ = true;
    on_start();
  }
  void hear(std::string_view bytes) {
    std::string plain;
    heard_ |= !bytes.empty();
    secure_->hear(bytes, plain);
    to_tcp(secure_->said());
    tcp_->push();
    if (secure_->done() && !started_) start();
    heard_plain_ |= !plain.empty();
    for (std::string_view rest = plain; !rest.empty() && !over_;) {
      const auto piece = rest.substr(0, 1400);
      on_bytes(stage_.node().buffers.slice(std::string(piece)));
      rest.remove_prefix(piece.size());
    }
    if (over_) return;
    if (secure_->failed()) {
      // The appliance may give a connection to a pod up that it no longer wants, while its own side
      // of the handshake is under way.
      const bool unwanted = secure_->is_server() && !heard_plain_;
      if (!faulty_ && !unwanted)
        stage_.violation(std::string("TLS failed of a ") +
                         (secure_->is_server() ? "pod: " : "client: ") + secure_->reason());
      blame();
      on_peer_end(false);
      if (over_ || tcp_ == nullptr) return;
      take_leave();
      tcp_->close();
    } else if (secure_->heard_end() && !peer_ended_) {
      heard_end(true);
    }
  }
  void heard_end(bool clean) {
    peer_ended_ = true;
    on_peer_end(clean);
    if (clean && lives_half_closed() && !output_ended_) return;
    if (tcp_ != nullptr && !over_) hang_up();
  }
  // Plain output becomes records.
  void seal() {
    if (!secure_ || !secure_->done() || output_ended_) return;
    std::string plain;
    while (!plain_.empty()) {
      const buf::Slice s = plain_.pop(UINT32_MAX);
      plain.append(reinterpret_cast<const char*>(s.data()), s.size());
    }
    secure_->write(plain);
    to_tcp(secure_->said());
  }
  void to_tcp(std::string_view bytes) {
    if (bytes.empty() || output_ended_) return;
    if (!tcp_->send_queue().append_copy(
            {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
            stage_.node().buffers.memory.hold()))
      stage_.violation("the world has no memory left");
  }
  void take_leave() {
    if (over_) return;
    over_ = true;
    on_leave();
    plain_.clear();
  }

  const std::unique_ptr<Secure> secure_;
  tcp::Connection* tcp_ = nullptr;
  buf::Queue plain_;      // of TLS, not yet in records
  bool started_ = false;  // bytes can be sent
  bool over_ = false;
  bool faulty_ = false;
  bool garbled_ = false;
  bool paused_ = false;
  bool cut_ = false;           // by truncate()
  bool output_ended_ = false;  // by end_output()
  bool peer_ended_ = false;
  bool left_in_order_ = false;
  bool refused_ = false;
  bool heard_ = false;  // bytes of TLS
  bool heard_plain_ = false;
  std::string shown_;
  uint32_t unread_ = 0;
};

// A client's side, as the world calls it.
class Caller {
 public:
  virtual Peer& peer() = 0;
  // False when the connection takes no call.
  virtual bool call(Call& c) = 0;
  // Likewise.
  virtual bool open(Tunnel& t) = 0;
  virtual void cancel_all() = 0;
  // Takes no further call, and nothing is wrong.
  virtual bool spent() const = 0;
  virtual ~Caller() = default;
};

// A pod's side.
class Server {
 public:
  virtual Peer& peer() = 0;
  // Takes no further call; announce() says so before.
  virtual void goaway() = 0;
  virtual void announce() = 0;
  // What the connection is busy with.
  virtual std::string doing() const = 0;
  virtual ~Server() = default;
};

}  // namespace sluice::sim
