#include "tcp/context.h"

#include <cassert>

#include "tcp/connection.h"

namespace sluice::tcp {

Context::Context(const Config& c, ip::Output& o, TimerWheel& w, buf::Memory& m, Counters& n,
                 const SipKey& s, Process* process)
    : config(c),
      output(o),
      wheel(w),
      memory(m),
      counters(n),
      secret(s),
      table(c.max_connections + c.max_half_open + c.max_time_wait, s),
      time_waits(c.max_time_wait, table),
      peers(c.max_connections, s, process),
      challenges(process != nullptr ? process->challenges
                                    : own_challenges.emplace(c.challenge_acks, mix64(s.k0) ^ s.k1)),
      receive_queues(config, m, w, n) {}

Context::~Context() = default;

ip::Sent Context::send(const Endpoint& local, const Endpoint& remote, const Header& header,
                       uint8_t tos, std::span<const buf::Fragment> pieces, uint32_t size,
                       uint16_t segment_size) {
  assert(pieces.size() <= kMaxPieces);
  std::array<uint8_t, kMaxHeader> bytes;
  ip::OutPacket p;
  p.source = local.address;
  p.destination = remote.address;
  p.protocol = ip::Protocol::kTcp;
  p.tos = tos;
  p.header = std::span<const uint8_t>(bytes.data(), emit(header, bytes));
  p.checksum_offset = kChecksumOffset;
  p.payload = pieces;
  p.payload_size = size;
  p.segment_size = segment_size;
  const ip::Sent sent = output.send(p, now);
  if (sent == ip::Sent::kYes)
    counters.segments_out.add(segment_size == 0 ? 1 : (size + segment_size - 1) / segment_size);
  return sent;
}

void Context::send_reset(const Endpoint& local, const Endpoint& remote, const Header& to,
                         uint32_t size) {
  if (to.has(kRst)) return;
  Header h;
  h.source_port = local.port;
  h.destination_port = remote.port;
  if (to.has(kAck)) {
    h.seq = to.ack;
    h.flags = kRst;
  } else {
    h.ack = to.seq + size + (to.has(kSyn) ? 1 : 0) + (to.has(kFin) ? 1 : 0);
    h.flags = kRst | kAck;
  }
  if (send(local, remote, h) == ip::Sent::kYes) ++counters.resets_out;
}

bool Context::may_answer(Time& last) {
  if (now - last < config.challenge_interval) {
    ++counters.challenge_limited;
    return false;
  }
  last = now;
  ++counters.challenge_acks;
  return true;
}

bool Context::may_challenge(Time& last) {
  if (now - last >= config.challenge_interval && !challenges.take(now)) {
    ++counters.challenge_limited;
    return false;
  }
  return may_answer(last);
}

}  // namespace sluice::tcp
