#include "admin/report_guards.h"

#include <string>

#include <fmt/format.h>
#include <boost/json/array.hpp>

#include "http/origin.h"
#include "stats/neighbours.h"
#include "tcp/config.h"

namespace sluice::admin {
namespace json = boost::json;
namespace {

using config::Snapshot;
using stats::Counter;
using stats::Http1;
using stats::Http2;
using stats::Relay;
using stats::Splice;
using stats::Tcp;
using stats::Tls;

enum class Action {
  kErrorAndClose,
  kCalm,
  kCalmOrStream,
  kError,
  kMove,
  kReset,
  kClose,
  kResetStream,
  kAnswer,
  kIsolate,
  kWait,
  kDrop
};

std::string_view text_of(Action a) {
  switch (a) {
    case Action::kErrorAndClose:
      return "answer with an error, and close";
    case Action::kCalm:
      return "GOAWAY ENHANCE_YOUR_CALM";
    case Action::kCalmOrStream:
      return "GOAWAY ENHANCE_YOUR_CALM; of a pod, reset the stream";
    case Action::kError:
      return "GOAWAY";
    case Action::kMove:
      return "GOAWAY, and calls go on";
    case Action::kReset:
      return "reset the connection";
    case Action::kClose:
      return "close the connection";
    case Action::kResetStream:
      return "reset the stream";
    case Action::kAnswer:
      return "refuse the stream";
    case Action::kIsolate:
      return "a connection of its own to the pod";
    case Action::kWait:
      return "wait";
    case Action::kDrop:
      return "go on";
  }
  return "";
}

struct Row {
  std::string_view name;
  uint64_t (*count)(const stats::Worker&);
  std::string (*limit)(const Snapshot&);
  Action action;
  std::string_view against;
};

template <Counter Http1::*kCounter>
uint64_t http1(const stats::Worker& w) {
  return (w.http1.*kCounter).get();
}
template <Counter Http2::*kCounter>
uint64_t http2(const stats::Worker& w) {
  return (w.http2.*kCounter).get();
}
template <Counter Relay::*kCounter>
uint64_t relay(const stats::Worker& w) {
  return (w.relay.*kCounter).get();
}
template <Counter Tcp::*kCounter>
uint64_t tcp(const stats::Worker& w) {
  return (w.tcp.*kCounter).get();
}
template <Counter Tls::*kCounter>
uint64_t tls(const stats::Worker& w) {
  return (w.tls.*kCounter).get();
}
template <Counter Splice::*kCounter>
uint64_t splice(const stats::Worker& w) {
  return (w.splice.*kCounter).get();
}
template <config::Rate config::Guards::*kRate>
std::string rate(const Snapshot& s) {
  const config::Rate& r = s.guards.*kRate;
  if (r.burst == 0) return "off";
  return fmt::format("{} + {}/s", r.burst, r.per_second);
}
template <uint32_t config::Guards::*kNumber>
std::string number(const Snapshot& s) {
  return std::to_string(s.guards.*kNumber);
}
std::string seconds(Duration d) {
  return fmt::format("{} s", d / 1s);
}
template <Duration config::Guards::*kTime>
std::string time(const Snapshot& s) {
  const Duration d = s.guards.*kTime;
  return d == Duration::zero() ? "off" : seconds(d);
}

std::string min_rate(const Snapshot& s) {
  const config::Guards& g = s.guards;
  if (g.min_rate == 0) return "off";
  return fmt::format("{} bytes/s, {} late", g.min_rate, seconds(g.min_rate_grace));
}

using G = config::Guards;

// TCP's own guards have no keys: the RFCs define them.
const Row kRows[] = {
    {"rapid_reset", http2<&Http2::guard_rapid_reset>, rate<&G::resets>, Action::kCalm,
     "rapid reset, CVE-2023-44487"},
    {"address_resets", http2<&Http2::address_allowances>,
     [](const Snapshot& s) {
       const config::Rate& r = s.guards.resets;
       if (r.burst == 0) return std::string("off");
       using http::Origin;
       return fmt::format("{} + {}/s", uint64_t{r.burst} * Origin::kBursts,
                          uint64_t{r.per_second} * Origin::kRates);
     },
     Action::kCalm, "rapid reset by reconnecting; an address has so much, a new connection little"},
    {"early_ends", http2<&Http2::guard_early_ends>,
     [](const Snapshot& s) { return std::to_string(s.limits.concurrent_streams); }, Action::kAnswer,
     "rapid reset within its limits: fewer streams at once"},
    {"provoked_reset", http2<&Http2::guard_provoked_reset>, rate<&G::provoked_resets>,
     Action::kCalm, "MadeYouReset, CVE-2025-8671; requests over concurrent_streams"},
    {"pod_resets", relay<&Relay::isolated_clients>, rate<&G::pod_resets>, Action::kIsolate,
     "rapid reset of pods by way of Sluice"},
    {"window_share", http2<&Http2::window_shares>,
     [](const Snapshot&) { return std::string("5/4 of what is left"); }, Action::kWait,
     "uploads that a pod does not read"},
    {"place_share", relay<&Relay::place_shares>,
     [](const Snapshot&) { return std::string("an equal share"); }, Action::kResetStream,
     "calls that hang, and take all places of the pods"},
    {"queue_share", relay<&Relay::queue_shares>,
     [](const Snapshot& s) { return std::to_string(s.limits.queued_streams); }, Action::kAnswer,
     "calls that take all of queued_streams"},
    {"pod_header_list", relay<&Relay::pod_header_limits>,
     [](const Snapshot&) { return std::string("the pod's"); }, Action::kAnswer,
     "fields for which a pod ends its connection"},
    {"suspect", relay<&Relay::suspect_tries>,
     [](const Snapshot&) { return std::string("one more try"); }, Action::kIsolate,
     "requests for which pods end connections"},
    {"continuation", http2<&Http2::guard_continuation>, number<&G::continuations>,
     Action::kCalmOrStream, "CONTINUATION flood, CVE-2024-27316"},
    {"field_block", http2<&Http2::guard_field_block>, number<&G::field_block_size>,
     Action::kCalmOrStream, "endless field blocks"},
    {"settings", http2<&Http2::guard_settings>, rate<&G::settings>, Action::kCalm,
     "SETTINGS flood, CVE-2019-9515"},
    {"ping", http2<&Http2::guard_ping>, rate<&G::pings>, Action::kCalm,
     "PING flood, CVE-2019-9512"},
    {"priority", http2<&Http2::guard_priority>, rate<&G::priorities>, Action::kCalm,
     "PRIORITY flood, resource loop, CVE-2019-9513"},
    {"window_update", http2<&Http2::guard_window_update>, rate<&G::window_updates>, Action::kCalm,
     "WINDOW_UPDATE flood"},
    {"unknown_frame", http2<&Http2::guard_unknown_frame>, rate<&G::unknown_frames>, Action::kCalm,
     "floods of frames that are discarded"},
    {"empty_data", http2<&Http2::guard_empty_data>, rate<&G::empty_data>, Action::kCalmOrStream,
     "empty frames flood, CVE-2019-9518"},
    {"tiny_data", http2<&Http2::guard_tiny_data>, rate<&G::tiny_data>, Action::kCalmOrStream,
     "one byte per frame"},
    {"padding", http2<&Http2::guard_padding>, rate<&G::padding>, Action::kCalmOrStream,
     "padding abuse"},
    {"dribble", http2<&Http2::guard_dribble>, rate<&G::dribble>, Action::kCalmOrStream,
     "data dribble, CVE-2019-9511"},
    {"table_size", http2<&Http2::guard_table_size>, rate<&G::table_sizes>, Action::kCalm,
     "HPACK table-size churn"},
    {"unread_answers", http2<&Http2::guard_unread_answers>, number<&G::unread_answers>,
     Action::kCalm, "queued ACKs and resets, CVE-2019-9514"},
    {"frame_size", http2<&Http2::guard_frame_size>,
     [](const Snapshot& s) { return std::to_string(s.limits.frame_size); }, Action::kError,
     "giant frames"},
    {"header_list", http2<&Http2::header_list_too_big>,
     [](const Snapshot& s) {
       return fmt::format("{} bytes, {} fields", s.limits.header_list_size, s.guards.header_fields);
     },
     Action::kAnswer, "HPACK bomb, CVE-2016-1544; large and many fields"},
    {"empty_name", http2<&Http2::guard_empty_name>, rate<&G::empty_names>, Action::kCalm,
     "zero-length headers leak, CVE-2019-9516; each is reset"},
    {"broken_answer", http2<&Http2::broken_answers>,
     [](const Snapshot&) { return std::string("-"); }, Action::kResetStream,
     "answers of pods that RFC 9113 forbids"},
    {"streams", http2<&Http2::guard_streams>,
     [](const Snapshot& s) { return std::to_string(s.limits.concurrent_streams); }, Action::kAnswer,
     "more streams than were agreed"},
    {"stream_ids", relay<&Relay::guard_stream_ids>,
     [](const Snapshot& s) { return std::to_string(s.limits.max_connection_streams); },
     Action::kMove, "stream-id exhaustion"},
    {"preface", http2<&Http2::guard_preface>, time<&G::preface_timeout>, Action::kCalm,
     "silent connections"},
    {"settings_ack", http2<&Http2::guard_settings_ack>, time<&G::settings_timeout>, Action::kMove,
     "SETTINGS never acknowledged"},
    {"slow_headers", http2<&Http2::guard_slow_headers>, time<&G::headers_timeout>, Action::kCalm,
     "slow headers (Slowloris)"},
    {"slow_read", http2<&Http2::guard_slow_read>, time<&G::stall_timeout>, Action::kReset,
     "slow read, internal data buffering, CVE-2019-9517"},
    {"stalled_stream", http2<&Http2::guard_stalled_stream>, time<&G::stall_timeout>,
     Action::kResetStream, "windows held at zero"},
    {"http1_head_size", http1<&Http1::guard_head_size>,
     [](const Snapshot& s) {
       return fmt::format("{} bytes, {} fields", s.limits.header_list_size, s.guards.header_fields);
     },
     Action::kErrorAndClose, "HTTP/1.1: endless request lines and heads"},
    {"http1_no_request", http1<&Http1::guard_no_request>, time<&G::preface_timeout>,
     Action::kErrorAndClose, "HTTP/1.1: silent connections"},
    {"http1_slow_head", http1<&Http1::guard_slow_head>, time<&G::headers_timeout>,
     Action::kErrorAndClose, "HTTP/1.1: slow headers (Slowloris)"},
    {"http1_slow_body", http1<&Http1::guard_slow_body>, time<&G::stall_timeout>,
     Action::kErrorAndClose, "HTTP/1.1: slow bodies (R-U-Dead-Yet)"},
    {"http1_slow_read", http1<&Http1::guard_slow_read>, time<&G::stall_timeout>, Action::kReset,
     "HTTP/1.1: slow read"},
    {"http1_body_rate", http1<&Http1::guard_body_rate>, min_rate, Action::kErrorAndClose,
     "HTTP/1.1: bodies of a byte at a time (R-U-Dead-Yet)"},
    {"http1_read_rate", http1<&Http1::guard_read_rate>, min_rate, Action::kReset,
     "HTTP/1.1: answers that are read a byte at a time"},
    {"http1_tiny_chunks", http1<&Http1::guard_tiny_chunks>, rate<&G::tiny_data>,
     Action::kErrorAndClose, "HTTP/1.1: one byte per chunk"},
    {"http1_pipelined", http1<&Http1::pipelined_waits>,
     [](const Snapshot& s) { return fmt::format("{} bytes", s.limits.receive_buffer); },
     Action::kWait, "HTTP/1.1: requests that are not answered yet"},
    {"connection_requests", relay<&Relay::client_count_goaways>,
     [](const Snapshot& s) { return std::to_string(s.limits.max_connection_streams); },
     Action::kMove, "connections that never end; HTTP/1.1 says Connection: close"},
    {"connection_age", relay<&Relay::client_age_goaways>,
     [](const Snapshot& s) {
       const Duration d = s.timeouts.max_connection_age;
       return d == Duration::zero() ? std::string("off") : seconds(d);
     },
     Action::kMove, "connections that never end; HTTP/1.1 says Connection: close"},
    {"closing", relay<&Relay::guard_closing>, time<&G::closing_timeout>, Action::kReset,
     "windows held at zero behind GOAWAY and FIN"},
    {"discarded", relay<&Relay::guard_discarded>, number<&G::discarded>, Action::kReset,
     "clients that do not hear their end"},
    {"memory", relay<&Relay::guard_memory>,
     [](const Snapshot& s) { return fmt::format("{} buffers", s.startup.dpdk.hold_mbufs); },
     Action::kReset, "many stalled streams at once; the largest holder goes"},
    {"heap", http2<&Http2::guard_heap>,
     [](const Snapshot& s) {
       return fmt::format("{} a client, {} in all", s.limits.client_heap, s.limits.calls_heap);
     },
     Action::kAnswer, "hanging calls with large fields; HPACK turns 16 bytes into 16 KB"},
    {"leftovers", relay<&Relay::guard_leftovers>,
     [](const Snapshot& s) { return std::to_string(s.limits.concurrent_streams); },
     Action::kResetStream, "uploads left behind at pods that read slowly"},
    {"handshake_timeout", tls<&Tls::failed_timeout>, time<&G::handshake_timeout>, Action::kClose,
     "clients that do not complete TLS's handshake"},
    {"handshake_size", tls<&Tls::failed_size>, number<&G::handshake_size>, Action::kClose,
     "endless ClientHellos and certificates"},
    {"handshake_records", tls<&Tls::guard_handshake_records>, number<&G::handshake_records>,
     Action::kClose, "ClientHellos in very many records"},
    {"waiting_handshakes", tls<&Tls::failed_waiting>, number<&G::waiting_handshakes>,
     Action::kClose, "more handshakes than the helper threads can make"},
    {"renegotiation", tls<&Tls::guard_renegotiation>,
     [](const Snapshot&) { return std::string("none is allowed"); }, Action::kClose,
     "renegotiation flood, CVE-2011-1473"},
    {"key_updates", tls<&Tls::guard_key_updates>, rate<&G::key_updates>, Action::kClose,
     "KeyUpdate flood"},
    {"empty_records", tls<&Tls::guard_empty_records>, rate<&G::empty_records>, Action::kClose,
     "TLS records without content"},
    {"tiny_records", tls<&Tls::guard_tiny_records>, rate<&G::tiny_records>, Action::kClose,
     "TLS records of a few bytes"},
    {"warning_alerts", tls<&Tls::guard_warning_alerts>, rate<&G::warning_alerts>, Action::kClose,
     "warning alert flood, CVE-2016-8610"},
    {"pod_tickets", tls<&Tls::guard_pod_tickets>, rate<&G::pod_tickets>, Action::kClose,
     "session tickets of a pod without end"},
    {"record_timeout", tls<&Tls::guard_record_timeout>, time<&G::record_timeout>, Action::kClose,
     "TLS records that begin and do not end"},
    {"neighbours",
     [](const stats::Worker& w) {
       uint64_t n = 0;
       for (size_t p = 0; p < stats::kMaxPorts; ++p) n += w.port(p).neighbours_evicted.get();
       return n;
     },
     [](const Snapshot&) { return fmt::format("{} a port", stats::kMaxStrangers); }, Action::kDrop,
     "neighbour cache exhaustion, RFC 6583: packets from addresses that nobody has"},
    {"hello_timeout", splice<&Splice::guard_hello_timeout>, time<&G::handshake_timeout>,
     Action::kReset, "clients of protocol = \"tls\" that send no ClientHello"},
    {"hello_size", splice<&Splice::guard_hello_size>, number<&G::handshake_size>, Action::kReset,
     "a ClientHello without end"},
    {"relayed_memory", splice<&Splice::guard_memory>,
     [](const Snapshot& s) { return fmt::format("{} buffers", s.startup.dpdk.hold_mbufs); },
     Action::kReset, "relayed connections whose peers take nothing, while memory is short"},
    {"syn_cookies", tcp<&Tcp::cookies_sent>,
     [](const Snapshot& s) { return std::to_string(s.startup.memory.half_open); }, Action::kDrop,
     "SYN flood"},
    {"bad_cookies", tcp<&Tcp::cookies_bad>, [](const Snapshot&) { return std::string("-"); },
     Action::kDrop, "forged handshakes"},
    {"blind_reset", tcp<&Tcp::resets_ignored>, [](const Snapshot&) { return std::string("-"); },
     Action::kDrop, "blind resets, CVE-2004-0230, RFC 5961"},
    {"challenge_limit", tcp<&Tcp::challenge_limited>,
     [](const Snapshot&) { return std::string("-"); }, Action::kDrop,
     "challenge ACK counting, CVE-2016-5696"},
    {"connections", tcp<&Tcp::connections_evicted>,
     [](const Snapshot& s) { return std::to_string(s.startup.memory.connections); }, Action::kReset,
     "a table full of idle clients; the address with the most loses its idle ones"},
    {"connections_per_address", tcp<&Tcp::address_limited>,
     [](const Snapshot& s) {
       const uint32_t n = s.limits.connections_per_address;
       return n == 0 ? std::string("off") : std::to_string(n);
     },
     Action::kReset, "one address with most of the connections"},
    {"tiny_mss", tcp<&Tcp::tiny_mss>, [](const Snapshot&) { return std::string("-"); },
     Action::kDrop, "tiny segments, CVE-2019-11479"},
    {"bad_sack", tcp<&Tcp::bad_sacks>, [](const Snapshot&) { return std::string("-"); },
     Action::kDrop, "forged SACK blocks, CVE-2019-11477"},
    {"sack_walk", tcp<&Tcp::sack_walks_cut>, [](const Snapshot&) { return std::string("-"); },
     Action::kDrop, "SACK blocks that cost a walk of all that is in flight, CVE-2019-11478"},
    {"out_of_order", tcp<&Tcp::out_of_order_dropped>,
     [](const Snapshot&) { return std::string("-"); }, Action::kDrop,
     "segments ahead of endless gaps, CVE-2018-5390"},
    {"out_of_order_age", tcp<&Tcp::out_of_order_expired>,
     [](const Snapshot&) { return seconds(tcp::Config{}.out_of_order_age); }, Action::kDrop,
     "gaps that are never closed"},
    {"out_of_order_memory", tcp<&Tcp::out_of_order_shed>,
     [](const Snapshot& s) { return fmt::format("{} buffers", s.startup.dpdk.hold_mbufs); },
     Action::kDrop, "many gaps at once; while memory is short, what is behind them goes first"},
};

}  // namespace

json::object report_guards(const Snapshot& current, const Ledger& ledger) {
  json::array rows;
  for (const Row& r : kRows) {
    uint64_t count = 0;
    for (const stats::Worker* w : ledger.workers()) count += r.count(*w);
    rows.push_back(json::object{{"guard", r.name},
                                {"count", count},
                                {"limit", r.limit(current)},
                                {"action", text_of(r.action)},
                                {"against", r.against}});
  }
  return {{"guards", std::move(rows)}};
}

}  // namespace sluice::admin
