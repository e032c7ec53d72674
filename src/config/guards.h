#pragma once
// [guards]: limits on the behaviour of a peer that costs Sluice more than the peer. Each guard has
// a counter (stats/http2.h, stats/http1.h), and `sluicectl guards` shows the guards with these
// numbers. A reload applies to live connections too, at the latest when they have used up their
// earlier allowance. So an operator can answer an attack under way.

#include <cstdint>

#include "base/chrono.h"

namespace sluice::config {

// The number that a connection may do at once, and the number that grows back in a second.
struct Rate {
  uint32_t burst = 0;  // 0: the guard is off
  uint32_t per_second = 0;

  bool operator==(const Rate&) const = default;
};

struct Guards {
  // Each of these guards ends the connection with ENHANCE_YOUR_CALM. Work that is done for the peer
  // earns more (http2/allowance.h), so that busy connections of good clients never come near the
  // limit.

  // RST_STREAM from a client (CVE-2023-44487). Burst and rate are those of nghttp2.
  Rate resets{1'000, 33};
  // Streams that a client causes Sluice to reset or refuse (CVE-2025-8671).
  Rate provoked_resets{1'000, 33};
  // RST_STREAM toward a pod on one connection, for any reason: 190 in 30 s. That is below Netty's
  // 200, beyond which a pod closes the connection under all its calls (nghttp2 has 1000, and 33 a
  // second). Further resets wait, and the connection is replaced. The client that causes most of
  // them gets connections of its own.
  Rate pod_resets{100, 3};
  // SETTINGS (CVE-2019-9515). Clients that estimate bandwidth send some in a connection's life.
  Rate settings{100, 10};
  // PING (CVE-2019-9512). grpc-go sends one a round trip while it estimates bandwidth, which on a
  // fast network is thousands a second. The frames that grpc-go receives earn the PINGs.
  Rate pings{1'000, 100};
  // PRIORITY and PRIORITY_UPDATE (CVE-2019-9513), which Sluice ignores.
  Rate priorities{100, 10};
  // WINDOW_UPDATE. 20 may pass for each DATA frame that was sent, as in Envoy.
  Rate window_updates{1'000, 100};
  // Frames of unknown types, which have to be discarded (RFC 9113, 5.5). Browsers send some
  // (GREASE).
  Rate unknown_frames{100, 10};
  // DATA that neither carries a byte nor ends its stream (CVE-2019-9518).
  Rate empty_data{100, 10};
  // DATA of less than kTinyData bytes that does not end its stream: one byte per frame. Chunks of
  // HTTP/1.1 of that size, too.
  Rate tiny_data{10'000, 1'000};
  // DATA of less than kTinyData bytes, or HEADERS, with more padding than content.
  Rate padding{10'000, 1'000};
  // DATA that a tiny window forces Sluice to cut into frames below kTinyData bytes (CVE-2019-9511).
  // Toward a pod only the burst counts, for each stream, and the stream is reset.
  Rate dribble{1'000, 100};
  // Changes of the size of HPACK's dynamic table, each of which may empty it. One or two follow a
  // SETTINGS of Sluice (RFC 7541, 4.2), and Sluice sends few.
  Rate table_sizes{100, 10};
  // Requests and trailers of a client with a field that has no name (CVE-2019-9516). Each is
  // malformed, and its stream is reset. Nobody sends many of them by mistake.
  Rate empty_names{100, 10};

  uint32_t continuations = 8;          // CONTINUATION frames in one field block (CVE-2024-27316)
  uint32_t field_block_size = 65'536;  // bytes of one field block, as received
  // Fields in one section; a section with more is a list that is too large.
  uint32_t header_fields = 256;
  uint32_t settings_entries = 32;  // settings in one frame
  // Bytes of SETTINGS and PING ACKs, RST_STREAM and WINDOW_UPDATE (CVE-2019-9514).
  uint32_t unread_answers = 65'536;
  // Bytes of a client that are read and dropped after Sluice's GOAWAY and FIN. So a client that was
  // still sending receives the GOAWAY before a reset. Four times the window that TCP begins with.
  uint32_t discarded = 262'144;

  // In whole seconds, since connections are checked once a second. Zero: off.
  Duration preface_timeout = 10s;   // from the connection's begin to the client's SETTINGS
  Duration settings_timeout = 30s;  // to the ACK of Sluice's SETTINGS (RFC 9113, 6.5.3)
  Duration headers_timeout = 10s;   // from a frame's or field block's first byte to its last
  Duration stall_timeout = 5min;    // data waits, and the peer takes none of it (CVE-2019-9517)
  // HTTP/1.1, whose connections carry one exchange: bytes a second of a client's body that has
  // begun, and of an answer that the client reads. Kestrel has the same rate. Zero: off.
  uint32_t min_rate = 240;
  // How long a client may move nothing before it is too slow. A client that is faster does not earn
  // more. Whole seconds; as long as nginx waits for a byte (client_body_timeout).
  Duration min_rate_grace = 60s;
  // Sluice's FIN waits, and the peer takes the data before it more slowly than any line carries.
  // Half of the time that TCP waits for a peer that has vanished, since nobody waits for such a
  // connection any more. TCP measures this timeout, and not in whole seconds
  // (tcp::Config::closing_timeout).
  Duration closing_timeout = 30s;

  // TLS. From TCP's handshake to the end of TLS's; zero: off. Clients on slow paths need several
  // round trips, and a retransmission.
  Duration handshake_timeout = 10s;
  // Bytes of a client before the end of its handshake. A ClientHello with post-quantum key shares
  // has 1.8 KB; a client's certificates have some more.
  uint32_t handshake_size = 65'536;
  // Records of a client before the end of its handshake. A ClientHello is one or two records, and a
  // client's certificates are a few.
  uint32_t handshake_records = 1'024;
  // Handshakes of one worker at helper threads, those included that wait for one. With more, the
  // connections that begin one are closed. As many as a core signs in a second with RSA-2048: a
  // client waits no longer than that.
  uint32_t waiting_handshakes = 1'024;
  // KeyUpdate (RFC 8446, 4.6.3): two derivations of keys, and an answer. An honest peer sends one
  // after gigabytes.
  Rate key_updates{10, 1};
  // Records without a byte of content, which TLS allows.
  Rate empty_records{100, 10};
  // Records of less than kTinyRecord bytes. Their headers and tags cost more than they carry; a
  // WINDOW_UPDATE, the smallest frame that is common, has 13 bytes.
  Rate tiny_records{10'000, 1'000};
  // Alerts that end nothing: user_cancelled in TLS 1.3, other warnings in TLS 1.2.
  Rate warning_alerts{4, 1};
  // Session tickets (RFC 8446, 4.6.1) of a pod: two or three behind a handshake, and Sluice keeps
  // none.
  Rate pod_tickets{32, 1};
  // From a record's first byte to its last, while nobody but the peer is waited for; zero: off. A
  // whole record at `min_rate` takes 69 s.
  Duration record_timeout = 90s;

  bool operator==(const Guards&) const = default;
};

inline constexpr Guards kDefaultGuards;

// A DATA frame with fewer bytes is not worth its cost: less than the prefix of a gRPC message.
inline constexpr uint32_t kTinyData = 5;

// Bytes of plain content. No frame of HTTP/2 is shorter than its header of 9 bytes.
inline constexpr uint32_t kTinyRecord = 9;

}  // namespace sluice::config
