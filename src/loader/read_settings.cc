#include "loader/reading.h"

namespace sluice::loader {

namespace {

void read_guards(Table& t, config::Guards& g) {
  const auto rate = [&](std::string_view key, config::Rate& out) {
    if (auto r = t.table(key)) {
      r->integer("burst", out.burst, 0, 1 << 30);
      r->integer("per_second", out.per_second, 0, 1 << 30);
      r->finish();
    }
  };
  rate("resets", g.resets);
  rate("provoked_resets", g.provoked_resets);
  rate("pod_resets", g.pod_resets);
  rate("settings", g.settings);
  rate("pings", g.pings);
  rate("priorities", g.priorities);
  rate("window_updates", g.window_updates);
  rate("unknown_frames", g.unknown_frames);
  rate("empty_data", g.empty_data);
  rate("tiny_data", g.tiny_data);
  rate("padding", g.padding);
  rate("dribble", g.dribble);
  rate("table_sizes", g.table_sizes);
  rate("empty_names", g.empty_names);
  t.integer("continuations", g.continuations, 0, 1 << 20);
  t.integer("field_block_size", g.field_block_size, 1024, 1 << 24);
  t.integer("header_fields", g.header_fields, 16, 1 << 20);
  t.integer("settings_entries", g.settings_entries, 8, 1 << 20);
  t.integer("unread_answers", g.unread_answers, 1024, 1 << 30);
  t.integer("discarded", g.discarded, 0, 1 << 30);
  constexpr Duration kLong = 12h;
  t.duration("preface_timeout", g.preface_timeout, 0s, kLong);
  t.duration("settings_timeout", g.settings_timeout, 0s, kLong);
  t.duration("headers_timeout", g.headers_timeout, 0s, kLong);
  t.duration("stall_timeout", g.stall_timeout, 0s, kLong);
  t.integer("min_rate", g.min_rate, 0, 1 << 20);
  t.duration("min_rate_grace", g.min_rate_grace, 1s, kLong);
  t.duration("closing_timeout", g.closing_timeout, 0s, kLong);
  t.duration("handshake_timeout", g.handshake_timeout, 0s, kLong);
  t.duration("record_timeout", g.record_timeout, 0s, kLong);
  t.integer("handshake_size", g.handshake_size, 4096, 1 << 24);
  t.integer("handshake_records", g.handshake_records, 8, 1 << 20);
  t.integer("waiting_handshakes", g.waiting_handshakes, 1, 8192);
  rate("key_updates", g.key_updates);
  rate("empty_records", g.empty_records);
  rate("tiny_records", g.tiny_records);
  rate("warning_alerts", g.warning_alerts);
  rate("pod_tickets", g.pod_tickets);
}

}  // namespace

void read_settings(Table& root, Reading& reading) {
  constexpr Duration kLong = 24h;
  if (auto t = root.table("timeouts")) {
    config::Timeouts& o = reading.snapshot.timeouts;
    config::FlowTimeouts& flows = reading.snapshot.flow_timeouts;
    t->duration("flow_opening_timeout", flows.opening, 1s, kLong);
    t->duration("flow_established_timeout", flows.established, 1s, kLong);
    t->duration("flow_closing_timeout", flows.closing, 1s, kLong);
    t->duration("flow_udp_timeout", flows.udp, 1s, kLong);
    t->duration("connect_timeout", o.connect, 1ms, kLong);
    t->duration("queue_timeout", o.queue, 0s, kLong);
    t->duration("timeout", o.call, 0s, kLong);
    t->duration("stream_idle_timeout", o.stream_idle, 0s, kLong);
    t->duration("max_stream_age", o.max_stream_age, 0s, kLong);
    t->duration("client_idle_timeout", o.client_idle, 0s, kLong);
    t->duration("pod_idle_timeout", o.pod_idle, 100ms, kLong);
    t->duration("max_connection_age", o.max_connection_age, 0s, kLong);
    t->duration("max_connection_age_grace", o.max_connection_age_grace, 0s, kLong);
    t->duration("relay_idle_timeout", o.relay_idle, 0s, kLong);
    t->duration("drain_announce", o.drain_announce, 0s, kLong);
    t->duration("drain_timeout", o.drain, 0s, kLong);
    t->duration("time_wait", o.time_wait, 0s, 10min);
    t->duration("tcp_user_timeout", o.tcp_user, 1s, kLong);
    t->duration("tcp_keepalive", o.tcp_keepalive, 0s, kLong);
    t->finish();
  }
  if (auto t = root.table("guards")) {
    read_guards(*t, reading.snapshot.guards);
    t->finish();
  }
  if (auto t = root.table("limits")) {
    config::Limits& l = reading.snapshot.limits;
    t->integer("queued_streams", l.queued_streams, 0, 1 << 20);
    t->integer("connections_per_address", l.connections_per_address, 0, 1 << 24);
    t->integer("calls_heap", l.calls_heap, 1 << 20, uint64_t{1} << 40);
    t->integer("client_heap", l.client_heap, 1 << 16, uint64_t{1} << 40);
    t->integer("receive_buffer", l.receive_buffer, 4096, 1 << 30);
    t->integer("receive_buffer_max", l.receive_buffer_max, 4096, 1 << 30);
    t->integer("send_buffer", l.send_buffer, 4096, 1 << 30);
    t->integer("send_buffer_max", l.send_buffer_max, 4096, 1 << 30);
    t->integer("concurrent_streams", l.concurrent_streams, 1, 1 << 20);
    t->integer("max_connection_streams", l.max_connection_streams, 1, 1'000'000'000);
    t->integer("max_pod_connection_streams", l.max_pod_connection_streams, 1, 1'000'000'000);
    t->integer("stream_window", l.stream_window, 1024, 0x7fffffff);
    t->integer("stream_window_max", l.stream_window_max, 1024, 0x7fffffff);
    t->integer("connection_window", l.connection_window, 65'535, 0x7fffffff);
    t->integer("frame_size", l.frame_size, 16'384, 16'777'215);
    t->integer("header_list_size", l.header_list_size, 1024, 1 << 20);
    t->integer("header_table_size", l.header_table_size, 0, 65'536);
    t->integer("pod_connection_streams", l.pod_connection_streams, 1, 1 << 20);
    t->integer("connections_per_pod", l.connections_per_pod, 0, 128);
    t->integer("http1_pod_connections", l.http1_pod_connections, 1, 1 << 16);
    t->integer("transparent_retries", l.transparent_retries, 0, 100);
    t->integer("replay_buffer", l.replay_buffer, 0, 1 << 24);
    if (l.receive_buffer_max < l.receive_buffer)
      t->mistake("receive_buffer_max",
                 "receive_buffer_max is below receive_buffer; it must be at least as large");
    if (l.send_buffer_max < l.send_buffer)
      t->mistake("send_buffer_max",
                 "send_buffer_max is below send_buffer; it must be at least as large");
    t->finish();
  }
}

}  // namespace sluice::loader
