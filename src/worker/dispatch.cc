#include "worker/dispatch.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>

#include "base/prefetch.h"
#include "base/stage_meter.h"

namespace sluice::worker {

inline void Dispatch::take(ip::TransportPacket& packet, stats::Port& counters, Time now) {
  if (forwards()) {
    if (l4::is_fragment(packet)) [[unlikely]] {
      if (!l4_->know_fragment(packet, now)) return;
      if (!stage_l4(packet, false)) counters.drop(stats::Drop::kFragment);
      return;
    }
    if (stage_l4(packet, false)) return;
  }
  if (packet.protocol != static_cast<uint8_t>(ip::Protocol::kTcp)) {
    counters.drop(stats::Drop::kUnknownProtocol);
    return;
  }
  if (packet.checksum <= ip::L4Checksum::kBad) {
    ++counters.rx_summed;
    if (packet.checksum == ip::L4Checksum::kBad) ++counters.rx_checksum_bad;
  }
  if (!ip::verify_checksum(packet)) {
    counters.drop(stats::Drop::kTcpChecksum);
    return;
  }
  stage(packet);
}

bool Dispatch::stage_l4(ip::TransportPacket& packet, bool handed_over) {
  if (!packet.ports) return false;
  const l4::Place place = l4_->find(packet);
  if (place.kind == l4::Place::Kind::kForeign) return false;
  assert(forwarded_count_ < kBurst);
  l4::Pending& p = forwarded_[forwarded_count_++];
  p.packet = std::move(packet);
  p.place = place;
  p.handed_over = handed_over;
  return true;
}

// TCP refuses segments of connections that nobody knows.
void Dispatch::flush_l4(Time now) {
  const size_t count = std::exchange(forwarded_count_, 0);
  l4_->input({forwarded_.data(), count}, now,
             [this](ip::TransportPacket& packet, bool handed_over) {
               stage(packet).hand_overs = handed_over ? 1 : 0;
             });
}

inline tcp::Received& Dispatch::stage(ip::TransportPacket& packet) {
  assert(segments_count_ < kBurst);
  tcp::Received& r = segments_[segments_count_++];
  r.source = packet.source;
  r.destination = packet.destination;
  r.tos = packet.tos;
  r.segment_size = packet.segment_size;
  r.segment = std::move(packet.payload);
  return r;
}

inline void Dispatch::take(ip::Input& in, stats::Port& counters, Time now) {
  if (auto* packet = std::get_if<ip::TransportPacket>(&in)) {
    take(*packet, counters, now);
  } else if (const auto* reason = std::get_if<stats::Drop>(&in)) {
    counters.drop(*reason);
  } else if (auto* error = std::get_if<ip::IcmpError>(&in)) {
    if (!take(*error, false, now)) counters.drop(stats::Drop::kIcmpUnmatched);
  }
}

// Headers always, and all of a frame whose checksum must be summed.
inline void Dispatch::fetch(const ip::InFrame& frame) {
  const buf::Slice& front = frame.bytes.front();
  const bool summed = frame.checksum <= ip::L4Checksum::kBad;
  prefetch(front.data(), summed ? front.size() : std::min(front.size(), ip::InFrame::kHeaders));
}

void Dispatch::deliver(ip::Input in, stats::Port& counters, Time now) {
  take(in, counters, now);
}

void Dispatch::flush(stats::Port& counters, Time now) {
  if (forwarded_count_ > 0) [[unlikely]]
    flush_l4(now);
  const size_t count = std::exchange(segments_count_, 0);
  counters.tcp_segments.add(count);
  in_stage(Stage::kTcp, [&] { tcp_.input({segments_.data(), count}, now); });
}

void Dispatch::input_burst(unsigned port, std::span<ip::InFrame> frames, stats::Port& counters,
                           Time now) {
  // Packets of known flows leave here.
  if (forwards()) frames = frames.first(l4_->forward(port, frames, now));
  constexpr size_t kAhead = 2;  // frames whose bytes are prefetched before their turn
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i + kAhead < frames.size()) fetch(frames[i + kAhead]);
    ip::Input in = host_.input(port, std::move(frames[i]), now);
    take(in, counters, now);
    frames[i].bytes.clear();  // of a frame that was dropped or answered
  }
  flush(counters, now);
}

// The packets of one worker's ring lie in order of their arrival there.
size_t Dispatch::take_over(Time now) {
  std::array<ip::NeighbourNews, kBurst> news;
  for (size_t n = 0; (n = steering_->take(news)) > 0;)
    for (const ip::NeighbourNews& one : std::span(news).first(n)) host_.hear(one, now);

  size_t all = 0;
  for (unsigned burst = 0; burst < kBursts; ++burst) {
    const size_t n = steering_->take(taken_over_);
    if (n == 0) break;
    for (steer::Packet& packet : std::span(taken_over_).first(n)) take_over(packet, now);
    if (forwarded_count_ > 0) flush_l4(now);
    tcp_.input({segments_.data(), std::exchange(segments_count_, 0)}, now);
    for (tcp::Received& r : std::span(segments_).first(n)) r.hand_overs = 0;
    all += n;
  }
  return all;
}

void Dispatch::take_over(steer::Packet& given, Time now) {
  ip::TransportPacket& packet = given.packet;
  if (forwards() && stage_l4(packet, true)) return;
  if (packet.protocol == static_cast<uint8_t>(ip::Protocol::kTcp) && ip::verify_checksum(packet)) {
    stage(packet).hand_overs = given.hand_overs;
    return;
  }
  const bool transport = packet.protocol == static_cast<uint8_t>(ip::Protocol::kUdp) ||
                         packet.protocol == static_cast<uint8_t>(ip::Protocol::kTcp);
  if (!transport) {
    if (auto error =
            ip::parse_icmp_error(packet.source, packet.destination, packet.payload.pop_front());
        error && take(*error, true, now))
      return;
  }
  steering_->count_dropped();
  packet.payload.clear();
}

bool Dispatch::take(ip::IcmpError& error, bool handed_over, Time now) {
  if (forwards() && l4_->input(error, handed_over, now)) return true;
  const ip::QuotedPacket& q = error.quoted;
  if (q.protocol != static_cast<uint8_t>(ip::Protocol::kTcp) || !q.ports || !q.tcp_seq)
    return false;
  const Endpoint local{q.source, q.ports->source};
  const Endpoint remote{q.destination, q.ports->destination};
  if (steering_ != nullptr && !handed_over && steering_->hand_over(local, remote, error))
    return true;
  switch (error.kind) {
    case ip::IcmpError::Kind::kUnreachable:
      tcp_.unreachable(local, remote, *q.tcp_seq, now);
      return true;
    case ip::IcmpError::Kind::kPacketTooBig: {
      const uint32_t header = q.source.is_v4() ? ip::kIpv4Size : ip::kIpv6Size;
      tcp_.packet_too_big(local, remote, *q.tcp_seq, error.mtu - header, now);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace sluice::worker
