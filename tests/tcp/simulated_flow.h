#pragma once
// Users for the two ends of a simulated link: one sends zeros, in bulk or in messages, the other
// counts.

#include <algorithm>

#include "simulated_link.h"

namespace sluice::test {

class Receiver : public tcp::User, public tcp::Acceptor {
 public:
  tcp::User* on_accept(tcp::Connection&) override { return this; }
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice d) override {
    received += d.size();
    c.consumed(d.size());
  }
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override {}
  uint64_t received = 0;
};

class Sender : public tcp::User {
 public:
  explicit Sender(Host& h, uint64_t total = 0) : host_(h), left_(total) {}
  void on_established(tcp::Connection& c) override {
    connection = &c;
    write();
  }
  void on_data(tcp::Connection&, buf::Slice) override {}
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection&) override { write(); }
  void on_closed(tcp::Connection&, tcp::CloseReason) override { connection = nullptr; }
  // n more bytes.
  void send(uint64_t n) {
    left_ += n;
    write();
  }
  tcp::Connection* connection = nullptr;

 private:
  void write() {
    static const uint8_t block[1000]{};
    while (left_ > 0 && connection->send_space() > 0 &&
           connection->send_queue().append_copy({block, std::min<uint64_t>(left_, sizeof block)},
                                                host_.memory.hold()))
      left_ -= std::min<uint64_t>(left_, sizeof block);
    connection->push();
  }
  Host& host_;
  uint64_t left_;
};

// A world with one connection from host 0, which sends, to host 1, which counts.
class Flow {
 public:
  Flow(const LinkModel& model, uint64_t seed = 1, uint64_t total = 0,
       const tcp::Config& config = {}, const tcp::Config& peer_config = {})
      : world(seed, model, config, peer_config, rx_pool(), hold_pool()),
        sender(*world.hosts[0], total) {
    const Endpoint server{Address::v4(0xc6120002u), 50051};
    world.hosts[1]->stack.listen(server, &receiver);
    world.hosts[0]->stack.connect({}, server, &sender, world.now);
    world.hosts[0]->stack.flush(world.now);
  }

  // Until that many bytes have arrived in all. False when they have not after that time.
  bool run_until_received(uint64_t bytes, Duration limit = 3600s) {
    const Time until = world.now + limit;
    while (receiver.received < bytes && world.now < until && world.step()) {
    }
    return receiver.received >= bytes;
  }
  // One message, and time for its end to be acknowledged; then the pause.
  void exchange(uint64_t bytes, Duration pause) {
    sender.send(bytes);
    world.hosts[0]->stack.flush(world.now);
    const Time until = world.now + 60s;
    while (sender.connection->in_flight() > 0 && world.now < until && world.step()) {
    }
    if (pause > Duration::zero()) world.run_for(pause);
  }
  // The handshake, and a moment.
  void open() {
    while (sender.connection == nullptr && world.step()) {
    }
    world.run_for(1s);
  }
  uint32_t window() const {  // segments
    return sender.connection->congestion_window() / sender.connection->segment_size();
  }
  const tcp::Counters& counters() const { return world.hosts[0]->counters; }

  World world;
  Sender sender;
  Receiver receiver;

 private:
  static rte_mempool* rx_pool() {
    static rte_mempool* pool = buf::make_pool("flow_rx", 8191, 2048 + 128, -1);
    return pool;
  }
  static rte_mempool* hold_pool() {
    static rte_mempool* pool = buf::make_pool("flow_hold", 8191, 2048 + 128, -1);
    return pool;
  }
};

}  // namespace sluice::test
