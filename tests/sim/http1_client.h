#pragma once
// A client's connection of HTTP/1.1 or HTTP/1.0: requests one after the other, some of them
// pipelined, and answers in their order. It may end its side behind a request or within one, and
// the last request may ask for a tunnel.

#include <deque>
#include <memory>
#include <string>

#include "base/random.h"
#include "client.h"
#include "http1_message.h"
#include "http1_tunnel.h"

namespace sluice::sim {

class Http1Client final : public Peer,
                          public Caller,
                          private Http1Reader::Owner,
                          private TunnelMouth {
 public:
  // http10: of one request.
  Http1Client(Stage& stage, std::unique_ptr<Secure> secure, const Manners& manners, bool http10,
              uint64_t seed)
      : Peer(stage, std::move(secure)), manners_(manners), http10_(http10), random_(seed) {}

  Peer& peer() override { return *this; }
  bool busy() const override { return !calls_.empty() || (tunnel_ != nullptr && !tunnel_->opened); }
  bool spent() const override { return last_ || ended_; }

  bool call(Call& c) override {
    if (!started() || last_ || uploading_ || calls_.size() >= 3) return false;
    c.client = this;
    c.by_http1 = true;
    c.http10 = http10_;
    draw(c, manners_, random_, false);
    last_ = http10_ || random_.chance(0.05);
    const bool chunked = c.size > 0 && !http10_ && !c.says_length;
    const bool expects = c.size > 0 && !http10_ && random_.chance(0.1);
    std::string head = c.method + " /call/" + std::to_string(c.id) +
                       (http10_ ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n") + "Host: echo\r\n";
    if (chunked) {
      head += "Transfer-Encoding: chunked\r\n";
    } else if (c.size > 0 || random_.chance(0.3)) {
      head += "Content-Length: " + std::to_string(c.size) + "\r\n";
    }
    if (expects) head += "Expect: 100-continue\r\n";
    if (last_ && !http10_) head += "Connection: close\r\n";
    if (secure() && random_.chance(0.2)) head += "X-Forwarded-Client-Cert: Subject=\"CN=king\"\r\n";
    say(head + "\r\n");
    calls_.push_back(&c);
    if (c.size > 0) {
      uploading_ = true;
      chunked_ = chunked;
      sent_ = 0;
      dawdles_ = random_.chance(manners_.dawdles);
      // A client that nobody tells to continue does so in the end (RFC 9110, 10.1.1).
      held_ = expects;
      if (expects) stage_.at(stage_.now() + 300ms, [this, &c] { go_on(c); });
      if (!expects) upload(c);
    }
    if (random_.chance(manners_.cancels))
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(60'000'000))),
                [this, &c] { cancel(c); });
    if (random_.chance(manners_.half_closes)) end_side(c);
    return true;
  }
  bool open(Tunnel& t) override {
    if (!started() || last_ || uploading_ || http10_) return false;
    tunnel_ = &t;
    t.by_http1 = true;
    t.may_be_dropped = !calls_.empty();
    last_ = true;
    key_ = http1::make_websocket_key(keys_);
    say(tunnel_request(t, http1::view(key_), random_));
    t.client.attach(*this, *this);
    if (t.early) t.client.talk();
    return true;
  }
  void cancel_all() override {
    if (alive() && !calls_.empty()) cancel(*calls_.front());
  }

 private:
  // HTTP/1.1 cancels by the end of the connection.
  void cancel(Call& c) {
    if (!alive() || std::find(calls_.begin(), calls_.end(), &c) == calls_.end()) return;
    c.cancelled = true;
    std::erase(calls_, &c);
    abort();
  }
  // FIN behind the request, or somewhere within its body.
  void end_side(const Call& c) {
    last_ = true;
    if (!uploading_) {
      calls_.back()->half_closed = true;
      end_output();
      return;
    }
    stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(20'000'000))), [this, &c] {
      if (!alive() || calls_.empty() || calls_.back() != &c) return;
      if (uploading_) {
        gives_up_ = true;
        calls_.back()->gave_up = true;
      } else {
        calls_.back()->half_closed = true;
      }
      uploading_ = false;
      end_output();
    });
  }
  void go_on(const Call& c) {
    if (!alive() || !uploading_ || !held_ || calls_.empty() || calls_.back() != &c) return;
    held_ = false;
    upload(c);
  }
  void upload(const Call& c) {
    if (!alive() || !uploading_ || calls_.empty() || calls_.back() != &c) return;
    const size_t left = c.size - sent_;
    const size_t n = dawdles_ ? std::min<size_t>(left, 1 + random_.below(8'000)) : left;
    std::string piece(n, '\0');
    for (size_t i = 0; i < n; ++i) piece[i] = request_byte(c.id, sent_ + i);
    sent_ += n;
    std::string out = http1_piece(piece, chunked_, random_);
    if (sent_ == c.size) {
      if (chunked_) out += random_.chance(0.5) ? "0\r\n\r\n" : "0\r\nx-sum: 1\r\n\r\n";
      uploading_ = false;
    } else {
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(10'000'000))),
                [this, &c] { upload(c); });
    }
    say(out);
  }

  void on_start() override {}
  void produce() override {}
  void on_bytes(buf::Slice data) override {
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    if (tunnel_ != nullptr && tunnel_->opened) {
      tunnel_->client.hear(bytes);
      return;
    }
    reader_.take(bytes);
    if (tunnel_ == nullptr || !tunnel_->opened) return;
    tunnel_->client.hear(reader_.take_rest());
    tunnel_->client.talk();
  }
  Http1Reader::Body on_head(const Http1Head& head) override {
    if (calls_.empty() && tunnel_ != nullptr && !tunnel_->answered) return on_tunnel_answer(head);
    if (calls_.empty()) {
      if (!faulty()) stage_.violation("an answer that nobody asked for: " + head.first_line);
      reader_.stop();
      return Http1Reader::Body::kNone;
    }
    Call& c = *calls_.front();
    const std::string status = head.word(1);
    if (status.starts_with("1")) {
      if (http10_) stage_.violation("an informational answer for HTTP/1.0");
      // The body of the last request may be the one that is waited for.
      go_on(c);
      return Http1Reader::Body::kNone;
    }
    c.http_status = status;
    if (const auto grpc = head.find("grpc-status")) c.grpc_status = *grpc;
    closes_ = http10_ || head.find("connection").value_or("") == "close";
    const bool slow = random_.chance(manners_.slow);
    if (slow) {
      pause();
      stage_.at(stage_.now() + 30ms, [this] { resume(); });
    }
    if (c.method == "HEAD" || status == "204" || status == "304") {
      answered();
      return Http1Reader::Body::kNone;
    }
    within_ = true;
    return Http1Reader::Body::kUntilClose;
  }
  Http1Reader::Body on_tunnel_answer(const Http1Head& head) {
    Tunnel& t = *tunnel_;
    const std::string status = head.word(1);
    if (status.starts_with("1") && status != "101") return Http1Reader::Body::kNone;
    t.answered = true;
    t.status = status;
    if (opens_tunnel(t, head, http1::view(key_))) {
      t.opened = true;
      reader_.stop();
      return Http1Reader::Body::kNone;
    }
    if (status == "101" && !faulty()) stage_.violation("a client got a wrong 101");
    t.client.finished();
    return Http1Reader::Body::kUntilClose;
  }
  void on_body(std::string_view bytes) override {
    if (calls_.empty()) return;  // of a refusal
    Call& c = *calls_.front();
    for (const char b : bytes)
      if (b != response_byte(c.id, c.got++)) c.got_wrong = true;
  }
  void on_message_end(const Http1Head& trailers) override {
    if (calls_.empty()) return hang_up_soon();  // of a refusal
    if (const auto grpc = trailers.find("grpc-status")) calls_.front()->grpc_status = *grpc;
    answered();
  }
  void on_nonsense(const std::string& what) override {
    if (!faulty()) stage_.violation("a client was told nonsense: " + what);
  }
  void answered() {
    Call& c = *calls_.front();
    had_body_ = c.size > 0;
    c.complete = true;
    within_ = false;
    over(c);
    // The rest of the body is not wanted, or the client does not know whether it is.
    if (uploading_ && calls_.empty()) {
      uploading_ = false;
      last_ = true;
      hang_up_soon();
    }
    if (closes_ && calls_.empty()) hang_up_soon();
  }
  void hang_up_soon() {
    last_ = true;
    stage_.at(stage_.now() + 1ms, [this] { close(); });
  }
  void over(Call& c) {
    if (c.ended || c.cancelled || c.lost) stage_.violation("a call ended twice");
    c.ended = true;
    calls_.pop_front();
  }
  bool lives_half_closed() const override { return tunnel_ != nullptr && tunnel_->opened; }
  void tunnel_say(std::string_view bytes) override { say(bytes); }
  void tunnel_end() override { end_output(); }
  void tunnel_reset() override {
    if (secure() && random_.chance(0.5)) {
      truncate();
    } else {
      abort();
    }
  }
  void on_peer_end(bool clean) override {
    ended_ = true;
    if (tunnel_ != nullptr) {
      if (clean && tunnel_->opened) {
        tunnel_->client.hear_end();
        return;
      }
      tunnel_->client.hear_reset();
    }
    if (clean) reader_.on_end();
    // The rest got no answer, or a part of one.
    const bool may = faulty() || closes_ || within_ || had_body_ || gives_up_;
    while (!calls_.empty()) {
      Call& c = *calls_.front();
      if (!may && !c.broken && c.processed == 0)
        stage_.violation("a request was dropped without an answer");
      c.reset = true;
      over(c);
    }
  }
  void on_leave() override {
    ended_ = true;
    for (Call* c : calls_) c->lost = true;
    calls_.clear();
    if (tunnel_ != nullptr) tunnel_->client.leave(left_in_order());
  }

  const Manners manners_;
  const bool http10_;
  Random random_;
  Http1Reader reader_{*this};
  std::deque<Call*> calls_;  // the first is the one that is answered next
  bool uploading_ = false;   // the body of the last one is not whole
  bool held_ = false;        // by Expect
  bool chunked_ = false;
  bool dawdles_ = false;
  size_t sent_ = 0;
  bool within_ = false;  // an answer
  bool closes_ = false;  // the answer says that it is the last one
  // The last answer was to a request with a body: a pod may not have wanted the rest of it, and
  // then the connection ends behind the answer.
  bool had_body_ = false;
  bool gives_up_ = false;  // FIN within a request
  bool last_ = false;      // no further call
  Tunnel* tunnel_ = nullptr;
  http1::WebSocketKey key_{};
  std::mt19937_64 keys_{random_.next()};
  bool ended_ = false;
};

}  // namespace sluice::sim
