#pragma once
// The counters of HTTP/2, per worker: frames, field blocks, and the guards of a connection, each of
// which has a counter of its own.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_HTTP2_STATS(X)                                                                                     \
  X(Counter, frames_in,            "frames received")                                                             \
  X(Counter, frames_out,           "frames sent")                                                                 \
  X(Counter, streams_opened,       "streams that clients opened")                                                 \
  X(Counter, streams_refused,      "streams refused: over concurrent_streams, or draining")                       \
  X(Counter, resets_in,            "RST_STREAM received")                                                         \
  X(Counter, resets_out,           "RST_STREAM sent")                                                             \
  X(Counter, resets_put_off,       "RST_STREAM to pods that had to wait for pod_resets")                          \
  X(Counter, goaways_in,           "GOAWAY received")                                                             \
  X(Counter, goaways_out,          "GOAWAY sent")                                                                 \
  X(Counter, connection_errors,    "connections ended for a protocol error")                                      \
  X(Counter, http1_requests,       "connections that spoke HTTP/1, answered with 505")                            \
  X(Counter, tls_hellos,           "connections that spoke TLS, answered with an alert")                          \
  X(Counter, stream_errors,        "streams ended for a protocol error")                                          \
  X(Counter, malformed_requests,   "field sections that RFC 9113, 8 forbids")                                     \
  X(Counter, broken_answers,       "streams of pods ended for what RFC 9113 forbids")                             \
  X(Counter, connects_refused,     "requests to CONNECT answered with 501: connect = \"refuse\", or a :protocol other than websocket") \
  X(Counter, header_list_too_big,  "field sections over header_list_size")                                        \
  X(Counter, hpack_blocks_in,      "field blocks decoded")                                                        \
  X(Counter, hpack_fields_in,      "field lines decoded")                                                         \
  X(Counter, hpack_indexed_in,     "of these, by an index instead of a literal")                                  \
  X(Counter, hpack_blocks_out,     "field blocks encoded")                                                        \
  X(Counter, hpack_fields_out,     "field lines encoded")                                                         \
  X(Counter, hpack_indexed_out,    "of these, by an index instead of a literal")                                  \
  X(Counter, hpack_timed_in,       "field blocks whose decoding was timed: one in 256")                           \
  X(Counter, hpack_cycles_in,      "cycles that these took")                                                      \
  X(Counter, hpack_timed_out,      "field blocks whose encoding was timed: one in 256")                           \
  X(Counter, hpack_cycles_out,     "cycles that these took")                                                      \
  X(Gauge,   hpack_fields_shared,  "fields that connections' dynamic tables share now")                           \
  X(Counter, hpack_table_full,     "fields that stayed literals: no room to share them")                          \
  X(Counter, hpack_share_full,     "fields that stayed literals: their connection had its share")                 \
  X(Counter, hpack_given_back,     "idle connections whose fields made room for others")                          \
  X(Counter, windows_grown,        "times that the window of a fast upload or download grew")                     \
  X(Counter, window_shares,        "times that DATA waited: its client had its share of a pod's window")          \
  X(Counter, memory_refusals,      "streams that failed for want of buffers")                                     \
  X(Counter, guard_heap,           "calls refused, connections ended: too much heap for their calls")             \
  X(Counter, guard_rapid_reset,    "connections ended: streams reset too often")                                  \
  X(Counter, guard_early_ends,     "streams refused: those of the client nearly all end early")                   \
  X(Counter, address_allowances,   "connections that began with the rest of their address's resets")              \
  X(Counter, guard_provoked_reset, "connections ended: made us reset streams too often")                          \
  X(Counter, guard_settings,       "connections ended: too many SETTINGS or GOAWAY")                              \
  X(Counter, guard_ping,           "connections ended: too many PING")                                            \
  X(Counter, guard_priority,       "connections ended: too many PRIORITY")                                        \
  X(Counter, guard_window_update,  "connections ended: too many WINDOW_UPDATE")                                   \
  X(Counter, guard_unknown_frame,  "connections ended: too many frames of unknown types")                         \
  X(Counter, guard_empty_data,     "connections ended, of pods streams reset: too many empty DATA frames")        \
  X(Counter, guard_tiny_data,      "connections ended, of pods streams reset: DATA in frames of a few bytes")     \
  X(Counter, guard_padding,        "connections ended, of pods streams reset: more padding than content")         \
  X(Counter, guard_dribble,        "connections ended, of pods streams reset: windows of a few bytes")            \
  X(Counter, guard_table_size,     "connections ended: HPACK's table changed too often")                          \
  X(Counter, guard_continuation,   "connections ended, of pods streams reset: too many CONTINUATION")             \
  X(Counter, guard_field_block,    "connections ended, of pods streams reset: field block too large to be read")  \
  X(Counter, guard_frame_size,     "connections ended: frame larger than was agreed")                             \
  X(Counter, guard_unread_answers, "connections ended: do not read the answers they provoke")                     \
  X(Counter, guard_preface,        "connections ended: no preface and SETTINGS in time")                          \
  X(Counter, guard_settings_ack,   "connections ended: SETTINGS not acknowledged in time")                        \
  X(Counter, guard_slow_headers,   "connections ended: frame or field block not complete in time")                \
  X(Counter, guard_slow_read,      "connections reset: took nothing of what waits for them")                      \
  X(Counter, guard_stalled_stream, "streams reset: their window stayed shut")                                     \
  X(Counter, guard_empty_name,     "sections with a field without a name")                                        \
  X(Counter, guard_streams,        "streams refused: over concurrent_streams")
// clang-format on

struct Http2 {
  SLUICE_STATS_TABLE(SLUICE_HTTP2_STATS)
};

}  // namespace sluice::stats
