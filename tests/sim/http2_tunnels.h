#pragma once
// The tunnels on one connection of HTTP/2, of a client or a pod: each is a stream (RFC 9113, 8.5;
// RFC 8441).

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "http2_peer.h"
#include "tunnel.h"

namespace sluice::sim {

class Http2Tunnels {
 public:
  Http2Tunnels(Peer& peer, Stage& stage) : peer_(peer), stage_(stage) {}

  size_t size() const { return open_.size(); }
  bool has(const http::Stream& s) const { return open_.contains(&s); }
  Tunnel& tunnel(const http::Stream& s) { return *open_.at(&s)->tunnel; }

  // The stream of a tunnel; `end` is this side's end, once it is open.
  void add(http2::Connection& h2, http::Stream& s, Tunnel& t) {
    open_[&s] = made_.emplace_back(std::make_unique<Mouth>(*this, h2, s, t)).get();
  }
  void attach(const http::Stream& s, TunnelEnd& end) {
    Mouth& m = *open_.at(&s);
    m.end = &end;
    end.attach(m, peer_);
    if (!m.before.empty()) end.hear(m.before);
    if (m.ended_before) end.hear_end();
  }
  void on_data(http::Stream& s, const buf::Slice& data, bool end) {
    Mouth& m = *open_.at(&s);
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    if (m.end == nullptr) {
      m.before += bytes;
      m.ended_before |= end;
    } else if (m.end->attached()) {
      if (!bytes.empty()) m.end->hear(bytes);
      if (end) m.end->hear_end();
    }
    if (data.size() > 0) m.h2.consumed(s, data.size());
  }
  // Both sides have ended.
  void on_closed(const http::Stream& s) {
    Mouth* const m = forget(s);
    if (m->end != nullptr) m->end->finished();
  }
  void on_reset(const http::Stream& s) {
    Mouth* const m = forget(s);
    if (m->end != nullptr) m->end->hear_reset();
  }
  // The tunnel was refused: so is the rest of its stream.
  void give_up(http::Stream& s) {
    Mouth* const m = forget(s);
    if (m->end != nullptr) m->end->finished();
    m->h2.reset(s, http2::ErrorCode::kCancel);
  }
  // With the connection, by our own doing or not.
  void on_lost(const http::Stream& s) {
    Mouth* const m = forget(s);
    if (m->end != nullptr) m->end->leave(false);
  }
  void on_connection_lost() {
    while (!open_.empty()) {
      Mouth* const m = forget(*open_.begin()->first);
      if (m->end != nullptr) m->end->hear_reset();
    }
  }

  struct Mouth final : TunnelMouth {
    Mouth(Http2Tunnels& all, http2::Connection& h2, http::Stream& s, Tunnel& t)
        : tunnel(&t), all(all), h2(h2), stream(&s) {}
    void tunnel_say(std::string_view bytes) override {
      while (!bytes.empty() && stream != nullptr) {
        const std::string_view piece = bytes.substr(0, 1400);
        h2.send_data(*stream, all.stage_.node().buffers.slice(std::string(piece)), false);
        bytes.remove_prefix(piece.size());
      }
    }
    void tunnel_end() override {
      if (stream != nullptr) h2.send_data(*stream, {}, true);
    }
    void tunnel_reset() override {
      http::Stream& s = *stream;
      all.forget(s);
      h2.reset(s, http2::ErrorCode::kCancel);
    }

    Tunnel* const tunnel;
    TunnelEnd* end = nullptr;  // of this side
    std::string before;        // what came before the pod had opened the tunnel
    bool ended_before = false;
    Http2Tunnels& all;
    http2::Connection& h2;
    http::Stream* stream;  // nullptr: over
  };
  // The stream is not the tunnel's any more.
  Mouth* forget(const http::Stream& s);

 private:
  Peer& peer_;
  Stage& stage_;
  std::map<const http::Stream*, Mouth*> open_;
  std::vector<std::unique_ptr<Mouth>> made_;
};

inline Http2Tunnels::Mouth* Http2Tunnels::forget(const http::Stream& s) {
  Mouth* const m = open_.at(&s);
  open_.erase(&s);
  m->stream->set_owner(nullptr);
  m->stream = nullptr;
  return m;
}

}  // namespace sluice::sim
