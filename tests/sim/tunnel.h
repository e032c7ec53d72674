#pragma once
// A tunnel (WebSocket or CONNECT) as both of its ends know it: bytes both ways, and the ends.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/random.h"
#include "peer.h"

namespace sluice::sim {

// How an end of a tunnel is reached: a connection of HTTP/1.1, or a stream of HTTP/2.
class TunnelMouth {
 public:
  virtual void tunnel_say(std::string_view bytes) = 0;
  // Our direction ends in order, and the other one goes on.
  virtual void tunnel_end() = 0;
  virtual void tunnel_reset() = 0;

 protected:
  ~TunnelMouth() = default;
};

// One end. It talks at random times, ends as its dice say, and checks all that it hears. Lives as
// long as the world.
class TunnelEnd {
 public:
  struct Talk {
    uint32_t pieces = 0;
    size_t largest = 1;         // bytes of a piece
    Duration longest_pause{1};  // in front of a piece, and of the end
    enum class Finish : uint8_t { kEnds, kResets, kStays } finish = Finish::kStays;
    bool answers_end = true;  // ends its side some time after the other side's end
  };

  // Bytes are told apart by tunnel and direction. front: the first bytes that this end says.
  TunnelEnd(Stage& stage, uint64_t number, bool client, const Talk& talk, uint64_t seed)
      : stage_(stage), key_(number * 2 + (client ? 0 : 1)), talk_(talk), random_(seed) {}
  TunnelEnd(const TunnelEnd&) = delete;

  char byte(size_t at) const {
    if (at < front.size()) return front[at];
    return static_cast<char>(mix64(~key_ ^ (at / 64 << 24)) + at);
  }
  std::string front;

  void attach(TunnelMouth& mouth, Peer& peer) {
    mouth_ = &mouth;
    peer_ = &peer;
  }
  void meet(TunnelEnd& other) { other_ = &other; }
  void talk() {
    if (mouth_ == nullptr || talking_) return;
    talking_ = true;
    next();
  }
  // Says one piece more than its talk, if it still can.
  void say_more() {
    if (open()) say(1 + random_.below(100));
  }
  void reset() {
    if (mouth_ == nullptr) return;
    did_reset = true;
    mouth_->tunnel_reset();
    mouth_ = nullptr;
  }

  // The mouth's reports.
  void hear(std::string_view bytes) {
    if (heard_end) stage_.violation(name() + " heard bytes behind the end");
    for (const char b : bytes) wrong |= other_ == nullptr || b != other_->byte(got++);
    if (other_ == nullptr || got > other_->sent) wrong = true;
    moved_at = stage_.now();
  }
  void hear_end() {
    if (heard_end) return;
    heard_end = true;
    heard_end_at = stage_.now();
    // Checked now: what the other end says later must not count.
    end_was_told = other_ != nullptr && other_->said_end && got == other_->sent;
    if (!said_end && talk_.answers_end) {
      talk_.pieces = std::min<uint32_t>(talk_.pieces, 3);
      talk_.finish = Talk::Finish::kEnds;
      if (talking_ && idle_) next();
    }
  }
  void hear_reset() {
    if (!heard_reset) heard_reset_at = stage_.now();
    heard_reset = true;
    mouth_ = nullptr;
  }
  // The mouth has gone by its own doing. in_order: behind all bytes, with an end in order.
  void leave(bool in_order) {
    if (mouth_ == nullptr) return;
    mouth_ = nullptr;
    left = true;
    if (in_order) {
      end_said();
    } else {
      did_reset = true;
    }
  }
  // Both ends have ended in order, and the mouth is no longer needed.
  void finished() { mouth_ = nullptr; }

  bool attached() const { return mouth_ != nullptr; }
  bool open() const { return mouth_ != nullptr && !said_end; }
  Peer* peer() const { return peer_; }
  bool blamed() const { return peer_ != nullptr && peer_->faulty(); }
  bool garbled() const { return peer_ != nullptr && peer_->garbled(); }
  std::string name() const {
    return std::string(key_ % 2 == 0 ? "the client" : "the pod") + " of tunnel " +
           std::to_string(key_ / 2);
  }

  // What has happened. Bytes that were said may be on the way.
  size_t sent = 0, got = 0;
  bool wrong = false;
  bool said_end = false, did_reset = false;
  bool left = false;  // hears no more
  bool heard_end = false, end_was_told = false, heard_reset = false;
  Time said_at{}, moved_at{}, heard_end_at{}, heard_reset_at{};

 private:
  void next() {
    idle_ = false;
    if (talk_.pieces == 0 && talk_.finish == Talk::Finish::kStays) {
      idle_ = true;
      return;
    }
    stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(
                                 static_cast<uint64_t>(talk_.longest_pause.count())))),
              [this] { act(); });
  }
  void act() {
    if (!open()) return;
    if (talk_.pieces > 0) {
      --talk_.pieces;
      say(1 + random_.below(talk_.largest));
      next();
    } else if (talk_.finish == Talk::Finish::kEnds) {
      end_said();
      mouth_->tunnel_end();
    } else if (talk_.finish == Talk::Finish::kResets) {
      reset();
    } else {
      idle_ = true;
    }
  }
  void say(size_t n) {
    std::string bytes(n, '\0');
    for (size_t i = 0; i < n; ++i) bytes[i] = byte(sent + i);
    sent += n;
    said_at = stage_.now();
    mouth_->tunnel_say(bytes);
  }
  void end_said() {
    if (!said_end) said_at = stage_.now();
    said_end = true;
  }

  Stage& stage_;
  const uint64_t key_;
  Talk talk_;
  Random random_;
  TunnelMouth* mouth_ = nullptr;  // nullptr: not open yet, or over
  Peer* peer_ = nullptr;
  TunnelEnd* other_ = nullptr;
  bool talking_ = false;
  bool idle_ = false;  // nothing is planned
};

// How a pod answers the request for a tunnel.
enum class TunnelAnswer : uint8_t {
  kOpens,
  kOpensLate,  // behind an informational answer
  kRefuses,    // with 4xx and a body
  kIgnores,    // 200 with a body, of a pod that knows no Upgrade. A CONNECT is refused instead
  kBreaks,     // 101 without Upgrade, or with a wrong digest; 101 to CONNECT
  kSilent,
  kDrops,  // ends the connection, or resets the stream
};

struct Tunnel {
  Tunnel(Stage& stage, uint64_t number, const TunnelEnd::Talk& talk, uint64_t seed)
      : number(number), client(stage, number, true, talk, seed) {}

  const uint64_t number;
  bool websocket = true;  // else CONNECT
  bool early = false;     // the client talks before it has an answer
  bool by_http1 = false;  // the client
  // Behind other requests, which may end the connection, or excluded by a GOAWAY.
  bool may_be_dropped = false;

  TunnelEnd client;
  // Those that have opened the tunnel. Only the last one is in it: a handshake may be sent again
  // when nothing of its answer has arrived.
  std::deque<TunnelEnd> pods;

  // What pods did.
  int asked = 0;  // pods that acted on the request
  TunnelAnswer answer{};
  Peer* asked_on = nullptr;
  bool refused_by_pod = false;  // with 403
  bool dropped_by_pod = false;  // without an answer, or with one that no client may see
  bool mistakable = false;      // see Call

  // What the client knows.
  bool answered = false;
  std::string status;
  bool opened = false;

  std::string path() const { return "/tunnel/" + std::to_string(number); }
  std::string authority() const { return "t" + std::to_string(number) + ":80"; }
  TunnelEnd* pod() { return pods.empty() ? nullptr : &pods.back(); }
};

}  // namespace sluice::sim
