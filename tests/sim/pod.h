#pragma once
// A pod: answers calls, each in the way that its dice say, and can be shaken in every way that pods
// are. It keeps the truth: a call that it has acted on is processed, whatever becomes of it then.

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "http1_tunnel.h"
#include "http2_peer.h"
#include "http2_tunnels.h"
#include "tunnels.h"

namespace sluice::sim {

// Shares of what a pod does with a call; the rest is answered as it should be.
struct Moods {
  double refuses = 0;  // REFUSED_STREAM before it acts
  double resets = 0;   // after it has acted, with any code
  double silent = 0;   // acts and never answers
  double early = 0;    // answers before the request is whole, then RST_STREAM(NO_ERROR)
  double errors = 0;   // trailers-only with an error of its own
  double waits = 0.5;  // acts only after a while
  // Of HTTP/1.1.
  double breaks = 0;   // answers as RFC 9112 forbids
  double closes = 0;   // ends the connection behind its answer
  double surplus = 0;  // sends one more answer, up to 5 ms behind a good one
};

enum class Way { kAnswer, kRefuse, kReset, kSilent, kEarly, kError, kBreak };

class Pod;

// One connection of a pod, of HTTP/2.
class Http2Server final : public Http2Peer, public Server {
 public:
  Http2Server(Stage& stage, std::unique_ptr<Secure> secure, Pod& pod, const http2::Config& config)
      : Http2Peer(stage, std::move(secure), http2::Role::kServer, config), pod_(pod) {}

  Peer& peer() override { return *this; }
  // Tunnels are no calls, and the appliance does not reset streams that a GOAWAY has excluded.
  bool busy() const override {
    const auto excluded = std::count_if(jobs_.begin(), jobs_.end(), [](const auto& j) {
      return j->excluded && j->stream != nullptr;
    });
    return open_streams() > tunnels_.size() + static_cast<size_t>(excluded);
  }

  // The final GOAWAY: what was not begun is excluded, honestly.
  void goaway() override {
    if (!started() || gone_) return;
    gone_ = true;
    uint32_t last = 0;
    h2().for_each_stream([&](http::Stream& s) {
      if (tunnels_.has(s) || job_of(s).acted) last = std::max(last, s.id());
    });
    last = std::max(last, highest_acted_);
    h2().goaway(last, http2::ErrorCode::kNoError);
    h2().refuse_new_streams();
    h2().for_each_stream([&](http::Stream& s) {
      if (s.id() > last) job_of(s).excluded = true;
    });
  }
  void announce() override {
    if (started() && !gone_) h2().goaway(http2::kMaxStreamId, http2::ErrorCode::kNoError);
  }

  std::string doing() const override {
    return std::to_string(open_streams() - tunnels_.size()) + " streams of calls";
  }

  void on_headers(http::Stream& s, Section section, http::FieldList& fields, bool end) override;
  void on_data(http::Stream& s, buf::Slice data, bool end) override;
  void on_sent(http::Stream&, uint32_t) override {}
  void on_reset(http::Stream& s, http::EndReason, http::EndedBy by) override {
    if (by != http::EndedBy::kPeer && !faulty())
      stage_.violation("the appliance broke the protocol toward a pod");
    if (tunnels_.has(s)) return tunnels_.on_reset(s);
    finish(job_of(s));
  }
  void on_closed(http::Stream& s) override {
    if (tunnels_.has(s)) return tunnels_.on_closed(s);
    finish(job_of(s));
  }
  void on_goaway(const http::Goaway& g) override {
    if (g.reason != http::EndReason::kNoError && !faulty())
      stage_.violation(std::string("a pod was accused: ") + g.code);
  }

 private:
  struct Job {
    Call* call = nullptr;
    http::Stream* stream = nullptr;  // nullptr: over
    Way way{};
    size_t got = 0;
    bool whole = false;
    bool acted = false;
    bool excluded = false;
    bool answering = false;
  };

  static Job& job_of(http::Stream& s) { return *static_cast<Job*>(s.owner()); }
  static void finish(Job& j) { j.stream = nullptr; }
  void on_lost(http::Stream& s) override {
    if (tunnels_.has(s)) return tunnels_.on_lost(s);
    finish(job_of(s));
  }
  void on_peer_end(bool) override { tunnels_.on_connection_lost(); }
  void on_tunnel(Tunnel& t, http::Stream& s);
  void answer_tunnel(Tunnel& t, http::Stream& s);
  void act(Job& j);
  void progress(Job& j);
  void answer(Job& j);

  Pod& pod_;
  bool gone_ = false;
  uint32_t highest_acted_ = 0;
  std::vector<std::unique_ptr<Job>> jobs_;
  Http2Tunnels tunnels_{*this, stage_};
};

class Pod final : public tcp::Acceptor {
 public:
  struct Speech {
    http2::Config http2;
    bool http1 = false;
    bool tls = false;
    int tls_version = TLS1_3_VERSION;
    bool asks = false;  // for the appliance's certificate
  };
  Pod(Stage& stage, int number, const Speech& speech, const Moods& moods, uint64_t seed,
      std::map<uint64_t, std::unique_ptr<Call>>& calls, Tunnels& tunnels, bool errors_are_retried)
      : stage_(stage),
        number_(number),
        speech_(speech),
        moods(moods),
        random(seed),
        calls(calls),
        tunnels(tunnels),
        errors_are_retried(errors_are_retried) {
    up();
  }
  void up() { stage_.node().stack.listen(address(), this); }
  void down() { stage_.node().stack.unlisten(address()); }
  Endpoint address() const { return relay::pod_at(number_); }
  int number() const { return number_; }

  tcp::User* on_accept(tcp::Connection& c) override;
  template <class Fn>
  void each(Fn&& fn) {
    for (size_t i = 0; i < peers.size(); ++i)
      if (peers[i]->peer().alive()) fn(*peers[i]);
  }
  // The call of a request with this path; nullptr: nobody made it.
  Call* called(std::string_view path) const {
    uint64_t n = 0;
    if (!path.starts_with("/call/")) return nullptr;
    std::from_chars(path.data() + 6, path.data() + path.size(), n);
    const auto known = calls.find(n);
    return known == calls.end() ? nullptr : known->second.get();
  }
  // shown: the request's x-forwarded-client-cert.
  void compare(const Call& c, std::string_view shown) {
    if (c.client->garbled()) return;
    if (c.client->refused()) stage_.violation("a call of a client with a wrong certificate");
    if (shown != c.client->shown())
      stage_.violation("a pod was told of another certificate: " + std::string(shown));
  }
  Way draw(const Call& c) {
    double dice = random.uniform();
    const auto falls = [&](double share) { return (dice -= share) < 0; };
    if (falls(moods.refuses)) return Way::kRefuse;
    if (falls(moods.resets)) return Way::kReset;
    if (falls(moods.silent)) return Way::kSilent;
    if (falls(moods.early)) return Way::kEarly;
    if (falls(moods.errors) && !c.bodiless()) return Way::kError;
    return speech_.http1 && falls(moods.breaks) ? Way::kBreak : Way::kAnswer;
  }
  // A pod acts on the call.
  void begin(Call& c, Way way) {
    ++c.processed;
    if (c.processed > c.errors + 1 && !c.idempotent())
      stage_.violation("a call was processed twice");
    c.answered_on = nullptr;
    c.answer_is_error = false;
    if (way == Way::kSilent) c.silent = true;
  }

 private:
  Stage& stage_;
  int number_;
  Speech speech_;

 public:
  Moods moods;
  Random random;
  std::map<uint64_t, std::unique_ptr<Call>>& calls;
  Tunnels& tunnels;
  const bool errors_are_retried;
  std::vector<std::unique_ptr<Server>> peers;
  // Whether packets neither get lost nor overtake one another; and a bound of the time there and
  // back, and of the appliance's turn.
  bool in_order = false;
  Duration round_trip{};
};

inline void Http2Server::on_headers(http::Stream& s, Section section, http::FieldList& fields,
                                    bool end) {
  if (section == Section::kTrailers) {
    Job& j = job_of(s);
    if (j.got != j.call->size && !j.call->client->garbled())
      stage_.violation("trailers before the end of a request's body");
    j.whole = true;
    if (j.stream != nullptr) progress(j);
    return;
  }
  const std::string_view path = fields.find(http::Name::kPath).value_or("");
  const std::string_view host = fields.find(http::Name::kAuthority).value_or("");
  if (Tunnel* const t = pod_.tunnels.find(tunnel_number(path.empty() ? host : path)))
    return on_tunnel(*t, s);
  Call* const call = pod_.called(path);
  if (call == nullptr) {
    stage_.violation("a pod got a call that nobody made");
    return;
  }
  if (fields.find(http::Name::kMethod).value_or("") != call->method && !call->client->garbled())
    stage_.violation("a request changed its method");
  std::string shown;
  for (const http::Field& field : fields)
    if (field.name == "x-forwarded-client-cert") shown += field.value;
  pod_.compare(*call, shown);
  jobs_.push_back(std::make_unique<Job>());
  Job& j = *jobs_.back();
  j.call = call;
  j.call->last_on = this;
  j.stream = &s;
  j.whole = end;
  if (end && j.call->size > 0) stage_.violation("a request lost its body");
  s.set_owner(&j);
  j.way = pod_.draw(*call);
  if (!pod_.random.chance(pod_.moods.waits)) {
    act(j);
    return;
  }
  stage_.at(stage_.now() + Duration(static_cast<int64_t>(pod_.random.below(40'000'000))),
            [this, &j] {
              if (alive()) act(j);
            });
}

inline void Http2Server::on_tunnel(Tunnel& t, http::Stream& s) {
  s.set_owner(&t);
  tunnels_.add(h2(), s, t);
  if (!pod_.random.chance(pod_.moods.waits)) {
    answer_tunnel(t, s);
    return;
  }
  stage_.at(stage_.now() + Duration(static_cast<int64_t>(pod_.random.below(40'000'000))),
            [this, &t, &s] {
              if (alive() && tunnels_.has(s) && &tunnels_.tunnel(s) == &t) answer_tunnel(t, s);
            });
}

inline void Http2Server::answer_tunnel(Tunnel& t, http::Stream& s) {
  pod_.tunnels.ask(t, *this, pod_.random);
  highest_acted_ = std::max(highest_acted_, s.id());
  const auto answer = [&](const char* status) {
    http::FieldList f;
    f.add(http::Name::kStatus, status);
    h2().send_headers(s, f, false);
  };
  switch (t.answer) {
    case TunnelAnswer::kOpensLate:
      answer("103");
      [[fallthrough]];
    case TunnelAnswer::kOpens: {
      answer("200");
      TunnelEnd& end = pod_.tunnels.open(t, pod_.random);
      tunnels_.attach(s, end);
      end.talk();
      break;
    }
    case TunnelAnswer::kIgnores:
    case TunnelAnswer::kRefuses:
      t.refused_by_pod = true;
      answer("403");
      h2().send_data(s, stage_.node().buffers.slice("no way"), true);
      tunnels_.forget(s);
      h2().reset_after_output(s, http2::ErrorCode::kNoError);
      break;
    case TunnelAnswer::kSilent:
      break;
    case TunnelAnswer::kBreaks:
    case TunnelAnswer::kDrops:
      t.dropped_by_pod = true;
      tunnels_.forget(s);
      h2().reset(s, http2::ErrorCode::kInternalError);
  }
}

inline void Http2Server::on_data(http::Stream& s, buf::Slice data, bool end) {
  if (tunnels_.has(s)) return tunnels_.on_data(s, data, end);
  Job& j = job_of(s);
  for (const uint8_t b : data.view())
    if (static_cast<char>(b) != request_byte(j.call->id, j.got++) && !j.call->client->garbled())
      stage_.violation("a request's body changed on the way");
  if (end && j.got != j.call->size && !j.call->client->garbled())
    stage_.violation("a request's body was cut short");
  j.whole |= end;
  if (data.size() > 0) h2().consumed(s, data.size());
  if (j.stream != nullptr) progress(j);
}

inline void Http2Server::act(Job& j) {
  if (j.stream == nullptr || j.excluded) return;
  if (j.way == Way::kRefuse) {
    http::Stream& s = *j.stream;
    finish(j);
    h2().reset(s, http2::ErrorCode::kRefusedStream);
    return;
  }
  j.acted = true;
  highest_acted_ = std::max(highest_acted_, j.stream->id());
  pod_.begin(*j.call, j.way);
  progress(j);
}

inline void Http2Server::progress(Job& j) {
  if (!j.acted || j.answering) return;
  if (j.way == Way::kSilent || (!j.whole && j.way != Way::kEarly)) return;
  j.answering = true;
  if (j.way == Way::kReset) {
    http::Stream& s = *j.stream;
    j.call->reset_by_pod = true;
    // Anything but REFUSED_STREAM, which would be a lie now.
    j.call->pod_code = static_cast<http2::ErrorCode>(8 + pod_.random.below(2) * 3);
    const auto code = j.call->pod_code;
    // The answer to HEAD is whole with its head.
    if (pod_.random.chance(0.5) && !j.call->bodiless()) {
      http::FieldList f = http2::response();
      h2().send_headers(s, f, false);
    }
    finish(j);
    h2().reset(s, code);
    return;
  }
  answer(j);
}

inline void Http2Server::answer(Job& j) {
  Call& c = *j.call;
  http::Stream& s = *j.stream;
  http::FieldList f;
  f.add(http::Name::kStatus, c.status);
  if (c.grpc) f.add(http::Name::kContentType, "application/grpc");
  if (j.way == Way::kError) {
    c.answer_is_error = true;
    if (pod_.errors_are_retried) ++c.errors;
    f.add(http::Name::kGrpcStatus, "13");
    h2().send_headers(s, f, true);
  } else {
    const bool trailers = c.ends == Call::Answer::kTrailers && !c.bodiless();
    if (c.ends == Call::Answer::kLength && c.status == "200" && c.method != "HEAD")
      f.add(http::Name::kContentLength, std::to_string(c.answer));
    const bool head_alone = !trailers && c.answer == 0;
    h2().send_headers(s, f, head_alone);
    if (c.answer > 0)
      send_bytes(s, 0, c.answer, !trailers, [&](size_t at) { return response_byte(c.id, at); });
    if (j.stream != nullptr && trailers) h2().send_headers(s, http2::trailers(), true);
  }
  c.answered_on = this;
  if (j.way == Way::kEarly && j.stream != nullptr) {
    finish(j);
    h2().reset_after_output(s, http2::ErrorCode::kNoError);
  }
}

}  // namespace sluice::sim
