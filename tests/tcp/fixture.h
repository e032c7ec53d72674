#pragma once
// Literate packet fixtures: one stack, and a peer whose every segment the test writes and reads.
// Sequence numbers are relative: the peer starts at 0 (its SYN), and so does the stack.
//
//   send({.flags = SYN, .seq = 0, .window = 65535, .mss = 1460});
//   expect({.flags = SYN | ACK, .seq = 0, .ack = 1});
//
// Virtual time: after(40ms) lets it pass, timers included.

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/pool.h"
#include "ip/output.h"
#include "support/chains.h"
#include "tcp/stack.h"

namespace sluice::test {

inline constexpr uint8_t FIN = tcp::kFin, SYN = tcp::kSyn, RST = tcp::kRst, PSH = tcp::kPsh,
                         ACK = tcp::kAck, URG = tcp::kUrg, ECE = tcp::kEce, CWR = tcp::kCwr;

struct Block {
  uint32_t begin, end;
};

// A segment of the peer, or what is expected of the stack. Fields left out are not checked.
struct Seg {
  uint8_t flags = ACK;
  std::optional<uint32_t> seq = {};
  std::optional<uint32_t> ack = {};
  std::optional<uint32_t> window = {};  // unscaled, as on the wire
  std::optional<uint32_t> length = {};  // payload bytes
  std::string data = {};                // or these very bytes
  std::optional<uint16_t> mss = {};
  std::optional<uint8_t> scale = {};
  bool sack_permitted = false;
  std::optional<uint32_t> ts = {};  // timestamp value
  std::optional<uint32_t> echo = {};
  std::vector<Block> sacks = {};
  uint8_t tos = 0;
  uint16_t merged = 0;  // > 0: a port merged segments with this many payload bytes
};

class Wire final : public ip::Output {
 public:
  struct Sent {
    tcp::Header header;
    std::string data;
    uint8_t tos;
  };
  ip::Sent send(const ip::OutPacket& p, Time) override {
    if (answer != ip::Sent::kYes) return answer;
    const auto parsed = tcp::parse(p.header);
    EXPECT_TRUE(parsed);
    std::string data;
    for (const auto& v : p.payload) data.append(reinterpret_cast<const char*>(v.data()), v.size());
    sent.push_back({parsed->header, data, p.tos});
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return path; }
  const Address* source_for(const Address&) const override { return routed ? &source : nullptr; }
  uint32_t max_tso(const Address&) const override { return tso; }
  void doubt(const Address& destination, Time) override { doubted.push_back(destination); }

  std::deque<Sent> sent;
  std::vector<Address> doubted;
  ip::Sent answer = ip::Sent::kYes;
  uint32_t path = 1480;
  uint32_t tso = 0;  // bytes of a burst that the port cuts itself
  bool routed = true;
  Address source = Address::v4(0xc612000a);
};

class Owner : public tcp::User, public tcp::Acceptor {
 public:
  tcp::User* on_accept(tcp::Connection& c) override {
    connection = &c;
    ++accepted;
    return refuse ? nullptr : this;
  }
  void on_established(tcp::Connection&) override { established = true; }
  void on_data(tcp::Connection& c, buf::Slice d) override {
    received.append(reinterpret_cast<const char*>(d.data()), d.size());
    if (consume) c.consumed(d.size());
    if (on_data_hook) on_data_hook(c);
  }
  void on_end_of_data(tcp::Connection&) override { end_of_data = true; }
  void on_writable(tcp::Connection&) override { ++writable; }
  void on_silence(tcp::Connection&, bool silent) override { silences.push_back(silent); }
  void on_closed(tcp::Connection&, tcp::CloseReason r) override {
    connection = nullptr;
    closed = r;
  }

  tcp::Connection* connection = nullptr;
  bool refuse = false;
  bool consume = true;
  void (*on_data_hook)(tcp::Connection&) = nullptr;
  int accepted = 0;
  int writable = 0;
  std::vector<bool> silences;
  bool established = false;
  bool end_of_data = false;
  std::string received;
  std::optional<tcp::CloseReason> closed;
};

class TcpTest : public testing::Test {
 protected:
  static inline rte_mempool* rx_pool = nullptr;
  static inline rte_mempool* hold_pool = nullptr;
  static void SetUpTestSuite() {
    if (rx_pool == nullptr) rx_pool = buf::make_pool("fixture_rx", 2047, 2048 + 128, -1);
    if (hold_pool == nullptr) hold_pool = buf::make_pool("fixture_hold", 2047, 2048 + 128, -1);
  }

  void SetUp() override {
    rx_free_ = rte_mempool_avail_count(rx_pool);
    hold_free_ = rte_mempool_avail_count(hold_pool);
    config.keepalive_idle = 0s;
    config.quick_acks = 0;
    config.ecn = false;
  }
  void TearDown() override {
    stack_.reset();
    wire.sent.clear();
    EXPECT_EQ(rte_mempool_avail_count(rx_pool), rx_free_) << "received buffers leak";
    EXPECT_EQ(rte_mempool_avail_count(hold_pool), hold_free_) << "send buffers leak";
  }

  // Made at first use, so that a test may change `config` before.
  tcp::Stack& stack() {
    if (!stack_) {
      stack_ = std::make_unique<tcp::Stack>(config, wire, wheel, memory, counters,
                                            SipKey{0x1234, 0x5678});
      if (listening) {
        EXPECT_TRUE(stack_->listen(here, &owner));
      }
    }
    return *stack_;
  }

  void send(const Seg& s) {
    send_later(s);
    flush();
  }
  // One more segment of the burst that comes with the next flush().
  void send_later(const Seg& s) {
    tcp::Header h;
    h.source_port = there.port;
    h.destination_port = port_here;
    h.seq = peer_isn + s.seq.value_or(0);
    h.flags = s.flags;
    if (s.flags & ACK) h.ack = stack_isn + s.ack.value_or(0);
    h.window = static_cast<uint16_t>(s.window.value_or(65535));
    h.options.mss = s.mss.value_or(0);
    h.options.scale = s.scale;
    h.options.sack_permitted = s.sack_permitted;
    if (s.ts) {
      h.options.timestamps = true;
      h.options.ts_value = *s.ts;
      h.options.ts_echo = s.echo.value_or(0);
    }
    for (const Block& b : s.sacks)
      h.options.sacks[h.options.sack_count++] = {stack_isn + b.begin, stack_isn + b.end};
    std::array<uint8_t, tcp::kMaxHeader> bytes;
    const size_t n = tcp::emit(h, bytes);
    std::string payload = s.data;
    if (payload.empty()) payload.assign(s.length.value_or(0), 'x');
    std::vector<uint8_t> all(bytes.begin(), bytes.begin() + n);
    all.insert(all.end(), payload.begin(), payload.end());
    buf::Chain chain = chain_of(rx_pool, all, [&](size_t) { return all.size(); });
    ASSERT_GT(chain.size(), 0u);
    burst_.push_back({there.address, here.address, s.tos, s.merged, std::move(chain)});
  }
  // A turn of the worker.
  void flush() {
    memory.refresh();
    stack().input(burst_, now);
    burst_.clear();
    wheel.advance(now);
    stack().flush(now);
  }

  // The next segment of the stack.
  Wire::Sent expect(const Seg& s) {
    if (wire.sent.empty()) {
      ADD_FAILURE() << "nothing was sent";
      return {};
    }
    Wire::Sent out = wire.sent.front();
    wire.sent.pop_front();
    const tcp::Header& h = out.header;
    if (h.has(tcp::kSyn)) stack_isn = h.seq;
    EXPECT_EQ(h.flags & ~PSH, s.flags & ~PSH) << "flags";
    if (s.flags & PSH) {
      EXPECT_TRUE(h.has(tcp::kPsh));
    }
    if (s.seq) {
      EXPECT_EQ(h.seq - stack_isn, *s.seq) << "seq";
    }
    if (s.ack) {
      EXPECT_EQ(h.ack - peer_isn, *s.ack) << "ack";
    }
    if (s.window) {
      EXPECT_EQ(h.window, *s.window) << "window";
    }
    if (s.length) {
      EXPECT_EQ(out.data.size(), *s.length) << "length";
    }
    if (!s.data.empty()) {
      EXPECT_EQ(out.data, s.data);
    }
    if (s.mss) {
      EXPECT_EQ(h.options.mss, *s.mss);
    }
    if (s.scale) {
      EXPECT_EQ(h.options.scale, s.scale);
    }
    if (s.ts) {
      EXPECT_EQ(h.options.ts_value, *s.ts);
    }
    if (s.echo) {
      EXPECT_EQ(h.options.ts_echo, *s.echo);
    }
    EXPECT_EQ(h.options.sack_count, s.sacks.size()) << "SACK blocks";
    for (size_t i = 0; i < std::min<size_t>(h.options.sack_count, s.sacks.size()); ++i) {
      EXPECT_EQ(h.options.sacks[i].begin - peer_isn, s.sacks[i].begin);
      EXPECT_EQ(h.options.sacks[i].end - peer_isn, s.sacks[i].end);
    }
    return out;
  }
  void expect_silence() {
    EXPECT_TRUE(wire.sent.empty())
        << wire.sent.size() << " segments were sent, the first with flags "
        << int{wire.sent.front().header.flags};
    wire.sent.clear();
  }

  // Lets time pass in the worker's small steps.
  void after(Duration d) {
    const Time until = now + d;
    while (now < until) {
      const Time next = std::max(now, wheel.next());
      now = std::min(next, until);
      wheel.advance(now);
      flush();
      if (next > until) break;
    }
    now = until;
    wheel.advance(now);
    flush();
  }

  // Three-way handshake from the peer; plain: without SACK, scaling and timestamps.
  void accept(Seg syn = {
                  .flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .sack_permitted = true}) {
    send(syn);
    expect({.flags = SYN | ACK, .seq = 0, .ack = 1});
    send({.seq = 1,
          .ack = 1,
          .window = syn.window,
          .ts = syn.ts ? std::optional(*syn.ts + 1) : syn.ts});
    expect_silence();
    ASSERT_NE(owner.connection, nullptr);
  }
  // The stack connects to the peer.
  void connect() {
    tcp::Connection* c = stack().connect({}, there, &owner, now);
    ASSERT_NE(c, nullptr);
    owner.connection = c;
    port_here = c->local().port;
    flush();
  }
  void connected() {
    connect();
    expect({.flags = SYN, .seq = 0});
    send({.flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .sack_permitted = true});
    expect({.seq = 1, .ack = 1, .length = 0});
    ASSERT_TRUE(owner.established);
  }
  // Queues n bytes without ending the turn.
  void write_later(size_t n) {
    const std::string bytes(n, 'y');
    ASSERT_TRUE(owner.connection->send_queue().append_copy(
        {reinterpret_cast<const uint8_t*>(bytes.data()), n}, memory.hold()));
    owner.connection->push();
  }
  void write(size_t n) {
    write_later(n);
    flush();
  }

  tcp::Config config;
  bool listening = true;
  Endpoint here{Address::v4(0xc612000a), 50051};
  Endpoint there{Address::v4(0xc6120001), 40000};
  uint16_t port_here = 50051;
  uint32_t peer_isn = 0xfffffff0;  // wraps soon: every test crosses it
  uint32_t stack_isn = 0;
  Time now{Duration(1000s)};
  Wire wire;
  TimerWheel wheel{now};
  buf::Memory memory{buf::Pool(rx_pool), buf::Pool(hold_pool), 64, 16};
  tcp::Counters counters;
  Owner owner;

 private:
  std::unique_ptr<tcp::Stack> stack_;
  std::vector<tcp::Received> burst_;
  unsigned rx_free_ = 0;
  unsigned hold_free_ = 0;
};

}  // namespace sluice::test
