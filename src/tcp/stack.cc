#include "tcp/stack.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/prefetch.h"
#include "tcp/isn.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

namespace {
// Sends that found no buffer are tried again after this time: a few turns of the worker, enough for
// a port to have sent the frames that it has.
constexpr Duration kRetryAfter = 1ms;
constexpr uint64_t kPortPurpose = 3;
// Windows that open in one turn once memory has returned. If all opened at once, they would promise
// the memory many times over.
constexpr int kReopenedATurn = 32;
// Ports that one connect tries: some 70 us. While one port of twenty is free, a connect finds none
// once in 10^11 times.
constexpr uint32_t kPortTries = 512;
// Of these, the tries for a port whose answers arrive at this worker: of 16 workers, one connect in
// 4,000 takes another port.
constexpr uint32_t kArrivalTries = 128;
// The distance from the last number of a connection to the first of the next one with its
// four-tuple: more than a window without a scale.
constexpr uint32_t kIssGap = 65'537;
}  // namespace

Stack::Stack(const Config& config, ip::Output& output, TimerWheel& wheel, buf::Memory& memory,
             Counters& counters, const SipKey& secret, Process* process)
    : context_(config, output, wheel, memory, counters, secret, process),
      connections_(config.max_connections),
      half_open_(config.max_half_open),
      cookies_(secret),
      retry_timer_(
          [](void* s, Time) {
            auto& context = static_cast<Stack*>(s)->context_;
            context.touched.splice_back(context.starved);
          },
          this) {}

Stack::~Stack() {
  context_.touched.clear();
  context_.starved.clear();
  context_.withheld.clear();
  std::vector<HalfOpen*> halves;
  context_.table.for_each([&](Flow& f) {
    if (f.kind() == Flow::Kind::kHalfOpen) halves.push_back(&static_cast<HalfOpen&>(f));
  });
  for (HalfOpen* h : halves) forget(*h);
  for (Connection* c : snapshot()) c->end(CloseReason::kAborted);
  while (Connection* c = context_.ended.pop_front()) connections_.destroy(c);
}

std::vector<Connection*> Stack::snapshot() {
  std::vector<Connection*> all;
  context_.table.for_each([&](Flow& f) {
    if (f.kind() == Flow::Kind::kConnection) all.push_back(&static_cast<Connection&>(f));
  });
  return all;
}

void Stack::reconfigure(const Config& next) {
  Config& c = context_.config;
  const uint64_t tellable = uint64_t{0xffff} << c.window_scale();
  c.time_wait = next.time_wait;
  c.user_timeout = next.user_timeout;
  c.keepalive_idle = next.keepalive_idle;
  c.closing_timeout = next.closing_timeout;
  c.send_buffer = next.send_buffer;
  c.connections_per_address = next.connections_per_address;
  c.send_buffer_max = next.send_buffer_max;
  // The scale follows from the largest buffer: the buffer may not shrink so far that the scale
  // falls.
  const uint32_t largest = c.receive_buffer_max;
  c.receive_buffer_max =
      static_cast<uint32_t>(std::min<uint64_t>(next.receive_buffer_max, tellable));
  if (uint64_t{0xffff} << c.window_scale() != tellable) c.receive_buffer_max = largest;
  c.receive_buffer = std::min(next.receive_buffer, c.receive_buffer_max);
}

bool Stack::listen(const Endpoint& local, Acceptor* acceptor) {
  for (const Listener& l : listeners_)
    if (l.local == local) return false;
  listeners_.push_back({local, acceptor});
  return true;
}

void Stack::unlisten(const Endpoint& local) {
  std::erase_if(listeners_, [&](const Listener& l) { return l.local == local; });
}

Acceptor* Stack::acceptor_of(const Endpoint& local) const {
  Acceptor* any = nullptr;
  for (const Listener& l : listeners_) {
    if (l.local == local) return l.acceptor;
    if (l.local.port == local.port && l.local.address.unspecified()) any = l.acceptor;
  }
  return any;
}

Connection* Stack::connect(const Endpoint& local, const Endpoint& remote, User* user, Time now) {
  context_.now = now;
  Endpoint from = local;
  if (from.address.unspecified()) {
    const Address* source = context_.output.source_for(remote.address);
    if (source == nullptr) return nullptr;
    from.address = *source;
  }
  if (from.port == 0) from.port = choose_port(from.address, remote);
  if (from.port == 0) {
    ++context_.counters.port_exhausted;
    return nullptr;
  }
  if (context_.table.find(from, remote) != nullptr) return nullptr;
  Connection* c = connections_.create(context_, from, remote, user);
  if (c == nullptr) {
    evict_client();
    return nullptr;
  }
  context_.table.insert(*c);
  ++context_.counters.connect_started;
  return c;
}

// Where there are other workers, a listener's endpoint must not become the end of an active open as
// well: its port would no longer tell whether the flow belongs to the port's share.
bool Stack::free(const Endpoint& local, const Endpoint& remote) const {
  return context_.table.find(local, remote) == nullptr &&
         (siblings_ == nullptr || acceptor_of(local) == nullptr);
}

// RFC 6056, 3.3.3: a secret offset for each remote, and a counter over all. A port that is taken
// often has neighbours that are taken, so the search leaps, and reaches every port of a small
// range. The range is that of this worker's share.
uint16_t Stack::choose_port(const Address& local, const Endpoint& remote) {
  const Config& c = context_.config;
  const Siblings::Share share = siblings_ == nullptr ? Siblings::Share{} : siblings_->share();
  const uint32_t first = c.first_ephemeral_port +
                         (share.index + share.of - c.first_ephemeral_port % share.of) % share.of;
  if (first > c.last_ephemeral_port) return 0;
  const uint32_t range = (c.last_ephemeral_port - first) / share.of + 1;
  const auto offset =
      static_cast<uint32_t>(tuple_hash(context_.secret, Endpoint{local, 0}, remote, kPortPurpose));
  uint32_t at = (offset + port_counter_++) % range;
  uint32_t leap = 0;
  uint16_t second_best = 0;
  for (uint32_t i = 0; i < std::min(range, kPortTries); ++i) {
    const auto port = static_cast<uint16_t>(first + at * share.of);
    const Endpoint from{local, port};
    if (free(from, remote)) {
      if (siblings_ == nullptr || siblings_->arrives_here(from, remote)) return port;
      if (second_best == 0) second_best = port;
    }
    if (i >= kArrivalTries && second_best != 0) break;
    if (leap == 0) {
      leap = static_cast<uint32_t>(range * 0.618) | 1;
      while (std::gcd(leap, range) != 1) leap += 2;
    }
    at = (at + leap) % range;
  }
  return second_best;
}

void Stack::input(std::span<Received> burst, Time now) {
  context_.now = now;
  // Before the relay looks for other memory to free.
  context_.receive_queues.relieve();
  while (!burst.empty()) {
    const size_t n = std::min(burst.size(), kAhead);
    input_ahead(burst.first(n));
    burst = burst.subspan(n);
  }
}

// Three passes, so that the misses of many segments overlap: first the table's slot, then the
// connection, then the work.
void Stack::input_ahead(std::span<Received> burst) {
  size_t count = 0;
  // Segments that were handed over are counted where they arrived.
  if (burst.front().hand_overs == 0) context_.counters.segments_in.add(burst.size());
  for (Received& r : burst) {
    const auto parsed = parse(r.segment.front().view());
    if (!parsed) {
      ++context_.counters.malformed;
      r.segment.clear();
      continue;
    }
    Staged& s = staged_[count];
    s.header = parsed->header;
    s.header_size = parsed->size;
    s.lookup.key =
        flow_key({r.destination, s.header.destination_port}, {r.source, s.header.source_port});
    context_.table.begin(s.lookup, count > 0 ? &staged_[count - 1].lookup : nullptr);
    Received& kept = burst[count++];
    if (&kept != &r) kept = std::move(r);
  }
  const Flow* last = nullptr;
  for (size_t i = 0; i < count; ++i) {
    const Flow* flow = context_.table.candidate(staged_[i].lookup);
    if (flow != nullptr && flow != last) prefetch(flow, Connection::kHotBytes);
    last = flow;
  }
  constexpr size_t kNext = 2;  // far enough ahead to arrive in time
  for (size_t i = 0; i < count; ++i) {
    if (i + kNext < count) {
      const Flow* flow = context_.table.find(staged_[i + kNext].lookup);
      if (flow != nullptr && flow->kind() == Flow::Kind::kConnection)
        static_cast<const Connection*>(flow)->fetch_ahead();
    }
    input_one(staged_[i], burst[i]);
    burst[i].segment.clear();
  }
}

void Stack::input_one(const Staged& s, Received& r) {
  const Endpoint& local = s.lookup.key.local;
  const Endpoint& remote = s.lookup.key.remote;
  Flow* flow = context_.table.find(s.lookup);
  if (flow == nullptr && siblings_ != nullptr && siblings_->hand_over(local, remote, r)) return;
  r.segment.drop_front(s.header_size);
  if (flow != nullptr) {
    switch (flow->kind()) {
      case Flow::Kind::kConnection:
        static_cast<Connection*>(flow)->input(s.header, r);
        return;
      case Flow::Kind::kHalfOpen:
        input_half_open(static_cast<HalfOpen&>(*flow), s.header, r);
        return;
      case Flow::Kind::kTimeWait: {
        auto& record = static_cast<TimeWait&>(*flow);
        const uint32_t last = record.snd_nxt;
        if (input_time_wait(record, s.header, r.segment.size())) return;
        input_listen(local, remote, s.header, r, last);
        return;
      }
    }
  }
  input_listen(local, remote, s.header, r);
}

// RFC 9293, 3.10.7.1 and 3.10.7.2.
void Stack::input_listen(const Endpoint& local, const Endpoint& remote, const Header& h,
                         Received& r, std::optional<uint32_t> last) {
  if (h.has(kRst)) return;
  Acceptor* acceptor = acceptor_of(local);
  if (acceptor != nullptr && h.has(kAck) && !h.has(kSyn) &&
      input_cookie(local, remote, h, *acceptor)) {
    if (Flow* flow = context_.table.find(local, remote))
      static_cast<Connection*>(flow)->input(h, r);
    return;
  }
  if (acceptor == nullptr || h.has(kAck) || !h.has(kSyn) || h.has(kFin)) {
    ++context_.counters.no_connection;
    context_.send_reset(local, remote, h, r.segment.size());
    return;
  }
  if (connections_.live() >= connections_.max()) {
    ++context_.counters.refused;
    return;
  }
  const Options& o = h.options;
  Handshake s;
  s.iss = initial_sequence(context_.secret, local, remote, context_.now);
  // The clock makes 250 kB a second, and the previous connection may have sent more.
  if (last && !before(*last, s.iss)) s.iss = *last + kIssGap;
  s.irs = h.seq;
  s.peer_mss = o.mss != 0 ? o.mss : kDefaultMss;
  if (o.scale) s.peer_scale = std::min(*o.scale, kMaxWindowScale);
  s.sack = o.sack_permitted;
  s.timestamps = o.timestamps;
  s.ts_recent = o.ts_value;
  s.ts_offset = timestamp_offset(context_.secret, local, remote);
  s.offered_window = offered_window();
  s.ecn = context_.config.ecn && h.has(kEce) && h.has(kCwr);
  HalfOpen* half = half_open_.create(local, remote, [](void* p, Time now) {
    auto& record = *static_cast<HalfOpen*>(p);
    auto& stack = *static_cast<Stack*>(record.stack);
    stack.context_.now = now;
    stack.on_half_open_timer(record);
  });
  if (half == nullptr) {
    ++context_.counters.half_open_overflow;
    ++context_.counters.cookies_sent;
    s.iss = cookies_.make(local, remote, s, context_.now);
    s.ecn = false;  // has no bit in a cookie
    last_cookie_ = context_.now;
    send_syn_ack(local, remote, s);
    return;
  }
  half->handshake = s;
  half->stack = this;
  half->sent = context_.now;
  context_.table.insert(*half);
  context_.wheel.arm(half->timer, context_.now + context_.config.initial_rto);
  send_syn_ack(local, remote, s);
}

uint16_t Stack::offered_window() const {
  return static_cast<uint16_t>(std::min(context_.config.receive_buffer, 0xffffu));
}

// An ACK to a listener may be the end of a handshake that left no record. Cookies are checked only
// while some are valid, so that an ordinary stray ACK has no chance to guess one.
bool Stack::input_cookie(const Endpoint& local, const Endpoint& remote, const Header& h,
                         Acceptor& acceptor) {
  if (last_cookie_ == Time{} || context_.now - last_cookie_ > 2 * SynCookies::kPeriod) return false;
  auto handshake = cookies_.check(local, remote, h.seq, h.ack, context_.now);
  if (!handshake) {
    ++context_.counters.cookies_bad;
    return false;
  }
  handshake->timestamps = h.options.timestamps;
  handshake->ts_recent = h.options.ts_value;
  handshake->ts_offset = timestamp_offset(context_.secret, local, remote);
  handshake->offered_window = offered_window();
  if (establish(local, remote, *handshake, acceptor) == nullptr) return false;
  ++context_.counters.cookies_accepted;
  return true;
}

void Stack::send_syn_ack(const Endpoint& local, const Endpoint& remote, const Handshake& s) {
  Header h;
  h.source_port = local.port;
  h.destination_port = remote.port;
  h.seq = s.iss;
  h.ack = s.irs + 1;
  h.flags = kSyn | kAck | (s.ecn ? kEce : 0);
  h.window = s.offered_window;
  const uint32_t path = context_.output.max_segment(remote.address);
  h.options.mss =
      static_cast<uint16_t>(std::max<uint32_t>(path, kMinHeader + kDefaultMss) - kMinHeader);
  if (s.peer_scale) h.options.scale = context_.config.window_scale();
  h.options.sack_permitted = s.sack;
  if (s.timestamps) {
    h.options.timestamps = true;
    h.options.ts_value = timestamp_clock(context_.now) + s.ts_offset;
    h.options.ts_echo = s.ts_recent;
  }
  context_.send(local, remote, h);
}

// RFC 9293, 3.10.7.4, in SYN-RECEIVED.
void Stack::input_half_open(HalfOpen& half, const Header& h, Received& r) {
  Handshake& s = half.handshake;
  const uint32_t offset = h.seq - (s.irs + 1);  // from the left edge of our window
  if (h.has(kRst)) {
    if (offset == 0) {
      forget(half);
    } else if (offset <= s.offered_window) {
      send_half_open_ack(half);
    }
    return;
  }
  if (h.has(kSyn)) {
    if (h.seq == s.irs && !h.has(kAck)) {
      // RFC 3168, 6.1.1: one SYN without ECN, and the connection has none.
      if (!h.has(kEce) || !h.has(kCwr)) s.ecn = false;
      // RFC 7323, 4.3: the peer measures its round trip from the SYN that is answered.
      if (h.options.timestamps && before(s.ts_recent, h.options.ts_value))
        s.ts_recent = h.options.ts_value;
      send_syn_ack(half.local(), half.remote(), s);
    } else {
      send_half_open_ack(half);
    }
    return;
  }
  if (!h.has(kAck)) return;
  if (offset > s.offered_window ||
      (s.timestamps && h.options.timestamps && before(h.options.ts_value, s.ts_recent))) {
    send_half_open_ack(half);
    return;
  }
  Acceptor* acceptor = acceptor_of(half.local());
  if (h.ack != s.iss + 1 || acceptor == nullptr) {
    context_.send_reset(half.local(), half.remote(), h, r.segment.size());
    if (acceptor == nullptr) forget(half);
    return;
  }
  Handshake agreed = s;
  if (half.retransmits == 0) agreed.rtt = context_.now - half.sent;
  const Endpoint local = half.local();
  const Endpoint remote = half.remote();
  forget(half);
  if (Connection* c = establish(local, remote, agreed, *acceptor)) {
    c->input(h, r);
  } else {
    context_.send_reset(local, remote, h, r.segment.size());
  }
}

// The table is full: the address with the most connections loses the connection without work that
// was silent for longest. The connections of the address take turns in this check, a few at a time.
void Stack::evict_client() {
  constexpr unsigned kLookedAt = 16;
  Peer* peer = context_.peers.largest();
  if (peer == nullptr) return;
  Connection* victim = nullptr;
  bool victim_busy = false;
  for (uint32_t i = 0; i < std::min(kLookedAt, peer->connections); ++i) {
    PeerMember& member = peer->members.front();
    member.unlink();
    peer->members.push_back(member);
    auto& c = static_cast<Connection&>(member);
    const bool busy = c.user_ != nullptr && c.user_->busy(c);
    if (victim != nullptr && (busy != victim_busy ? busy : c.last_heard_ >= victim->last_heard_))
      continue;
    victim = &c;
    victim_busy = busy;
  }
  ++context_.counters.connections_evicted;
  victim->abort();
}

Connection* Stack::establish(const Endpoint& local, const Endpoint& remote,
                             const Handshake& handshake, Acceptor& acceptor) {
  const Config& config = context_.config;
  if (!context_.peers.reserve(remote.address, config.connections_per_address)) {
    ++context_.counters.address_limited;
    return nullptr;
  }
  if (clients() >= config.max_connections - config.reserved_connections()) evict_client();
  Connection* c = connections_.create(context_, local, remote, handshake);
  if (c == nullptr) {
    context_.peers.cancel(remote.address);
    ++context_.counters.refused;
    return nullptr;
  }
  context_.table.insert(*c);
  context_.peers.add(*c, remote.address);
  User* user = acceptor.on_accept(*c);
  if (user == nullptr) {
    ++context_.counters.refused;
    c->abort();
    return c;
  }
  c->set_user(user);
  ++context_.counters.accepted;
  return c;
}

void Stack::send_half_open_ack(HalfOpen& half) {
  if (!context_.may_answer(half.answered)) return;
  Header h;
  h.source_port = half.local().port;
  h.destination_port = half.remote().port;
  h.seq = half.handshake.iss + 1;
  h.ack = half.handshake.irs + 1;
  h.flags = kAck;
  h.window = half.handshake.offered_window;
  context_.send(half.local(), half.remote(), h);
}

void Stack::on_half_open_timer(HalfOpen& half) {
  if (half.retransmits >= context_.config.syn_ack_retries) {
    ++context_.counters.half_open_expired;
    forget(half);
    return;
  }
  ++half.retransmits;
  ++context_.counters.retransmits;
  send_syn_ack(half.local(), half.remote(), half.handshake);
  context_.wheel.arm(half.timer,
                     context_.now + context_.config.initial_rto * (1 << half.retransmits));
}

void Stack::forget(HalfOpen& half) {
  context_.table.erase(half);
  half_open_.destroy(&half);
}

// RFC 9293, 3.10.7.4, in TIME-WAIT; resets are ignored (RFC 1337).
bool Stack::input_time_wait(TimeWait& t, const Header& h, uint32_t size) {
  if (h.has(kRst)) return true;
  if (t.reusable_by(h) && acceptor_of(t.local()) != nullptr) {
    ++context_.counters.time_wait_reused;
    context_.time_waits.remove(t);
    return false;
  }
  const uint32_t length = size + (h.has(kFin) ? 1 : 0);
  if (length == 0 && !h.has(kSyn)) return true;
  const bool last_fin = h.has(kFin) && h.seq + length == t.rcv_nxt;
  if (last_fin) {
    context_.time_waits.restart(t, context_.now + context_.config.time_wait);
  } else if (!context_.may_answer(t.answered)) {
    return true;
  }
  Header ack;
  ack.source_port = t.local().port;
  ack.destination_port = t.remote().port;
  ack.seq = t.snd_nxt;
  ack.ack = t.rcv_nxt;
  ack.flags = kAck;
  if (t.timestamps) {
    ack.options.timestamps = true;
    ack.options.ts_value = timestamp_clock(context_.now) + t.ts_offset;
    ack.options.ts_echo = t.ts_recent;
  }
  context_.send(t.local(), t.remote(), ack);
  return true;
}

void Stack::packet_too_big(const Endpoint& local, const Endpoint& remote, uint32_t seq,
                           uint32_t max_segment, Time now) {
  context_.now = now;
  Flow* flow = context_.table.find(local, remote);
  if (flow == nullptr || flow->kind() != Flow::Kind::kConnection ||
      !static_cast<Connection*>(flow)->path_shrank(seq, max_segment))
    ++context_.counters.icmp_ignored;
}

void Stack::unreachable(const Endpoint& local, const Endpoint& remote, uint32_t seq, Time now) {
  context_.now = now;
  Flow* flow = context_.table.find(local, remote);
  if (flow == nullptr || flow->kind() != Flow::Kind::kConnection ||
      !static_cast<Connection*>(flow)->unreachable(seq))
    ++context_.counters.icmp_ignored;
}

void Stack::reopen_windows() {
  for (int i = 0; i < kReopenedATurn && context_.memory.roomy(); ++i) {
    Connection* c = context_.withheld.pop_front();
    if (c == nullptr) return;
    c->memory_returned();
  }
}

void Stack::flush(Time now) {
  context_.now = now;
  context_.time_waits.expire(now);
  if (!context_.withheld.empty()) reopen_windows();
  List<Connection, Waiting> batch;
  batch.splice_back(context_.touched);
  while (Connection* c = batch.pop_front()) c->flush();
  while (Connection* c = context_.ended.pop_front()) {
    if (User* user = c->user()) user->on_closed(*c, c->reason_);
    connections_.destroy(c);
  }
  if (!context_.starved.empty() && !retry_timer_.armed())
    context_.wheel.arm(retry_timer_, now + kRetryAfter);
}

}  // namespace sluice::tcp
