#pragma once
// The counters of TLS, per worker: handshakes and their failures, alerts, records.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_TLS_STATS(X)                                                                                        \
  X(Gauge,   handshaking,           "handshakes under way now")                                                    \
  X(Gauge,   handshakes_away,       "handshakes that helper threads work on, or that wait for one of them")          \
  X(Counter, handshakes_full,       "handshakes with clients that were completed with a certificate")              \
  X(Counter, handshakes_resumed,    "handshakes with clients that were completed with a ticket")                   \
  X(Counter, pod_handshakes,        "handshakes with pods that were completed")                                    \
  X(Counter, pod_handshakes_failed, "handshakes with pods that failed; the log and `sluicectl pods` have the reasons") \
  X(Counter, failed_protocol,       "handshakes refused: ALPN without a protocol of Sluice")                       \
  X(Counter, failed_name,           "handshakes refused: a server name that no certificate covers")                \
  X(Counter, failed_version,        "handshakes refused: no common version of TLS")                                \
  X(Counter, failed_cipher,         "handshakes refused: no common cipher, group or signature algorithm")          \
  X(Counter, failed_certificate,    "handshakes refused: no certificate of the peer, or one that does not verify") \
  X(Counter, failed_alert,          "handshakes that the peer ended by an alert")                                  \
  X(Counter, failed_closed,         "handshakes whose peer closed or reset the connection")                        \
  X(Counter, failed_timeout,        "handshakes not complete in time")                                             \
  X(Counter, failed_size,           "handshakes refused: too many bytes before the end of the handshake")          \
  X(Counter, failed_waiting,        "handshakes refused: too many waited for a helper thread")                       \
  X(Counter, failed_other,          "handshakes that failed otherwise: bytes that are not TLS, or broken messages") \
  X(Counter, alerts_in,             "alerts received, close_notify included")                                      \
  X(Counter, alerts_out,            "alerts sent, close_notify included")                                          \
  X(Counter, records_in,            "records received, those of handshakes included")                              \
  X(Counter, records_out,           "records sent, those of handshakes included")                                  \
  X(Counter, truncated,             "connections whose peer ended them without close_notify")                      \
  X(Counter, broken,                "established connections ended: a record or message that TLS forbids")         \
  X(Counter, misdirected,           "requests answered with 421: their host has another certificate or rule")      \
  X(Counter, guard_renegotiation,   "connections ended: the peer wanted to negotiate again")                       \
  X(Counter, guard_key_updates,     "connections ended: too many KeyUpdate")                                       \
  X(Counter, guard_empty_records,   "connections ended: too many records without a byte")                          \
  X(Counter, guard_tiny_records,    "connections ended: too many records of a few bytes")                          \
  X(Counter, guard_handshake_records, "connections ended: a handshake in too many records")                         \
  X(Counter, guard_warning_alerts,  "connections ended: too many warning alerts")                                  \
  X(Counter, guard_pod_tickets,     "connections to pods ended: too many session tickets")                          \
  X(Counter, guard_record_timeout,  "connections ended: a record that began and did not end in time")                \
  X(Counter, memory_refusals,       "connections reset for want of buffers")
// clang-format on

struct Tls {
  SLUICE_STATS_TABLE(SLUICE_TLS_STATS)
};

}  // namespace sluice::stats
