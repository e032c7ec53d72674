#pragma once
// The poll loop of one core: wires the rooms together, and nothing else. A template over port and
// clock, so that a simulation runs the production loop without a NIC and in virtual time.
//
// PortT is an ip::Link with receive(ip::InFrame*, n), waiting(), flush(), interrupts(bool) and
// stats(), as nic::PortQueue has them. Clock has cycles() and at(cycles), as TscClock has them.

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/populator.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "config/published.h"
#include "http1/codec.h"
#include "http2/codec.h"
#include "ip/host.h"
#include "l4/forwarder.h"
#include "relay/relay.h"
#include "splice/splicer.h"
#include "stats/worker.h"
#include "tcp/stack.h"
#include "tls/handshake_pool.h"
#include "tls/ticket_keys.h"
#include "transport/plain.h"
#include "worker/dispatch.h"
#include "worker/orders.h"
#include "worker/process.h"
#include "worker/settings.h"
#include "worker/sleeper.h"
#include "worker/steering.h"
#include "worker/turn_sampler.h"

namespace sluice::worker {

template <class PortT, class Clock>
class alignas(64) Worker {
 public:
  // Everything referred to outlives the worker. A snapshot has been published before.
  struct Setup {
    std::vector<PortT*> ports;  // in the order of the configuration
    Clock& clock;
    buf::Pool rx;
    buf::Pool hold;
    std::vector<buf::Pool> rx_of_others = {};  // receive pools of other workers
    uint32_t pin_above;                        // see buf::Memory
    const config::Published& published;
    const Orders& orders;
    std::span<stats::Worker* const> workers;  // the counters of all of them
    size_t self;                              // index of this worker's
    SipKey secret;               // random, from the operating system; the same for all workers
    Sleeper* sleeper = nullptr;  // nullptr: the worker never sleeps
    // Where there is more than one worker; the same for all.
    Process* process = nullptr;
    const steer::Owner* owner = nullptr;
    steer::Exchange* exchange = nullptr;
    stats::FlowPage* flow_page = nullptr;          // where control asks for this worker's flows
    const tls::TicketKeys* ticket_keys = nullptr;  // the same for all workers; nullptr: no tickets
    tls::HandshakeQueue* handshakes = nullptr;  // nullptr: the worker makes TLS handshakes itself
    Populator* populator = nullptr;             // the same for all workers, each of which is a user
  };

  explicit Worker(const Setup& setup)
      : Worker(setup, *setup.published.get(), setup.clock.cycles()) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs until the worker has drained or got the order to end.
  void run() {
    while (turn()) {
    }
  }

  // One turn of the loop. False: there is nothing left to do.
  bool turn() {
    const uint64_t cycles = clock_.cycles();
    account(cycles);
    sampler_.begin_turn(cycles);
    const Time now = clock_.at(cycles);
    memory_.refresh();
    relay_.set_now(now);
    splicer_.set_now(now);
    adopt_news();
    if (!announced_) {
      host_.announce();
      announced_ = true;
    }
    if (orders_.announcements() != announcements_) [[unlikely]]
      follow_announcements();
    if (orders_.flushes() != flushes_) [[unlikely]]
      follow_flushes();
    if (flow_page_ != nullptr && flow_page_->asked()) [[unlikely]] {
      forwarder_.list(*flow_page_, now);
      worked_ = true;
    }
    const Order order = orders_.get();
    if (order == Order::kDrain && !draining_) {
      draining_ = true;
      relay_.begin_drain(current_->timeouts.drain_announce, current_->timeouts.drain);
      splicer_.begin_drain(current_->timeouts.drain_announce, current_->timeouts.drain);
    }
    receive(now);
    if (relay_.collect_handshakes() > 0) [[unlikely]]
      worked_ = true;
    sampler_.enter(Stage::kTimers);
    // After receiving: a worker that was delayed must not retransmit segments whose ACKs wait in
    // its receive ring.
    wheel_.advance(now);
    sampler_.enter(Stage::kRelay);
    if (splicer_.active()) [[unlikely]]
      splicer_.flush();
    if (forwarder_.vips_changed() || splicer_.vips_changed()) [[unlikely]]
      share_vips();
    relay_.flush();
    if (!ending_since_ && (order == Order::kEnd || (draining_ && drained()))) ending_since_ = now;
    if (ending_since_) tcp_.for_each([](tcp::Connection& c) { c.abort(); });
    sampler_.enter(Stage::kTcp);
    tcp_.flush(now);
    sampler_.enter(Stage::kTx);
    for (PortT* port : ports_) port->flush();
    const bool last = ending_since_ && (!unsent() || now - *ending_since_ >= kLastFrames);
    if (last || now >= publish_at_) publish(now);
    if (TurnSampler::measures()) [[unlikely]]
      sampler_.end_turn(worked_ || frames_sent() != sent_);
    if (last) {
      stats_.end();
    } else if (sleeper_ != nullptr) {
      rest(now);
    }
    return !last;
  }

 private:
  // The size of one receive(), and how many calls of it one port gets in a turn: a port under flood
  // leaves the other ports and the timers their share. Drivers return at most 32 frames a call,
  // whatever is asked for: a shorter burst means that no more frames wait.
  static constexpr uint16_t kBurst = Dispatch::kBurst;
  static constexpr unsigned kBursts = 8;
  // The interval in which numbers that others count are copied for control. Nobody looks at them
  // more than a few times a second.
  static constexpr Duration kPublishEvery = 1ms;
  // The longest sleep while frames wait that a device has not taken.
  static constexpr Duration kOfferEvery = 1ms;
  // The time that devices have for the last frames, resets of connections among them, before the
  // worker ends.
  static constexpr Duration kLastFrames = 10ms;
  // Of a turn for a new configuration, give or take a part of it.
  static constexpr Duration kAdoptionTime = 20us;

  Worker(const Setup& setup, const config::Snapshot& first, uint64_t cycles)
      : clock_(setup.clock),
        published_(setup.published),
        orders_(setup.orders),
        stats_(*setup.workers[setup.self]),
        ports_(setup.ports),
        wheel_(clock_.at(cycles)),
        memory_(setup.rx, setup.hold, setup.pin_above, hold_reserve(first.startup.dpdk)),
        host_(std::vector<ip::Link*>(ports_.begin(), ports_.end()), port_addresses(first.startup),
              memory_, wheel_, &stats_.changes),
        tcp_(tcp_config(first), host_, wheel_, memory_, stats_.tcp, setup.secret,
             setup.process == nullptr ? nullptr : &setup.process->tcp),
        exchange_(setup.exchange),
        steering_(make_steering(setup)),
        plain_(tcp_),
        http2_({.memory = memory_,
                .stats = stats_.http2,
                .fields_key = {mix64(setup.secret.k0 + 1), mix64(setup.secret.k1 + 1)},
                .table_seed = static_cast<uint32_t>(mix64(setup.secret.k0 + 2)),
                .cycles = cycle_counter()}),
        http1_({.memory = memory_, .stats = stats_.http1, .refs = &http2_}),
        forwarder_({.host = host_,
                    .wheel = wheel_,
                    .stats = stats_,
                    .sources = snat_addresses(first.startup),
                    .flows = first.startup.memory.flows,
                    .secret = setup.secret,
                    .seed = mix64((setup.secret.k1 ^ setup.secret.k0) + setup.self + 3),
                    .self = static_cast<unsigned>(setup.self),
                    .owner = steering_ ? setup.owner : nullptr,
                    .siblings = steering_ ? &*steering_ : nullptr,
                    .process = setup.process == nullptr ? nullptr : &setup.process->l4,
                    .links = forward_links(setup.ports),
                    .pin_above = setup.pin_above,
                    .populator = setup.populator}),
        relay_(relay::Relay::Setup{
            .tcp = tcp_,
            .plain = plain_,
            .http1 = http1_,
            .http2 = http2_,
            .host = host_,
            .wheel = wheel_,
            .memory = memory_,
            .workers = setup.workers,
            .self = setup.self,
            .seed = mix64((setup.secret.k0 ^ setup.secret.k1) + setup.self),
            .now = clock_.at(cycles),
            .process = setup.process == nullptr ? nullptr : &setup.process->relay,
            .ticket_keys = setup.ticket_keys,
            .handshakes = setup.handshakes}),
        splicer_({.tcp = tcp_,
                  .plain = plain_,
                  .tls = relay_.tls(),
                  .wheel = wheel_,
                  .memory = memory_,
                  .workers = setup.workers,
                  .self = setup.self,
                  .seed = mix64((setup.secret.k0 ^ setup.secret.k1) + setup.self + 4),
                  .now = clock_.at(cycles)}),
        flow_page_(setup.flow_page),
        sampler_(stats_.stages, cycle_counter()),
        sleeper_(setup.sleeper),
        turn_began_(cycles) {
    memory_.set_others(setup.rx_of_others);
    if (!steering_) return;
    tcp_.set_siblings(&*steering_);
    host_.set_neighbour_listener(&*steering_);
    host_.set_announces(setup.self == 0);
  }

  // The function that counts cycles without an object; nullptr if the clock has none.
  static constexpr auto cycle_counter() -> uint64_t (*)() {
    if constexpr (requires { Clock::counter; }) return Clock::counter;
    return nullptr;
  }

  std::optional<Steering> make_steering(const Setup& setup) {
    if (setup.exchange == nullptr) return std::nullopt;
    return std::optional<Steering>(std::in_place, *setup.owner, *setup.exchange,
                                   static_cast<unsigned>(setup.self), memory_, tcp_, stats_.steer);
  }

  static std::vector<ip::ForwardLink*> forward_links(const std::vector<PortT*>& ports) {
    if constexpr (std::derived_from<PortT, ip::ForwardLink>) return {ports.begin(), ports.end()};
    return {};
  }

  // Workers that drain end together, since frames of one worker's clients may arrive at another.
  bool drained() {
    if (exchange_ == nullptr) return relay_.drained() && splicer_.drained();
    if (!reported_drained_ && relay_.drained() && splicer_.drained()) {
      exchange_->report_drained();
      reported_drained_ = true;
    }
    return exchange_->all_drained();
  }

  // A turn takes at most a part of what there is to adopt, so that packets do not wait for it.
  void adopt_news() {
    const config::Snapshot* news = published_.get();
    if (news == current_) return;
    const uint64_t began = clock_.cycles();
    const auto took = [&] { return clock_.at(clock_.cycles()) - clock_.at(began); };
    const bool first = current_ == nullptr;
    while (current_ != news && (took() < kAdoptionTime || first)) adopt_some(*news);
    if (!first) stats_.adoptions.record(took());
    if (current_ != news) worked_ = true;  // the next turn goes on, and comes soon
  }

  void adopt_some(const config::Snapshot& news) {
    if (step_ == nullptr) {
      const auto steps = steps_to(news, current_);
      if (steps.empty()) {
        adopt_all(news);
        use(news);
        return;
      }
      step_ = steps.front();
      forwarder_.adopt_difference(*step_);
      splicer_.adopt_difference(*step_);
      relay_.begin_difference(*step_);
    }
    if (!relay_.adopt_part()) use(*std::exchange(step_, nullptr));
  }

  void use(const config::Snapshot& snapshot) {
    current_ = &snapshot;
    // The last look at the previous snapshot is over: control may free it.
    stats_.adopt(snapshot.generation);
  }

  void adopt_all(const config::Snapshot& news) {
    tcp_.reconfigure(tcp_config(news));
    if (current_ == nullptr || !news.learned_routes.shares_with(current_->learned_routes))
      host_.set_learned_routes(learned_routes(news));
    receive_order_ = receive_order(news);
    forwarder_.adopt(news);
    splicer_.adopt(news);
    share_vips();
    relay_.adopt(news);
    splicer_.open_listeners();
  }

  // The addresses of listeners that are not the relay's.
  void share_vips() {
    std::vector<Address> all = forwarder_.vips();
    for (const Address& a : splicer_.vips()) all.push_back(a);
    relay_.share_vips(std::move(all));
  }

  void follow_announcements() {
    announcements_ = orders_.announcements();
    for (size_t p = 0; p < ports_.size(); ++p) {
      const uint32_t ordered = orders_.announcements(p);
      if (ordered == port_announcements_[p]) continue;
      port_announcements_[p] = ordered;
      host_.announce(p);
    }
  }

  void follow_flushes() {
    flushes_ = orders_.flushes();
    pod_flushes_.resize(stats::kMaxPods);
    for (uint32_t pod = 0; pod < stats::kMaxPods; ++pod) {
      const uint32_t ordered = orders_.flushes(pod);
      if (ordered != std::exchange(pod_flushes_[pod], ordered)) forwarder_.flush(pod);
    }
  }

  void receive(Time now) {
    for (const size_t p : receive_order_) {
      for (unsigned round = 0; round < kBursts; ++round) {
        const uint16_t n = ports_[p]->receive(burst_.data(), kBurst);
        if (n > 0) sampler_.enter(Stage::kIp);
        dispatch_.input(static_cast<unsigned>(p), {burst_.data(), n}, stats_.port(p), now);
        if (n > 0) {
          worked_ = true;
          sampler_.enter(Stage::kRx);
        }
        if (n < kBurst) break;
      }
    }
    if (!steering_) return;
    if (dispatch_.take_over(now) > 0) worked_ = true;
    steering_->publish();
  }

  // At the start of a turn: accounts for the turn before.
  void account(uint64_t cycles) {
    const uint64_t took = cycles - turn_began_;
    turn_began_ = cycles;
    uint64_t sent = 0;
    uint64_t in_drivers = 0;
    for (const PortT* port : ports_) {
      sent += port->stats().tx_packets;
      in_drivers += port->stats().driver_cycles;
    }
    ++stats_.loops;
    stats_.cycles.add(took);
    if (worked_ || sent != sent_) {
      stats_.cycles_busy.add(took);
      stats_.cycles_io_busy.add(in_drivers - in_drivers_);
    }
    worked_ = false;
    sent_ = sent;
    in_drivers_ = in_drivers;
  }

  uint64_t frames_sent() const {
    uint64_t sent = 0;
    for (const PortT* port : ports_) sent += port->stats().tx_packets;
    return sent;
  }

  // Frames of a port may have come with those of a port behind it in this turn.
  bool frames_wait() const {
    return std::any_of(ports_.begin(), ports_.end(), [](const PortT* p) { return p->waiting(); });
  }

  // Frames that a device has not taken.
  bool unsent() const {
    return std::any_of(ports_.begin(), ports_.end(),
                       [](const PortT* p) { return p->unsent() > 0; });
  }

  // The end of a turn: sleeps when there has been nothing to do for a while, until something may
  // have come.
  void rest(Time now) {
    if (worked_ || frames_sent() != sent_ || frames_wait()) {
      idle_since_ = now;
      if (sleeper_->announced()) sleeper_->cancel();
      let_ports_interrupt(false);
      return;
    }
    if (now - idle_since_ < Sleeper::kPatience) return;
    if (!sleeper_->announced()) {
      let_ports_interrupt(true);
      sleeper_->announce();  // and looks at everything once more
      return;
    }
    publish(now);
    sampler_.enter(Stage::kIdle);
    ++stats_.stages.sleeps;
    const Duration until_timer = wheel_.next() - clock_.at(clock_.cycles());
    sleeper_->sleep(unsent() ? std::min(until_timer, kOfferEvery) : until_timer);
    let_ports_interrupt(false);
  }

  // While the worker runs, a device has no reason to interrupt.
  void let_ports_interrupt(bool on) {
    if (interrupts_ == on) return;
    interrupts_ = on;
    for (PortT* port : ports_) port->interrupts(on);
  }

  void publish(Time now) {
    publish_at_ = now + kPublishEvery;
    uint64_t driver_cycles = 0;
    for (size_t p = 0; p < ports_.size(); ++p) {
      const auto& from = ports_[p]->stats();
      stats::Port& to = stats_.port(p);
      to.rx_packets.set(from.rx_packets);
      to.rx_bytes.set(from.rx_bytes);
      to.tx_packets.set(from.tx_packets);
      to.tx_bytes.set(from.tx_bytes);
      to.drop_counter(stats::Drop::kRxErrors).set(from.rx_oversize + from.rx_malformed);
      to.drop_counter(stats::Drop::kRxOverflow).set(from.rx_overflow);
      to.drop_counter(stats::Drop::kUnknownVlan).set(from.rx_unknown_vlan);
      to.drop_counter(stats::Drop::kTxFull).set(from.tx_full);
      to.drop_counter(stats::Drop::kTxNoMemory).set(from.tx_no_memory);
      to.drop_counter(stats::Drop::kTxTooLong).set(from.tx_oversize);
      const ip::Neighbours& neighbours = host_.neighbours(p);
      to.neighbours.set(neighbours.size());
      to.neighbours_evicted.set(neighbours.evicted());
      to.drop_counter(stats::Drop::kNoNeighbour).set(neighbours.undelivered());
      driver_cycles += from.driver_cycles;
    }
    stats_.cycles_io.set(driver_cycles);
    stats_.rx_buffers_free.set(memory_.rx_free());
    stats_.hold_buffers_free.set(memory_.hold_free());
    stats_.slices_pinned.set(memory_.pinned());
    stats_.slices_copied.set(memory_.copied());
    stats_.slices_refused.set(memory_.refused());
    stats_.l4.flows.set(forwarder_.flows());
    stats_.l4.half_open.set(forwarder_.half_open());
    stats_.tcp.connections.set(tcp_.connections());
    stats_.tcp.half_open.set(tcp_.half_open());
    stats_.tcp.time_wait.set(tcp_.time_wait());
  }

  Clock& clock_;
  const config::Published& published_;
  const Orders& orders_;
  stats::Worker& stats_;
  const std::vector<PortT*> ports_;
  std::vector<size_t> receive_order_;  // indices into ports_
  // Control keeps the snapshot until stats_ reports a newer one.
  const config::Snapshot* current_ = nullptr;
  const config::Snapshot* step_ = nullptr;  // from current_, a difference adopted in part

  TimerWheel wheel_;
  buf::Memory memory_;
  ip::Host host_;
  tcp::Stack tcp_;
  steer::Exchange* const exchange_;
  std::optional<Steering> steering_;
  transport::PlainLayer plain_;
  http2::Codec http2_;
  http1::Codec http1_;  // refers to http2_
  l4::Forwarder forwarder_;
  Dispatch dispatch_{host_, tcp_, steering_ ? &*steering_ : nullptr, &forwarder_};
  relay::Relay relay_;
  splice::Splicer splicer_;

  // Empty between bursts. A member to avoid its construction each turn, since most turns find
  // nothing to put into it.
  std::array<ip::InFrame, kBurst> burst_;

  bool announced_ = false;
  // The orders to announce that were followed.
  uint32_t announcements_ = 0;
  std::array<uint32_t, stats::kMaxPorts> port_announcements_{};
  // The orders to flush that were followed.
  uint32_t flushes_ = 0;
  std::vector<uint32_t> pod_flushes_;  // by slot; empty: there was none
  stats::FlowPage* const flow_page_;
  TurnSampler sampler_;
  Sleeper* const sleeper_;
  Time idle_since_{};
  bool interrupts_ = false;  // of the ports, while the worker is about to sleep
  bool draining_ = false;
  std::optional<Time> ending_since_;  // the first turn after the order to end, or after the drain
  bool reported_drained_ = false;
  bool worked_ = false;      // this turn received something
  uint64_t turn_began_;      // cycles
  uint64_t sent_ = 0;        // frames of all ports until the turn before
  uint64_t in_drivers_ = 0;  // cycles inside the drivers of all ports until the turn before
  Time publish_at_{};
};

}  // namespace sluice::worker
