#pragma once
// One connection of a pod, of HTTP/1.1.

#include <memory>
#include <string>

#include "http1_message.h"
#include "pod.h"

namespace sluice::sim {

class Http1Server final : public Peer, public Server, private Http1Reader::Owner {
 public:
  Http1Server(Stage& stage, std::unique_ptr<Secure> secure, Pod& pod)
      : Peer(stage, std::move(secure)), pod_(pod) {}

  Peer& peer() override { return *this; }
  bool busy() const override { return call_ != nullptr; }
  void begin(tcp::Connection& c) override {
    Peer::begin(c);
    if (!secure()) on_established(c);
  }
  // The answer under way is the last one.
  void goaway() override {
    announce();
    if (call_ == nullptr) close();
  }
  void announce() override { leaving_ = true; }

 private:
  void on_start() override {}
  void produce() override {}
  void on_bytes(buf::Slice data) override {
    reader_.take({reinterpret_cast<const char*>(data.data()), data.size()});
  }
  Http1Reader::Body on_head(const Http1Head& head) override {
    Call* const call = pod_.called(head.word(1));
    if (broken_) stage_.violation("a request on a connection with a broken answer");
    if (call == nullptr) {
      stage_.violation("a pod got a call that nobody made: " + head.first_line);
      reader_.stop();
      return Http1Reader::Body::kNone;
    }
    if (call_ != nullptr) stage_.violation("a request before the answer to the one before it");
    if (head.word(0) != call->method && !call->client->garbled())
      stage_.violation("a request changed its method");
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
  void on_peer_end(bool) override {}
  void on_leave() override { call_ = nullptr; }

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
    if (!until_close || !secure()) c.answered_on = this;
    if (until_close && secure() && random.chance(0.3)) {
      // All bytes and no close_notify: nobody can tell whether this is all.
      c.broken = true;
      blame();
      reader_.stop();
      soon(&Http1Server::truncate);
      return;
    }
    c.answered_on = this;
    early_ = !whole_;
    call_ = nullptr;
    if (closes && (whole_ || until_close || random.chance(0.5))) soon(&Http1Server::close);
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
