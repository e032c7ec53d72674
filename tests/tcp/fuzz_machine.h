#pragma once
// Turns any bytes into a life of one stack: segments near enough to valid to reach every state,
// writes, reads, closes, aborts, ICMP errors, time. What must hold whatever happens: no crash, and
// every buffer back at the end.

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/pool.h"
#include "ip/output.h"
#include "tcp/stack.h"

namespace sluice::test {

class FuzzMachine final : public ip::Output, public tcp::User, public tcp::Acceptor {
 public:
  FuzzMachine(rte_mempool* rx, rte_mempool* hold)
      : rx_(rx), memory_(buf::Pool(rx), buf::Pool(hold), 64, 16) {
    tcp::Config config;
    config.max_connections = 16;
    config.max_half_open = 3;
    config.max_time_wait = 4;
    config.receive_buffer = 20'000;
    config.receive_buffer_max = 60'000;
    config.send_buffer = 30'000;
    config.send_buffer_max = 60'000;
    // Short, since the wheel turns through every tick of the time that passes.
    config.keepalive_idle = 1s;
    config.keepalive_interval = 100ms;
    config.fin_wait_2 = 1s;
    config.time_wait = 1s;
    config.user_timeout = 2s;
    config.initial_rto = 100ms;
    config.max_rto = 500ms;
    config.mtu_search_interval = 300ms;
    stack_ = std::make_unique<tcp::Stack>(config, *this, wheel_, memory_, counters_, SipKey{1, 2});
    stack_->listen({here_, 80}, this);
  }

  void run(std::span<const uint8_t> in) {
    in_ = in;
    while (!in_.empty()) {
      const uint8_t op = byte();
      switch (op & 15) {
        default:
          segment(op);
          break;
        case 8:
          handshake(op);
          break;
        case 10:
          now_ += Duration(static_cast<int64_t>(byte()) * (1 << byte() % 22));
          wheel_.advance(now_);
          break;
        case 11:
          if (tcp::Connection* c = pick()) {
            const uint8_t block[1000]{};
            for (int i = byte() & 15; i >= 0; --i)
              (void)(closing(c) || c->send_queue().append_copy(block, memory_.hold()));
            c->push();
          }
          break;
        case 12:
          if (tcp::Connection* c = pick()) c->consumed(byte() * 64u);
          break;
        case 13:
          if (tcp::Connection* c = pick()) {
            if ((byte() & 7) == 0) {
              c->abort();
            } else {
              closed_.push_back(c);
              c->close();
            }
          }
          break;
        case 14:
          answer_ = static_cast<ip::Sent>(byte() % 8 < 4 ? byte() & 3 : 0);
          if (op & 16) {
            if (tcp::Connection* c = stack_->connect({}, {there_, 90}, this, now_))
              connections_.push_back(c);
          }
          break;
        case 15:
          stack_->packet_too_big({here_, 80}, {there_, port()}, sent_seq_ - (byte() & 3) * 1000u,
                                 byte() * 16u, now_);
          break;
      }
      if ((op & 32) == 0 || burst_.size() == 40) turn();
    }
    turn();
    // Everything ends by itself: nobody is there any more.
    answer_ = ip::Sent::kYes;
    for (tcp::Connection* c : std::vector(connections_)) c->close();
    for (int i = 0; i < 400 && stack_->connections() + stack_->half_open() > 0; ++i) {
      now_ += 20ms;
      wheel_.advance(now_);
      stack_->flush(now_);
    }
    if (stack_->connections() + stack_->half_open() > 0) __builtin_trap();
  }

  const tcp::Counters& counters() const { return counters_; }

  // ip::Output
  ip::Sent send(const ip::OutPacket& p, Time) override {
    if (answer_ != ip::Sent::kYes) return answer_;
    const auto parsed = tcp::parse(p.header);
    if (!parsed) __builtin_trap();
    uint32_t n = 0;
    for (const auto& v : p.payload) n += static_cast<uint32_t>(v.size());
    if (n != p.payload_size || p.header.size() + n > 1480) __builtin_trap();
    if (parsed->header.has(tcp::kSyn)) peer_ack_ = parsed->header.seq + 1;
    sent_seq_ = parsed->header.seq + n;
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return 1480; }
  const Address* source_for(const Address&) const override { return &here_; }
  uint32_t max_tso(const Address&) const override { return 0; }

  // tcp::Acceptor, tcp::User
  tcp::User* on_accept(tcp::Connection& c) override {
    connections_.push_back(&c);
    return this;
  }
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection&, buf::Slice) override {}
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection& c, tcp::CloseReason) override {
    std::erase(connections_, &c);
    std::erase(closed_, &c);
  }

 private:
  uint8_t byte() {
    if (in_.empty()) return 0;
    const uint8_t b = in_.front();
    in_ = in_.subspan(1);
    return b;
  }
  uint16_t port() { return static_cast<uint16_t>(1000 + (byte() & 7)); }
  tcp::Connection* pick() {
    return connections_.empty() ? nullptr : connections_[byte() % connections_.size()];
  }
  bool closing(tcp::Connection* c) {
    for (tcp::Connection* x : closed_)
      if (x == c) return true;
    return false;
  }

  void put(const tcp::Header& h) {
    std::array<uint8_t, tcp::kMaxHeader> bytes;
    const size_t n = tcp::emit(h, bytes);
    buf::Slice s = buf::Pool(rx_).alloc();
    if (!s) return;
    s.grow_back(static_cast<uint32_t>(n));
    std::memcpy(s.mutable_data(), bytes.data(), n);
    tcp::Received r{there_, here_, 0, 0, std::move(s)};
    stack_->input({&r, 1}, now_);
  }
  // What random bytes hardly ever get right by themselves.
  void handshake(uint8_t op) {
    tcp::Header h;
    h.source_port = port();
    h.destination_port = 80;
    h.seq = next_ = 0xfffffff0;
    h.flags = tcp::kSyn;
    h.window = 65535;
    h.options.mss = 1460;
    h.options.sack_permitted = (op & 16) == 0;
    h.options.timestamps = (op & 64) != 0;
    h.options.ts_value = clock_;
    put(h);
    h.seq = ++next_;
    h.ack = peer_ack_;
    h.flags = tcp::kAck;
    h.options.mss = 0;
    h.options.sack_permitted = false;
    put(h);
  }

  void segment(uint8_t op) {
    tcp::Header h;
    h.source_port = port();
    h.destination_port = 80;
    if (op & 64) {  // from the server of an active open
      h.source_port = 90;
      if (tcp::Connection* c = pick()) h.destination_port = c->local().port;
    }
    const uint8_t shape = byte();
    h.flags = shape & 7 ? static_cast<uint8_t>(tcp::kAck | (shape & 1 ? 0 : byte())) : byte();
    if (h.flags & tcp::kSyn) next_ = 0xfffffff0;
    h.seq = next_ + static_cast<uint32_t>(static_cast<int8_t>(byte())) * (shape & 8 ? 100 : 0);
    h.ack = (shape & 16 ? sent_seq_ : peer_ack_) +
            (shape & 32 ? static_cast<uint32_t>(static_cast<int8_t>(byte())) * 50 : 0);
    h.window = static_cast<uint16_t>(shape & 64 ? byte() * 256 : 65535);
    if (h.flags & tcp::kSyn) {
      h.options.mss = static_cast<uint16_t>(byte() * 8);
      h.options.scale = byte();
      h.options.sack_permitted = true;
      h.options.timestamps = (byte() & 1) != 0;
    } else if (shape & 128) {
      h.options.timestamps = true;
      h.options.ts_value = clock_ += byte() & 3;
      h.options.ts_echo = byte();
    }
    if (op & 128) {
      h.options.sack_count = byte() & 3;
      for (size_t i = 0; i < h.options.sack_count; ++i) {
        h.options.sacks[i].begin = sent_seq_ - byte() * 100u;
        h.options.sacks[i].end = h.options.sacks[i].begin + byte() * 100u;
      }
    }
    std::array<uint8_t, tcp::kMaxHeader> bytes;
    size_t n = tcp::emit(h, bytes);
    buf::Slice s = buf::Pool(rx_).alloc();
    if (!s) return;
    const uint32_t payload = shape & 2 ? byte() * 5u : 0;
    s.grow_back(static_cast<uint32_t>(n) + payload);
    std::memcpy(s.mutable_data(), bytes.data(), n);
    std::memset(s.mutable_data() + n, 0, payload);
    if (op == 9) {  // damaged on purpose
      s.mutable_data()[byte() % n] = byte();
      s.drop_back(byte() % s.size());
    }
    if ((shape & 8) == 0) next_ = h.seq + payload + ((h.flags & (tcp::kSyn | tcp::kFin)) ? 1 : 0);
    burst_.push_back({there_, here_, static_cast<uint8_t>(op >> 4 & 3), 0, std::move(s)});
  }
  // The end of the worker's turn: what came in together, then what is due out.
  void turn() {
    stack_->input(burst_, now_);
    burst_.clear();
    stack_->flush(now_);
  }

  rte_mempool* rx_;
  Address here_ = Address::v4(1);
  Address there_ = Address::v4(2);
  Time now_{Duration(100s)};
  TimerWheel wheel_{now_};
  buf::Memory memory_;
  tcp::Counters counters_;
  std::span<const uint8_t> in_;
  std::vector<tcp::Received> burst_;
  std::vector<tcp::Connection*> connections_;
  std::vector<tcp::Connection*> closed_;
  ip::Sent answer_ = ip::Sent::kYes;
  uint32_t next_ = 0xfffffff0;
  uint32_t peer_ack_ = 0;
  uint32_t sent_seq_ = 0;
  uint32_t clock_ = 1;
  std::unique_ptr<tcp::Stack> stack_;
};

}  // namespace sluice::test
