#pragma once
// A client's connection of HTTP/2: makes calls, reads answers, and has its moods.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "http2_peer.h"
#include "http2_tunnels.h"

namespace sluice::sim {

struct Manners {
  double cancels = 0;  // chance that a call is cancelled on the way
  double dawdles = 0;  // chance that a body is sent in pieces, with pauses
  double slow = 0;     // chance that an answer is read slowly
  // Of HTTP/1.1: chance that a request is the last one, and the client's side ends behind it, or
  // within its body.
  double half_closes = 0;
  size_t max_body = 40'000;
  size_t max_answer = 40'000;
};

// What a client asks for.
inline void draw(Call& c, const Manners& manners, Random& random, bool grpc) {
  c.grpc = grpc;
  if (!c.grpc) {
    constexpr const char* kMethods[] = {"POST", "POST", "POST", "PUT", "GET", "HEAD"};
    c.method = kMethods[random.below(6)];
    constexpr const char* kStatus[] = {"200", "200", "200", "200", "200", "200", "204", "304"};
    c.status = kStatus[random.below(8)];
    c.ends = static_cast<Call::Answer>(random.below(4));
    c.says_length = random.chance(0.5);
  }
  const bool has_body = c.method == "POST" || c.method == "PUT";
  c.size = !has_body || random.chance(0.3) ? 0 : random.below(manners.max_body);
  c.answer = c.bodiless() || random.chance(0.2) ? 0 : random.below(manners.max_answer);
}

class Http2Client final : public Http2Peer, public Caller {
 public:
  Http2Client(Stage& stage, std::unique_ptr<Secure> secure, const http2::Config& config,
              const Manners& manners, uint64_t seed)
      : Http2Peer(stage, std::move(secure), http2::Role::kClient, config),
        manners_(manners),
        random_(seed) {}

  Peer& peer() override { return *this; }
  bool spent() const override { return going_away_; }

  bool call(Call& c) override {
    if (!started() || going_away_ || !h2().can_open()) return false;
    c.client = this;
    draw(c, manners_, random_, random_.chance(0.7));
    http::FieldList f;
    f.add(http::Name::kMethod, c.method);
    f.add(http::Name::kScheme, "http");
    f.add(http::Name::kAuthority, "echo");
    f.add(http::Name::kPath, "/call/" + std::to_string(c.id));
    if (c.grpc) f.add(http::Name::kContentType, "application/grpc");
    if (c.says_length && c.size > 0) f.add(http::Name::kContentLength, std::to_string(c.size));
    f.add("x-size", std::to_string(c.size));
    f.add("x-answer", std::to_string(c.answer));
    if (secure() && random_.chance(0.2)) f.add("x-forwarded-client-cert", "Subject=\"CN=king\"");
    http::Stream* s = h2().open(f, c.size == 0, &c);
    if (s == nullptr) return false;
    open_[&c] = s;
    if (c.size > 0) send_body(c, 0, random_.chance(manners_.dawdles));
    if (random_.chance(manners_.cancels))
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(60'000'000))),
                [this, &c] { cancel(c); });
    if (random_.chance(manners_.slow)) slow_[&c] = 0;
    return true;
  }
  bool open(Tunnel& t) override {
    if (!started() || going_away_ || !h2().can_open()) return false;
    if (t.websocket && !h2().peer_takes_protocol("websocket")) return false;
    http::FieldList f;
    f.add(http::Name::kMethod, "CONNECT");
    if (t.websocket) {
      f.add(http::Name::kProtocol, "websocket");
      f.add(http::Name::kScheme, "http");
      f.add(http::Name::kPath, t.path());
      f.add(http::Name::kAuthority, "echo");
    } else {
      f.add(http::Name::kAuthority, t.authority());
    }
    http::Stream* s = h2().open(f, false, &t);
    if (s == nullptr) return false;
    tunnels_.add(h2(), *s, t);
    tunnels_.attach(*s, t.client);
    if (t.early) t.client.talk();
    return true;
  }
  void cancel(Call& c) {
    const auto open = open_.find(&c);
    if (!alive() || open == open_.end()) return;
    c.cancelled = true;
    http::Stream* s = open->second;
    forget(c);
    h2().reset(*s, http2::ErrorCode::kCancel);
  }
  void cancel_all() override {
    while (alive() && !open_.empty()) cancel(*open_.begin()->first);
  }

  void on_headers(http::Stream& s, Section section, http::FieldList& fields, bool end) override {
    if (tunnels_.has(s)) return on_tunnel_headers(s, section, fields, end);
    Call& c = live(s);
    if (section == Section::kInformational) return;
    if (section == Section::kResponse)
      c.http_status = std::string(fields.find(http::Name::kStatus).value_or(""));
    if (const auto status = fields.find(http::Name::kGrpcStatus)) c.grpc_status = *status;
    if (const auto text = fields.find(http::Name::kGrpcMessage)) c.message = *text;
    if (end) c.complete = true;
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    if (tunnels_.has(s)) {
      const bool refused = !tunnels_.tunnel(s).opened;
      tunnels_.on_data(s, data, end);
      if (end && refused && tunnels_.has(s)) tunnels_.give_up(s);
      return;
    }
    Call& c = live(s);
    for (const uint8_t b : data.view())
      if (static_cast<char>(b) != response_byte(c.id, c.got++)) c.got_wrong = true;
    if (end) c.complete = true;
    const auto slow = slow_.find(&c);
    if (slow == slow_.end()) {
      if (data.size() > 0) h2().consumed(s, data.size());
      return;
    }
    // Takes what has come a while later.
    if (slow->second == 0)
      stage_.at(stage_.now() + std::chrono::milliseconds(30), [this, &c] { take(c); });
    slow->second += data.size();
  }
  void on_sent(http::Stream&, uint32_t) override {}
  void on_reset(http::Stream& s, http::EndReason reason, http::EndedBy by) override {
    if (tunnels_.has(s)) return tunnels_.on_reset(s);
    Call& c = live(s);
    if (by != http::EndedBy::kPeer && !faulty())
      stage_.violation("the appliance broke the protocol on a stream");
    // After the whole answer it only says that the rest of the request is not wanted.
    if (!c.complete) {
      c.reset = true;
      c.code = http2::code_of(reason);
    }
    end(c);
  }
  void on_closed(http::Stream& s) override {
    if (tunnels_.has(s)) return tunnels_.on_closed(s);
    Call& c = live(s);
    if (!c.complete) stage_.violation("a stream closed without an end");
    end(c);
  }
  void on_goaway(const http::Goaway& g) override {
    const uint32_t last = g.last_stream_id;
    going_away_ = true;
    if (g.reason != http::EndReason::kNoError && !faulty())
      stage_.violation(std::string("a client was accused: ") + g.code);
    // Above the last id nothing was processed: nobody here tries again.
    h2().for_each_stream([&](http::Stream& s) {
      if (s.id() != 0 && s.id() <= last) return;
      if (tunnels_.has(s)) {
        tunnels_.tunnel(s).may_be_dropped = true;
        tunnels_.give_up(s);
        return;
      }
      Call& c = live(s);
      c.reset = true;
      c.code = http2::ErrorCode::kRefusedStream;
      end(c);
      h2().reset(s, http2::ErrorCode::kCancel);
    });
  }

 private:
  static Call& live(http::Stream& s) { return *static_cast<Call*>(s.owner()); }
  void on_tunnel_headers(http::Stream& s, Section section, const http::FieldList& fields,
                         bool end) {
    if (section == Section::kInformational) return;
    Tunnel& t = tunnels_.tunnel(s);
    t.answered = true;
    t.status = std::string(fields.find(http::Name::kStatus).value_or(""));
    t.opened = t.status.starts_with("2");
    if (t.opened) {
      t.client.talk();
      if (end) t.client.hear_end();
    } else {
      t.client.finished();
      if (end) tunnels_.give_up(s);
    }
  }
  void forget(Call& c) {
    open_.erase(&c);
    slow_.erase(&c);
  }
  void end(Call& c) {
    if (c.ended || c.cancelled || c.lost) stage_.violation("a call ended twice");
    c.ended = true;
    forget(c);
  }
  void on_lost(http::Stream& s) override {
    if (tunnels_.has(s)) return tunnels_.on_lost(s);
    Call& c = live(s);
    c.lost = true;
    forget(c);
  }
  void on_peer_end(bool) override {
    tunnels_.on_connection_lost();
    if (!faulty() && !going_away_) stage_.violation("a well-behaved client's connection was ended");
    if (!faulty() && !open_.empty()) stage_.violation("a connection was ended with calls on it");
  }
  void after_flush() override {
    if (going_away_ && open_.empty() && tunnels_.size() == 0) close();
  }
  void take(Call& c) {
    const auto slow = slow_.find(&c);
    if (slow == slow_.end() || !alive()) return;
    h2().consumed(*open_[&c], std::exchange(slow->second, 0));
  }
  void send_body(Call& c, size_t from, bool dawdle) {
    const auto open = open_.find(&c);
    if (!alive() || open == open_.end()) return;
    const size_t n = dawdle ? std::min<size_t>(c.size - from, 1 + random_.below(8'000)) : c.size;
    send_bytes(*open->second, from, n, from + n == c.size,
               [&](size_t at) { return request_byte(c.id, at); });
    if (from + n < c.size)
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(10'000'000))),
                [this, &c, next = from + n] { send_body(c, next, true); });
  }

  Manners manners_;
  Random random_;
  bool going_away_ = false;
  std::map<Call*, http::Stream*> open_;
  std::map<Call*, uint32_t> slow_;  // and how much waits to be taken
  Http2Tunnels tunnels_{*this, stage_};
};

}  // namespace sluice::sim
