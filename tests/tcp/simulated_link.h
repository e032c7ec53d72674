#pragma once
// Two stacks joined by a link that loses, delays, reorders and duplicates segments from a seed, in
// virtual time. Time jumps from event to event: an hour of retransmissions costs nothing.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/pool.h"
#include "ip/output.h"
#include "support/chains.h"
#include "tcp/stack.h"

namespace sluice::test {

struct LinkModel {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;       // chance to be held back by up to reorder_delay
  double corrupt = 0;       // what a checksum finds: the same as loss
  double burst_loss = 0;    // Gilbert-Elliott: chance to enter the bad state, a segment
  double burst_length = 4;  // segments, mean
  Duration delay = 1ms;     // one way
  Duration jitter{};
  Duration reorder_delay = 3ms;
  uint64_t rate = 0;            // bytes a second, 0: no limit
  size_t queue = 256;           // full segments, with a rate
  uint32_t mtu_payload = 1480;  // largest transport segment
  uint32_t tso = 0;
  bool lro = false;        // segments that arrive side by side are merged
  double mark = 0;         // chance that an ECN-capable segment is marked
  double no_memory = 0;    // chance that the port has no buffer
  Duration turn{};         // host 0 looks at its port once in this time; 0: at every arrival
  bool timestamps = true;  // false: a middlebox removes the option from SYNs
};

struct Packet {
  Address source, destination;
  std::vector<uint8_t> bytes;
  uint8_t tos;
};

class World;

// One end: a stack, its wheel and memory, and the way into the link.
class Host final : public ip::Output {
 public:
  Host(World& world, const Address& address, const tcp::Config& config, rte_mempool* rx,
       rte_mempool* hold, uint64_t seed, Time now)
      : world_(world),
        address_(address),
        wheel(now),
        memory(buf::Pool(rx), buf::Pool(hold), 256, 64),
        stack(config, *this, wheel, memory, counters, SipKey{seed, seed + 1}) {}

  ip::Sent send(const ip::OutPacket& p, Time now) override;
  uint32_t max_segment(const Address&) const override { return mtu_payload; }
  const Address* source_for(const Address&) const override { return &address_; }
  uint32_t max_tso(const Address&) const override { return tso; }

 private:
  World& world_;
  Address address_;

 public:
  uint32_t mtu_payload = 1480;
  uint32_t tso = 0;
  TimerWheel wheel;
  buf::Memory memory;
  tcp::Counters counters;
  tcp::Stack stack;
};

class World {
 public:
  World(uint64_t seed, const LinkModel& model, const tcp::Config& config, rte_mempool* rx,
        rte_mempool* hold)
      : World(seed, model, config, config, rx, hold) {}
  World(uint64_t seed, const LinkModel& model, const tcp::Config& config,
        const tcp::Config& peer_config, rte_mempool* rx, rte_mempool* hold)
      : random(seed), model(model), rx_(rx) {
    for (int i = 0; i < 2; ++i) {
      hosts[i] = std::make_unique<Host>(*this, Address::v4(0xc6120001u + static_cast<uint32_t>(i)),
                                        i == 0 ? config : peer_config, rx, hold,
                                        seed * 2 + static_cast<uint64_t>(i), now);
      hosts[i]->mtu_payload = model.mtu_payload;
      hosts[i]->tso = model.tso;
    }
  }

  void put(Packet p) {
    const int to = p.destination == Address::v4(0xc6120001u) ? 0 : 1;
    if (trace) print(p, "sent");
    if (!model.timestamps) strip_timestamps(p);
    if (p.bytes.size() > path_limit) {
      // A router on the way: drops it and says so.
      if (path_reports) {
        const Packet copy = p;
        at(now + model.delay, [this, copy] {
          Host& h = *hosts[copy.source == Address::v4(0xc6120001u) ? 0 : 1];
          h.stack.packet_too_big({copy.source, load_be16(&copy.bytes[0])},
                                 {copy.destination, load_be16(&copy.bytes[2])},
                                 load_be32(&copy.bytes[4]), path_limit, now);
        });
      }
      return;
    }
    if ((p.tos & 3) == 2 && random.chance(model.mark)) p.tos |= 3;
    bool lost = random.chance(model.loss) || random.chance(model.corrupt);
    bool& bad = bad_[to];
    if (now > bad_until_[to]) bad = false;
    if (bad) {
      lost = true;
      bad = !random.chance(1 / model.burst_length);
    } else if (model.burst_loss > 0) {
      bad = random.chance(model.burst_loss);
      bad_until_[to] = now + 1s;  // a lone retransmission every ten seconds must get out of it
    }
    if (drop && drop(p)) lost = true;
    if (lost) {
      if (trace) print(p, "LOST");
      return;
    }
    const Duration held = hold ? hold(p) : Duration{};
    Time at = now + model.delay + held;
    if (model.rate > 0) {
      Time& free = link_free_[to];
      free = std::max(free, now);
      const Duration takes(
          static_cast<int64_t>((p.bytes.size() + 40) * 1'000'000'000 / model.rate));
      const Duration full(static_cast<int64_t>(model.queue * 1500 * 1'000'000'000 / model.rate));
      if (free - now > full) return;  // tail drop
      free += takes;
      at = free + model.delay + held;
    }
    if (model.jitter > Duration::zero())
      at +=
          Duration(static_cast<int64_t>(random.below(static_cast<uint64_t>(model.jitter.count()))));
    if (random.chance(model.reorder))
      at += Duration(
          static_cast<int64_t>(random.below(static_cast<uint64_t>(model.reorder_delay.count()))));
    if (random.chance(model.duplicate)) fly(at + model.delay / 2, to, p);
    fly(at, to, std::move(p));
  }

  // One step: the next arrival or timer. False when nothing is left to happen.
  bool step() {
    Time next = flying_.empty() ? kNever : flying_.begin()->first;
    for (auto& h : hosts) next = std::min(next, h->wheel.next());
    for (const auto& e : events_) next = std::min(next, e.first);
    if (next == kNever) return false;
    now = std::max(now, next);
    while (!flying_.empty() && flying_.begin()->first <= now) {
      Packet p = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      const size_t merged = model.lro ? merge(p) : 0;
      arrive(p, static_cast<uint16_t>(merged));
    }
    while (!events_.empty() && events_.begin()->first <= now) {
      auto fn = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      fn();
    }
    for (auto& h : hosts) {
      h->wheel.advance(now);
      h->memory.refresh();
      h->stack.flush(now);
    }
    return true;
  }

  void at(Time when, std::function<void()> fn) { events_.emplace(when, std::move(fn)); }
  void run_for(Duration d) {
    const Time until = now + d;
    at(until, [] {});
    while (now < until && step()) {
    }
  }

  void print(const Packet& p, const char* what) {
    const auto parsed = tcp::parse(p.bytes);
    if (!parsed) return;
    const tcp::Header& h = parsed->header;
    std::string flags;
    for (auto [f, c] : {std::pair{tcp::kSyn, 'S'},
                        {tcp::kFin, 'F'},
                        {tcp::kRst, 'R'},
                        {tcp::kPsh, 'P'},
                        {tcp::kAck, '.'},
                        {tcp::kEce, 'E'},
                        {tcp::kCwr, 'W'}})
      if (h.has(f)) flags += c;
    std::printf("%12.6f %s %s [%s] seq %u len %zu ack %u win %u",
                std::chrono::duration<double>(now.time_since_epoch()).count(), what,
                p.source == Address::v4(0xc6120001u) ? "A>B" : "B>A", flags.c_str(), h.seq,
                p.bytes.size() - parsed->size, h.ack, h.window);
    for (size_t i = 0; i < h.options.sack_count; ++i)
      std::printf(" sack %u-%u", h.options.sacks[i].begin, h.options.sacks[i].end);
    std::printf("\n");
  }

  Random random;
  LinkModel model;
  Time now{Duration(1s)};
  bool trace = false;
  uint32_t path_limit = 65'535;  // transport bytes that fit the narrowest link
  bool path_reports = true;
  std::function<bool(const Packet&)> drop;      // loses chosen segments
  std::function<Duration(const Packet&)> hold;  // and holds chosen ones up by this much
  std::unique_ptr<Host> hosts[2];

 private:
  void fly(Time at, int to, Packet p) {
    if (to == 0 && model.turn > Duration::zero()) {
      const auto turns = (at.time_since_epoch() + model.turn - Duration(1)) / model.turn;
      at = Time(turns * model.turn);
    }
    flying_.emplace(at, std::move(p));
  }

  static void strip_timestamps(Packet& p) {
    constexpr uint8_t kEnd = 0, kNop = 1, kTimestamps = 8;
    if ((p.bytes[13] & tcp::kSyn) == 0) return;
    const size_t end = size_t{p.bytes[12]} / 16 * 4;
    for (size_t i = 20; i < end && p.bytes[i] != kEnd;) {
      const size_t n = p.bytes[i] == kNop ? 1 : p.bytes[i + 1];
      if (p.bytes[i] == kTimestamps) std::fill_n(&p.bytes[i], n, kNop);
      i += n;
    }
  }

  // Appends the payload of the segments that follow p within kMergeTime, as hardware does: of one
  // flow, without a gap, with the same header but for PSH and FIN, all but the last of one size.
  // Returns that size; 0 when there are none.
  size_t merge(Packet& p) {
    constexpr size_t kMost = 65'000;
    constexpr Duration kMergeTime = 50us;
    constexpr uint8_t kMayDiffer = tcp::kPsh | tcp::kFin;
    const size_t header = size_t{p.bytes[12]} / 16 * 4;
    const size_t one = p.bytes.size() - header;
    const auto plain = [](uint8_t flags) { return (flags & ~kMayDiffer) == tcp::kAck; };
    if (one == 0 || !plain(p.bytes[13]) || (p.bytes[13] & tcp::kFin) != 0) return 0;
    size_t merged = 0;
    while (!flying_.empty() && flying_.begin()->first <= now + kMergeTime) {
      const Packet& next = flying_.begin()->second;
      if (next.source != p.source || next.tos != p.tos || next.bytes.size() <= header) break;
      const size_t size = next.bytes.size() - header;
      if (size > one || p.bytes.size() + size > kMost || !plain(next.bytes[13])) break;
      std::vector<uint8_t> expected(p.bytes.begin(), p.bytes.begin() + static_cast<long>(header));
      store_be32(&expected[4],
                 load_be32(&expected[4]) + static_cast<uint32_t>(p.bytes.size() - header));
      expected[13] = next.bytes[13];
      std::copy_n(&next.bytes[16], 2, &expected[16]);
      if (!std::equal(expected.begin(), expected.end(), next.bytes.begin())) break;
      p.bytes[13] |= next.bytes[13];
      p.bytes.insert(p.bytes.end(), next.bytes.begin() + static_cast<long>(header),
                     next.bytes.end());
      const bool last = size < one || (next.bytes[13] & tcp::kFin) != 0;
      flying_.erase(flying_.begin());
      merged = one;
      if (last) break;
    }
    return merged;
  }

  void arrive(const Packet& p, uint16_t segment_size) {
    if (trace) print(p, segment_size == 0 ? "came" : "came merged");
    buf::Chain chain = chain_of(rx_, p.bytes, [&](size_t at) {
      if (segment_size == 0) return p.bytes.size();
      return at == 0 ? size_t{tcp::kMaxHeader} + random.below(1500) : 1 + random.below(2048);
    });
    if (chain.size() == 0) return;
    Host& h = *hosts[p.destination == Address::v4(0xc6120001u) ? 0 : 1];
    tcp::Received r{p.source, p.destination, p.tos, segment_size, std::move(chain)};
    h.stack.input({&r, 1}, now);
  }

  rte_mempool* rx_;
  std::multimap<Time, Packet> flying_;
  std::multimap<Time, std::function<void()>> events_;
  Time link_free_[2]{};
  bool bad_[2]{};
  Time bad_until_[2]{};
};

inline ip::Sent Host::send(const ip::OutPacket& p, Time) {
  if (world_.random.chance(world_.model.no_memory)) return ip::Sent::kNoMemory;
  std::vector<uint8_t> payload;
  for (const auto& v : p.payload) payload.insert(payload.end(), v.begin(), v.end());
  EXPECT_EQ(payload.size(), p.payload_size);
  const size_t cut = p.segment_size > 0 ? p.segment_size : std::max<size_t>(payload.size(), 1);
  size_t at = 0;
  do {
    const size_t n = std::min(cut, payload.size() - at);
    Packet out{p.source, p.destination, {p.header.begin(), p.header.end()}, p.tos};
    store_be32(&out.bytes[4], load_be32(&out.bytes[4]) + static_cast<uint32_t>(at));
    if (at + n < payload.size()) out.bytes[13] &= static_cast<uint8_t>(~(tcp::kFin | tcp::kPsh));
    out.bytes.insert(out.bytes.end(), payload.begin() + static_cast<long>(at),
                     payload.begin() + static_cast<long>(at + n));
    EXPECT_LE(out.bytes.size(), mtu_payload);
    world_.put(std::move(out));
    at += n;
  } while (at < payload.size());
  return ip::Sent::kYes;
}

}  // namespace sluice::test
