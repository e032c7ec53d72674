#pragma once
// One connection of a pod, of HTTP/1.1.

#include <memory>
#include <string>

#include "http1_message.h"
#include "pod.h"

namespace sluice::sim {

class Http1Server final : public Peer,
                          public Server,
                          private Http1Reader::Owner,
                          private TunnelMouth {
 public:
  Http1Server(Stage& stage, std::unique_ptr<Secure> secure, Pod& pod)
      : Peer(stage, std::move(secure)), pod_(pod) {}

  Peer& peer() override { return *this; }
  bool busy() const override { return call_ != nullptr || (tunnel_ != nullptr && end_ == nullptr); }
  void begin(tcp::Connection& c) override {
    Peer::begin(c);
    if (!secure()) on_established(c);
  }
  // The answer under way is the last one.
  void goaway() override {
    announce();
    if (call_ == nullptr && tunnel_ == nullptr) close();
  }
  void announce() override { leaving_ = true; }
  std::string doing() const override {
    if (call_ != nullptr) return "call " + std::to_string(call_->id);
    return tunnel_ == nullptr ? "nothing" : "tunnel " + std::to_string(tunnel_->number);
  }

 private:
  void on_start() override {}
  void produce() override {
    if (surplus_ && surplus_out_at_ == kNever && all_transmitted()) surplus_out_at_ = stage_.now();
  }
  void on_bytes(buf::Slice data) override {
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    if (end_ != nullptr) {
      end_->hear(bytes);
      return;
    }
    if (tunnel_ != nullptr && !faulty() && !out_of_step_ && !tunnel_->client.garbled())
      stage_.violation("bytes of a tunnel reached a pod before it had opened the tunnel");
    if (!reader_.within()) surplus_came_first_ = surplus_ && all_transmitted();
    reader_.take(bytes);
  }
  Http1Reader::Body on_head(const Http1Head& head) override {
    if (Tunnel* const t = pod_.tunnels.find(tunnel_number(head.word(1)))) {
      on_tunnel(*t, head);
      return Http1Reader::Body::kNone;
    }
    Call* const call = pod_.called(head.word(1));
    if (broken_) stage_.violation("a request on a connection with a broken answer");
    if (call == nullptr) {
      stage_.violation("a pod got a call that nobody made: " + head.first_line);
      reader_.stop();
      return Http1Reader::Body::kNone;
    }
    if (call_ != nullptr && !out_of_step_)
      stage_.violation("a request before the answer to the one before it");
    if (meet_surplus()) call->broken = call->crossed = true;
    call->mistakable |= out_of_step_;
    if (head.word(0) != call->method && !call->client->garbled())
      stage_.violation("a request changed its method to " + head.word(0));
    std::string shown;
    for (const auto& [name, value] : head.fields)
      if (name == "x-forwarded-client-cert") shown += value;
    pod_.compare(*call, shown);
    call_ = call;
    call_->last_on = this;
    ++generation_;
    got_ = 0;
    whole_ = acted_ = answering_ = false;
    way_ = pod_.draw(*call_);
    if (head.find("expect") && pod_.random.chance(0.7)) say("HTTP/1.1 100 Continue\r\n\r\n");
    if (pod_.random.chance(0.05)) say("HTTP/1.1 103 Early Hints\r\n\r\n");
    if (!pod_.random.chance(pod_.moods.waits)) {
      act();
    } else {
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(pod_.random.below(40'000'000))),
                [this, generation = generation_] {
                  if (alive() && call_ != nullptr && generation == generation_) act();
                });
    }
    return Http1Reader::Body::kByFields;
  }
  void on_body(std::string_view bytes) override {
    if (call_ == nullptr) return;
    for (const char b : bytes)
      if (b != request_byte(call_->id, got_++) && !call_->client->garbled())
        stage_.violation("a request's body changed on the way");
  }
  void on_message_end(const Http1Head&) override {
    if (call_ == nullptr) {  // answered early
      if (alive() && (leaving_ || early_)) close();
      return;
    }
    if (got_ != call_->size && !call_->client->garbled())
      stage_.violation("a request's body was cut short");
    whole_ = true;
    progress();
  }
  void on_nonsense(const std::string& what) override {
    if (!faulty()) stage_.violation("a pod was told nonsense: " + what);
  }
  void on_peer_end(bool clean) override {
    if (end_ == nullptr) return;
    if (clean) {
      end_->hear_end();
    } else {
      end_->hear_reset();
    }
  }
  void on_leave() override {
    call_ = nullptr;
    if (end_ != nullptr) end_->leave(left_in_order());
  }

  // A tunnel is the last thing on its connection, unless the pod refuses it.
  void on_tunnel(Tunnel& t, const Http1Head& head) {
    if (broken_) stage_.violation("a request on a connection with a broken answer");
    if ((call_ != nullptr || tunnel_ != nullptr) && !out_of_step_)
      stage_.violation("a request for a tunnel before the answer to the one before it");
    if (t.websocket && head.find("upgrade").value_or("") != "websocket")
      stage_.violation("a request for a WebSocket lost its Upgrade");
    t.dropped_by_pod |= meet_surplus();
    t.mistakable |= out_of_step_;
    tunnel_ = &t;
    ++generation_;
    if (!pod_.random.chance(pod_.moods.waits)) {
      answer_tunnel(head);
      return;
    }
    stage_.at(stage_.now() + Duration(static_cast<int64_t>(pod_.random.below(40'000'000))),
              [this, head, generation = generation_] {
                if (alive() && tunnel_ != nullptr && generation == generation_) answer_tunnel(head);
              });
  }
  void answer_tunnel(const Http1Head& head) {
    Tunnel& t = *tunnel_;
    Random& random = pod_.random;
    pod_.tunnels.ask(t, *this, random);
    switch (t.answer) {
      case TunnelAnswer::kOpensLate:
        say("HTTP/1.1 103 Early Hints\r\n\r\n");
        [[fallthrough]];
      case TunnelAnswer::kOpens:
        say(tunnel_opening(t, head));
        end_ = &pod_.tunnels.open(t, random);
        end_->attach(*this, *this);
        end_->talk();
        break;
      case TunnelAnswer::kIgnores:
        if (t.websocket) {
          t.dropped_by_pod = true;
          say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
          tunnel_ = nullptr;
          break;
        }
        [[fallthrough]];
      case TunnelAnswer::kRefuses:
        t.refused_by_pod = true;
        say("HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nno way");
        tunnel_ = nullptr;
        if (leaving_) soon(&Http1Server::close);
        break;
      case TunnelAnswer::kBreaks:
        say(wrong_opening(t, random));
        t.dropped_by_pod = true;
        blame();
        broken_ = true;
        break;
      case TunnelAnswer::kSilent:
        break;
      case TunnelAnswer::kDrops:
        t.dropped_by_pod = true;
        blame();
        reader_.stop();
        soon(&Http1Server::end_somehow);
        break;
    }
  }
  bool lives_half_closed() const override { return end_ != nullptr; }
  void tunnel_say(std::string_view bytes) override { say(bytes); }
  void tunnel_end() override { end_output(); }
  void tunnel_reset() override { cut(); }

  // From inside the reader: the connection must not end before the reader has returned.
  void soon(void (Http1Server::*what)()) {
    stage_.at(stage_.now(), [this, what] {
      if (alive()) (this->*what)();
    });
  }
  void act() {
    if (way_ == Way::kRefuse) {
      call_->broken = true;
      blame();
      call_ = nullptr;
      reader_.stop();
      soon(&Http1Server::end_somehow);
      return;
    }
    acted_ = true;
    pod_.begin(*call_, way_);
    progress();
  }
  void end_somehow() {
    switch (pod_.random.below(3)) {
      case 0:
        abort();
        break;
      case 1:
        truncate();
        break;
      default:
        close();
    }
  }
  // RST, or an end without close_notify: not a FIN that would end a body without a length.
  void cut() {
    if (secure() && pod_.random.chance(0.5)) {
      truncate();
    } else {
      abort();
    }
  }
  void progress() {
    if (!acted_ || answering_ || call_ == nullptr) return;
    if (way_ == Way::kSilent || (!whole_ && way_ != Way::kEarly)) return;
    answering_ = true;
    answer();
  }
  void answer() {
    Call& c = *call_;
    Random& random = pod_.random;
    const Call::Answer ends = c.ends;
    const bool until_close = ends == Call::Answer::kUntilClose && !c.bodiless();
    const bool error = way_ == Way::kError;
    const bool closes = leaving_ || until_close || random.chance(pod_.moods.closes);
    const bool says_so = closes && !until_close && random.chance(0.7);
    std::string text = "HTTP/1.1 " + c.status + (random.chance(0.5) ? " Fine\r\n" : " \r\n");
    if (c.grpc) text += "content-type: application/grpc\r\n";
    if (says_so) text += "Connection: close\r\n";
    if (random.chance(0.05)) text += "Keep-Alive: timeout=2\r\n";
    const bool chunked = ends == Call::Answer::kTrailers || ends == Call::Answer::kChunked;
    if (error) {
      c.answer_is_error = true;
      if (pod_.errors_are_retried) ++c.errors;
      text += "grpc-status: 13\r\nContent-Length: 0\r\n\r\n";
    } else if (c.bodiless()) {
      text += "\r\n";
    } else {
      if (chunked) text += "Transfer-Encoding: chunked\r\n\r\n";
      if (until_close) text += "\r\n";
      if (ends == Call::Answer::kLength)
        text += "content-length: " + std::to_string(c.answer) + "\r\n\r\n";
      std::string body(c.answer, '\0');
      for (size_t i = 0; i < body.size(); ++i) body[i] = response_byte(c.id, i);
      text += http1_piece(body, chunked, random);
      if (chunked)
        text += ends == Call::Answer::kTrailers ? "0\r\ngrpc-status: 0\r\n\r\n" : "0\r\n\r\n";
    }
    if (way_ == Way::kReset) {
      // Cut anywhere; the last byte is missing at least.
      c.broken = true;
      blame();
      say(text.substr(0, random.below(text.size())));
      reader_.stop();
      if (random.chance(0.5)) {
        soon(&Http1Server::cut);
      } else {
        stage_.at(stage_.now() + 5ms, [this] {
          if (alive()) cut();
        });
      }
      return;
    }
    if (way_ == Way::kBreak) {
      break_answer(text);
      return;
    }
    say(text);
    if (!surplus_ && (!until_close || !secure())) c.answered_on = this;
    if (until_close && secure() && random.chance(0.3)) {
      // All bytes and no close_notify: nobody can tell whether this is all.
      c.broken = true;
      blame();
      reader_.stop();
      soon(&Http1Server::truncate);
      return;
    }
    if (!surplus_) c.answered_on = this;
    early_ = !whole_;
    call_ = nullptr;
    if (!closes && whole_ && random.chance(pod_.moods.surplus))
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random.below(5'000'001))),
                [this] { say_surplus(); });
    if (closes && (whole_ || until_close || random.chance(0.5))) soon(&Http1Server::close);
  }
  // An answer that no request asked for.
  void say_surplus() {
    if (!alive() || tunnel_ != nullptr || broken_ || surplus_) return;
    surplus_ = true;
    // The pod has a part of the next request already.
    if (call_ != nullptr) call_->mistakable = call_->broken = true;
    out_of_step_ |= call_ != nullptr || reader_.within();
    say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
  }
  // A request comes. True: it met a surplus answer on the way, and was sent before the surplus
  // arrived at the appliance.
  bool meet_surplus() {
    if (!surplus_) return false;
    if (out_of_step_) return true;
    if (!surplus_came_first_ || !pod_.in_order) {
      out_of_step_ = true;
    } else if (surplus_out_at_ != kNever && stage_.now() > surplus_out_at_ + pod_.round_trip) {
      stage_.violation("a request on a connection with an answer that no request asked for");
    }
    return true;
  }
  // What RFC 9112 forbids. No request may follow on this connection.
  void break_answer(const std::string& good) {
    Call& c = *call_;
    c.broken = true;
    blame();
    const uint64_t kind = pod_.random.below(5);
    // An answer to HEAD is whole with its head, whatever follows.
    switch (c.method == "HEAD" && kind == 3 ? 0 : kind) {
      case 0:
        say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        break;
      case 1:
        say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nwrong");
        break;
      case 2:
        say("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        break;
      case 3:
        say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
        break;
      default:
        // More than was asked for, in the same bytes: nobody's.
        if (good.size() > 800 || (c.ends == Call::Answer::kUntilClose && !c.bodiless())) {
          say("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n");
          break;
        }
        say(good + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
        c.answered_on = this;
        return;  // the next request may have been sent before these bytes came
    }
    broken_ = true;
  }

  Pod& pod_;
  Http1Reader reader_{*this};
  Call* call_ = nullptr;  // whose answer is not out
  uint64_t generation_ = 0;
  Way way_{};
  size_t got_ = 0;
  bool whole_ = false;
  bool acted_ = false;
  bool answering_ = false;
  bool early_ = false;
  bool leaving_ = false;
  bool broken_ = false;
  bool surplus_ = false;          // an answer that no request asked for was sent
  Time surplus_out_at_ = kNever;  // on the wire, as seen a step later
  // The appliance may have taken the surplus for the answer to a request: the answers are those to
  // other requests from here on.
  bool out_of_step_ = false;
  bool surplus_came_first_ = false;  // it was on the wire when the next request came
  Tunnel* tunnel_ = nullptr;         // that the pod was asked for, and has not refused
  TunnelEnd* end_ = nullptr;         // of the open one
};

inline tcp::User* Pod::on_accept(tcp::Connection& c) {
  std::unique_ptr<Secure> secure;
  if (speech_.tls)
    secure = std::make_unique<Secure>(Identities::get().pod(speech_.asks), false,
                                      speech_.tls_version, "");
  tcp::User* user = nullptr;
  if (speech_.http1) {
    auto made = std::make_unique<Http1Server>(stage_, std::move(secure), *this);
    user = made.get();
    peers.push_back(std::move(made));
  } else {
    auto made = std::make_unique<Http2Server>(stage_, std::move(secure), *this, speech_.http2);
    user = made.get();
    peers.push_back(std::move(made));
  }
  peers.back()->peer().begin(c);
  return user;
}

}  // namespace sluice::sim
