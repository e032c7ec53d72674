#pragma once
// Clients and pods of HTTP/1.1 for the simulated world: bytes over TCP, or TLS over TCP, and no
// more of HTTP than they need.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "relay/fixture.h"
#include "tls/fixture.h"

namespace sluice::perf {

class Http1Side final : public tcp::User {
 public:
  explicit Http1Side(relay::Node& node) : node_(node) {}
  // A client over TLS 1.3 with AES-128-GCM.
  void use_tls() {
    tls_ = std::make_unique<test::Client>();
    tls_->only(TLS1_3_VERSION);
    tls_->offer("http/1.1");
    SSL_set_ciphersuites(tls_->ssl(), "TLS_AES_128_GCM_SHA256");
  }
  ~Http1Side() {
    if (tcp != nullptr) tcp->abort();
  }

  void say(std::string_view bytes) {
    send(tls_ != nullptr ? tls_->write(bytes) : std::string(bytes));
  }
  bool usable() const {
    return tcp != nullptr && tcp->established() && (tls_ == nullptr || tls_->done);
  }

  void on_established(tcp::Connection&) override {
    if (tls_ != nullptr) send(tls_->turn());
  }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    c.consumed(data.size());
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    if (tls_ != nullptr) {
      tls_->hear(bytes);
      send(tls_->turn());
      heard_ += std::exchange(tls_->received, {});
    } else {
      heard_ += bytes;
    }
    while (const size_t n = message(heard_)) {
      heard_.erase(0, n);
      on_message();
    }
  }
  void on_end_of_data(tcp::Connection& c) override { c.close(); }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override { tcp = nullptr; }

  tcp::Connection* tcp = nullptr;
  std::function<void()> on_message;  // a whole one was heard

 private:
  void send(std::string_view bytes) {
    if (bytes.empty()) return;
    tcp->send_queue().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                  node_.buffers.memory.hold());
    tcp->push();
  }
  // Bytes of the whole message in front; 0: there is none. Its body has a length, or one chunk.
  static size_t message(std::string_view text) {
    constexpr std::string_view kEnd = "\r\n\r\n", kLength = "content-length: ";
    const size_t head = text.find(kEnd);
    if (head == std::string_view::npos) return 0;
    if (const size_t at = text.substr(0, head).find(kLength); at != std::string_view::npos) {
      const size_t whole = head + kEnd.size() + std::stoul(std::string(text.substr(at + 16, 8)));
      return text.size() >= whole ? whole : 0;
    }
    const size_t last = text.find("\r\n0\r\n", head);
    if (last == std::string_view::npos) return 0;
    const size_t end = text.find(kEnd, last + 3);
    return end == std::string_view::npos ? 0 : end + kEnd.size();
  }

  relay::Node& node_;
  std::unique_ptr<test::Client> tls_;  // nullptr: cleartext
  std::string heard_;                  // plain bytes
};

// Answers each request with so many bytes.
class Http1Pod final : public tcp::Acceptor {
 public:
  Http1Pod(relay::Node& node, int number, const std::string& body)
      : node_(node),
        answer_(
            "HTTP/1.1 200 OK\r\nserver: pod\r\ncontent-type: application/json\r\n"
            "content-length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body) {
    node_.stack.listen(relay::pod_at(number), this);
  }

  tcp::User* on_accept(tcp::Connection& c) override {
    sides_.push_back(std::make_unique<Http1Side>(node_));
    Http1Side* side = sides_.back().get();
    side->tcp = &c;
    side->on_message = [this, side] { side->say(answer_); };
    return side;
  }

 private:
  relay::Node& node_;
  const std::string answer_;
  std::vector<std::unique_ptr<Http1Side>> sides_;
};

}  // namespace sluice::perf
