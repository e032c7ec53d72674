#pragma once
// [guards]: what a peer may do to an HTTP/2 connection that costs Sluice more than the peer. Each
// guard has a counter (stats/http2.h), and `sluicectl guards` shows them with these numbers. A
// reload holds for live connections too, at the latest when they have used up what they were
// allowed before: an operator can answer an attack under way.

#include <cstdint>

#include "base/chrono.h"

namespace sluice::config {

// What a connection may do at once, and how much of that grows back in a second.
struct Rate {
  uint32_t burst = 0;  // 0: the guard is off
  uint32_t per_second = 0;

  bool operator==(const Rate&) const = default;
};

struct Guards {
  // Each of these ends the connection with ENHANCE_YOUR_CALM. Work that is done for the peer earns
  // more (http2/allowance.h), so that busy connections of good clients never come near.

  // RST_STREAM from a client (CVE-2023-44487); burst and rate are nghttp2's.
  Rate resets{1'000, 33};
  // Streams that a client makes us reset or refuse (CVE-2025-8671).
  Rate provoked_resets{1'000, 33};
  // RST_STREAM toward a pod on one connection, whatever they are for: 190 in 30 s, below Netty's
  // 200, beyond which a pod closes the connection under all its calls (nghttp2's are 1000, and 33 a
  // second). What is beyond waits, and the connection is replaced; the client that causes most of
  // them gets connections of its own.
  Rate pod_resets{100, 3};
  // SETTINGS (CVE-2019-9515). Clients that estimate bandwidth send some in a connection's life.
  Rate settings{100, 10};
  // PING (CVE-2019-9512). grpc-go sends one a round trip while it estimates bandwidth, which on a
  // fast network is thousands a second: what it gets earns them.
  Rate pings{1'000, 100};
  // PRIORITY and PRIORITY_UPDATE (CVE-2019-9513), which mean nothing to us.
  Rate priorities{100, 10};
  // WINDOW_UPDATE; Envoy, too, lets 20 for a DATA frame that was sent pass.
  Rate window_updates{1'000, 100};
  // Frames of unknown types, which have to be discarded (RFC 9113, 5.5). Browsers grease.
  Rate unknown_frames{100, 10};
  // DATA that neither carries a byte nor ends its stream (CVE-2019-9518).
  Rate empty_data{100, 10};
  // DATA of less than kTinyData bytes that does not end its stream: one byte per frame.
  Rate tiny_data{10'000, 1'000};
  // DATA of less than kTinyData bytes, or HEADERS, with more padding than content.
  Rate padding{10'000, 1'000};
  // DATA that a tiny window makes us cut into frames below kTinyData bytes (CVE-2019-9511). Toward
  // a pod the burst counts alone, for each stream, and the stream is reset.
  Rate dribble{1'000, 100};
  // Changes of HPACK's dynamic table, each of which may throw it away: one or two follow a SETTINGS
  // of ours (RFC 7541, 4.2), and we send few.
  Rate table_sizes{100, 10};
  // Requests and trailers of a client with a field that has no name (CVE-2019-9516). Each is reset,
  // being malformed; nobody sends them by mistake for long.
  Rate empty_names{100, 10};

  uint32_t continuations = 8;          // CONTINUATION frames in one field block (CVE-2024-27316)
  uint32_t field_block_size = 65'536;  // bytes of one field block as it is received
  uint32_t header_fields = 256;        // fields in one section; more is a list that is too large
  uint32_t settings_entries = 32;      // settings in one frame
  // Bytes of SETTINGS and PING ACKs, RST_STREAM and WINDOW_UPDATE (CVE-2019-9514).
  uint32_t unread_answers = 65'536;
  // Bytes of a client that are read and dropped behind our GOAWAY and FIN, so that it hears them
  // before a reset, though it was still sending: four times the window that TCP begins with.
  uint32_t discarded = 262'144;

  // In whole seconds, since connections are looked at once a second; zero: off.
  Duration preface_timeout = 10s;   // from the connection's begin to the client's SETTINGS
  Duration settings_timeout = 30s;  // to the ACK of ours (RFC 9113, 6.5.3)
  Duration headers_timeout = 10s;   // from a frame's or field block's first byte to its last
  Duration stall_timeout = 5min;    // data waits, and the peer takes none of it (CVE-2019-9517)
  // Our FIN waits, and the peer takes less than any line carries of what is in front of it. Half
  // of what TCP bears from a peer that has vanished; nobody waits for such a connection any more.
  // TCP measures it, and not in whole seconds (tcp::Config::closing_timeout).
  Duration closing_timeout = 30s;

  bool operator==(const Guards&) const = default;
};

inline constexpr Guards kDefaultGuards;

// Bytes of DATA below which it is not worth its frame: less than the prefix of a gRPC message.
inline constexpr uint32_t kTinyData = 5;

}  // namespace sluice::config
