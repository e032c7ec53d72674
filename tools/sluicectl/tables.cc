#include "sluicectl/tables.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "sluicectl/fields.h"
#include "sluicectl/text.h"

namespace sluicectl {
namespace json = boost::json;
namespace {

// Those that there were, as "no_pod 70380, time 3".
std::string reasons(const json::object& failures) {
  std::string out;
  for (const auto& [name, n] : failures) {
    if (n.to_number<uint64_t>() == 0) continue;
    if (!out.empty()) out += ", ";
    out += fmt::format("{} {}", std::string_view(name), count(n.to_number<uint64_t>()));
  }
  return out;
}

// What HPACK did in one direction: `in` or `out`.
std::string hpack(const json::value& http2, std::string_view way) {
  const auto n = [&](std::string_view what) {
    return number(http2, fmt::format("hpack_{}_{}", what, way));
  };
  if (n("blocks") == 0) return {};
  std::string out =
      fmt::format("  HPACK {}: {} blocks, {} of {} fields indexed", way, count(n("blocks")),
                  share(static_cast<double>(n("indexed")) /
                        static_cast<double>(std::max<uint64_t>(1, n("fields")))),
                  count(n("fields")));
  if (n("timed") > 0) out += fmt::format(", {} cycles a block", count(n("cycles") / n("timed")));
  return out + "\n";
}

}  // namespace

std::string status_table(const json::value& answer) {
  std::string out = fmt::format("sluiced {}, pid {}: {}, up {}\nconfiguration {}, generation {}\n",
                                text(answer, "version"), number(answer, "pid"),
                                text(answer, "state"), seconds(real(answer, "uptime_s")),
                                text(answer, "config"), number(answer, "generation"));
  if (answer.at("last_reload_refused").as_bool())
    out += "the files on disk were refused: the log says why, and sluiced --check does\n";
  return out;
}

std::string pods_table(const json::value& answer) {
  using enum Columns::Align;
  Columns c;
  c.column("SERVICE", kLeft);
  c.column("POD", kLeft);
  c.column("ADDRESS", kLeft);
  c.column("STATE", kLeft);
  c.column("TLS", kLeft);
  for (const char* h : {"WEIGHT", "ACTIVE", "STREAMS", "FAILED", "RETRIED", "CONNS", "IN", "OUT",
                        "P50", "P99", "LAG"})
    c.column(h);
  c.column("REASON", kLeft);
  const json::array& rows = answer.at("pods").as_array();
  for (const json::value& r : rows) {
    const bool draining = r.at("draining").as_bool();
    c.row({text(r, "service"), dash_if_empty(text(r, "id")), text(r, "address"),
           text(r, "state") + (draining ? ", draining" : ""), dash_if_empty(text(r, "tls")),
           count(number(r, "weight")), count(number(r, "active")), count(number(r, "streams")),
           count(number(r, "failed")), count(number(r, "retried")), count(number(r, "connections")),
           bytes(number(r, "relayed_in")), bytes(number(r, "relayed_out")),
           micros(real(r, "p50_us")), micros(real(r, "p99_us")),
           r.at("lag_ms").is_null() ? "-" : micros(1000 * real(r, "lag_ms")),
           dash_if_empty(text(r, "reason"))});
  }
  return rows.empty() ? "no pods\n" : c.str();
}

std::string listeners_table(const json::value& answer) {
  using enum Columns::Align;
  Columns c;
  for (const char* h : {"LISTENER", "ADDRESS", "PROTOCOL", "SERVICE"}) c.column(h, kLeft);
  for (const char* h : {"CONNS", "ACCEPTED", "ACTIVE", "STREAMS", "FAILED", "IN", "OUT"})
    c.column(h);
  c.column("REASONS", kLeft);
  const json::array& rows = answer.at("listeners").as_array();
  for (const json::value& r : rows) {
    const std::string mode = text(r, "mode");
    c.row({text(r, "name"), text(r, "address"),
           text(r, "protocol") + (mode.empty() ? "" : ", " + mode),
           dash_if_empty(text(r, "service")), count(number(r, "active_connections")),
           count(number(r, "connections")), count(number(r, "active_streams")),
           count(number(r, "streams")), count(number(r, "failed")), bytes(number(r, "relayed_in")),
           bytes(number(r, "relayed_out")), reasons(r.at("failures").as_object())});
  }
  return rows.empty() ? "no listeners\n" : c.str();
}

std::string sources_table(const json::value& answer) {
  using enum Columns::Align;
  Columns c;
  for (const char* h : {"SERVICE", "SOURCE"}) c.column(h, kLeft);
  for (const char* h : {"ENDPOINTS", "PODS", "AGE"}) c.column(h);
  c.column("LAST ERROR", kLeft);
  const json::array& rows = answer.at("sources").as_array();
  for (const json::value& r : rows)
    c.row({text(r, "service"), text(r, "source"), count(number(r, "endpoints")),
           count(number(r, "pods")), seconds(real(r, "age_s")),
           dash_if_empty(text(r, "last_error"))});
  return rows.empty() ? "no services\n" : c.str();
}

std::string certificates_table(const json::value& answer) {
  using enum Columns::Align;
  Columns c;
  for (const char* h : {"USED BY", "NAMES", "KEY", "ISSUER", "EXPIRES"}) c.column(h, kLeft);
  c.column("IN");
  c.column("FILE", kLeft);
  const json::array& rows = answer.at("certificates").as_array();
  for (const json::value& r : rows) {
    std::string names;
    for (const json::value& n : r.at("names").as_array())
      names += (names.empty() ? "" : ", ") + std::string(n.as_string().c_str());
    const int64_t left = r.at("expires_in_s").to_number<int64_t>();
    const std::string kind = text(r, "used_by");
    c.row({kind + " " + text(r, kind), dash_if_empty(names), text(r, "key_type"), text(r, "issuer"),
           text(r, "not_after"), left < 0 ? "expired" : fmt::format("{} d", left / int64_t{86'400}),
           text(r, "file")});
  }
  return rows.empty() ? "no certificates\n" : c.str();
}

std::string guards_table(const json::value& answer) {
  using enum Columns::Align;
  Columns c;
  c.column("GUARD", kLeft);
  c.column("COUNT");
  for (const char* h : {"LIMIT", "ACTION", "AGAINST"}) c.column(h, kLeft);
  for (const json::value& r : answer.at("guards").as_array())
    c.row({text(r, "guard"), count(number(r, "count")), text(r, "limit"), text(r, "action"),
           text(r, "against")});
  return c.str();
}

std::string workers_table(const json::value& answer) {
  using enum Columns::Align;
  const json::array& workers = answer.at("workers").as_array();
  if (workers.empty()) return "no workers\n";
  Columns c;
  c.column("WORKER");
  c.column("STATE", kLeft);
  c.column("BUSY");
  for (const auto& [stage, part] : workers.front().at("stages").as_object()) {
    std::string name(stage);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char x) { return static_cast<char>(std::toupper(x)); });
    c.column(name);
  }
  c.column("STALLS");
  c.column("LAST STALL", kLeft);
  for (const json::value& w : workers) {
    std::vector<std::string> row{count(number(w, "id")), text(w, "state"), share(real(w, "busy"))};
    for (const auto& [stage, part] : w.at("stages").as_object())
      row.push_back(share(part.to_number<double>()));
    row.push_back(count(number(w, "stalls")));
    row.push_back(number(w, "stalls") == 0
                      ? "-"
                      : fmt::format("{} in {} at {}", seconds(real(w, "stall_s")),
                                    text(w, "stall_stage"), dash_if_empty(text(w, "stall_at"))));
    c.row(std::move(row));
  }
  return c.str();
}

std::string stats_table(const json::value& answer) {
  using enum Columns::Align;
  std::string out = status_table(answer) + "\n";
  const json::array& workers = answer.at("workers").as_array();
  Columns load;
  for (const char* h : {"WORKER", "BUSY", "IN DRIVERS", "LOOPS", "TCP CONNS", "STREAMS",
                        "RX BUFFERS", "HOLD BUFFERS"})
    load.column(h);
  for (const json::value& w : workers)
    load.row({count(number(w, "id")), share(real(w, "busy")), share(real(w, "io")),
              count(number(w, "loops")), count(number(w.at("tcp"), "connections")),
              count(number(w.at("http2"), "streams")),
              count(number(w.at("memory"), "rx_buffers_free")),
              count(number(w.at("memory"), "hold_buffers_free"))});
  out += load.str() + "\n";

  Columns ports;
  ports.column("WORKER");
  ports.column("PORT", kLeft);
  for (const char* h : {"RX PACKETS", "RX", "TX PACKETS", "TX", "DROPS"}) ports.column(h);
  std::string drops;
  for (const json::value& w : workers)
    for (const json::value& p : w.at("ports").as_array()) {
      uint64_t dropped = 0;
      for (const auto& [reason, n] : p.at("drops").as_object()) dropped += n.to_number<uint64_t>();
      ports.row({count(number(w, "id")), text(p, "name"), count(number(p, "rx_packets")),
                 bytes(number(p, "rx_bytes")), count(number(p, "tx_packets")),
                 bytes(number(p, "tx_bytes")), count(dropped)});
      if (dropped > 0)
        drops += fmt::format("\ndropped by worker {} on {}\n{}", number(w, "id"), text(p, "name"),
                             nonzero(p.at("drops").as_object(), "  "));
    }
  out += ports.str() + drops;
  for (const json::value& w : workers) {
    out += fmt::format("\nworker {}: TCP\n{}", number(w, "id"),
                       nonzero(w.at("tcp").as_object(), "  "));
    if (workers.size() > 1)
      out += fmt::format("\nworker {}: steering\n{}", number(w, "id"),
                         nonzero(w.at("steer").as_object(), "  "));
    out += fmt::format("\nworker {}: HTTP/1.1\n{}", number(w, "id"),
                       nonzero(w.at("http1").as_object(), "  "));
    out += fmt::format("\nworker {}: HTTP/2\n{}", number(w, "id"),
                       nonzero(w.at("http2").as_object(), "  "));
    out += hpack(w.at("http2"), "in") + hpack(w.at("http2"), "out");
    if (const std::string tls = nonzero(w.at("tls").as_object(), "  "); !tls.empty())
      out += fmt::format("worker {}: TLS\n{}", number(w, "id"), tls);
    if (const std::string splices = nonzero(w.at("splice").as_object(), "  "); !splices.empty())
      out += fmt::format("worker {}: relayed connections\n{}", number(w, "id"), splices);
  }
  return out;
}

}  // namespace sluicectl
