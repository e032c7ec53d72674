#include "worker/steering.h"

#include <utility>

#include "tcp/header.h"

namespace sluice::worker {

namespace {

// A SYN that is no answer: only such a segment begins a flow.
bool begins_flow(const tcp::Received& segment) {
  const buf::View header = segment.segment.front().view();
  return (header[13] & (tcp::kSyn | tcp::kAck)) == tcp::kSyn;
}

}  // namespace

// An ephemeral port at which somebody listens is for the listener's clients: active opens do not
// use it.
unsigned Steering::owner_of(const Endpoint& local, const Endpoint& remote) const {
  return owner_.in_shares(local) && !tcp_.listens(local) ? owner_.by_share(local.port)
                                                         : owner_.by_hash(local, remote);
}

// A listener that comes or goes changes the owner of flows at its endpoint, if that may be one of
// an active open, too. So the older flows there are looked for at two workers.
bool Steering::hand_over(const Endpoint& local, const Endpoint& remote, tcp::Received& segment) {
  unsigned to = owner_of(local, remote);
  const bool two_owners = owner_.in_shares(local) && !begins_flow(segment);
  if (segment.hand_overs >= (two_owners ? 2 : 1)) return false;
  if (two_owners && to == self_)
    to = tcp_.listens(local) ? owner_.by_share(local.port) : owner_.by_hash(local, remote);
  if (to == self_) return false;
  steer::Packet p;
  p.packet.source = segment.source;
  p.packet.destination = segment.destination;
  p.packet.protocol = static_cast<uint8_t>(ip::Protocol::kTcp);
  p.packet.tos = segment.tos;
  p.packet.checksum = ip::L4Checksum::kGood;
  p.packet.segment_size = segment.segment_size;
  p.packet.payload = std::move(segment.segment);
  p.hand_overs = static_cast<uint8_t>(segment.hand_overs + 1);
  give(to, std::move(p));
  return true;
}

bool Steering::hand_over(const Endpoint& local, const Endpoint& remote, ip::IcmpError& error) {
  const unsigned to = owner_of(local, remote);
  if (to == self_) return false;
  hand_over(to, std::move(error));
  return true;
}

void Steering::hand_over(unsigned worker, ip::IcmpError&& error) {
  steer::Packet p;
  p.packet.source = error.source;
  p.packet.destination = error.destination;
  p.packet.protocol =
      static_cast<uint8_t>(error.source.is_v4() ? ip::Protocol::kIcmp : ip::Protocol::kIcmp6);
  p.packet.payload = std::move(error.message);
  give(worker, std::move(p));
}

void Steering::hand_over(unsigned worker, ip::TransportPacket&& packet) {
  steer::Packet p;
  p.packet = std::move(packet);
  give(worker, std::move(p));
}

// The other worker may stand still. Its packets must not take the buffers that this worker receives
// with.
void Steering::give(unsigned to, steer::Packet&& packet) {
  buf::Chain& payload = packet.packet.payload;
  if (payload.size() > 0) payload = memory_.retain(std::move(payload));
  if (payload.size() > 0 && exchange_.way(self_, to).packets.stage(std::move(packet))) {
    counters_.handed_over.add(1);
    staged_ = true;
  } else {
    counters_.overflow.add(1);
  }
}

void Steering::hear(const ip::NeighbourNews& news) {
  for (unsigned to = 0; to < owner_.workers(); ++to) {
    if (to == self_) continue;
    if (!exchange_.way(self_, to).news.stage(ip::NeighbourNews(news))) counters_.news_lost.add(1);
  }
  staged_ = true;
}

void Steering::publish() {
  if (!std::exchange(staged_, false)) return;
  for (unsigned to = 0; to < owner_.workers(); ++to)
    if (to != self_) exchange_.publish(self_, to);
}

template <class T>
size_t Steering::take_from_others(std::span<T> out, unsigned& turn,
                                  SpscRing<T> steer::Exchange::Way::*ring) {
  for (unsigned asked = 0; asked < owner_.workers(); ++asked) {
    const unsigned from = turn;
    turn = turn + 1 == owner_.workers() ? 0 : turn + 1;
    if (from == self_) continue;
    if (const size_t n = (exchange_.way(from, self_).*ring).take(out)) return n;
  }
  return 0;
}

size_t Steering::take(std::span<steer::Packet> packets) {
  const size_t n = take_from_others(packets, packets_turn_, &steer::Exchange::Way::packets);
  counters_.taken_over.add(n);
  return n;
}

size_t Steering::take(std::span<ip::NeighbourNews> news) {
  return take_from_others(news, news_turn_, &steer::Exchange::Way::news);
}

}  // namespace sluice::worker
