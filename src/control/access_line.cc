#include "control/access_line.h"

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace sluice::control {
namespace {

using stats::Access;
using Text = Access::Text;

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    }
  }
  out += '"';
}

class Line {
 public:
  void text(std::string_view name, std::string_view value) {
    begin(name);
    if (value.empty()) {
      out_ += "null";
    } else {
      append_quoted(out_, value);
    }
  }
  template <class Number>
  void number(std::string_view name, Number value, bool known = true) {
    begin(name);
    out_ += known ? fmt::format("{}", value) : "null";
  }
  // Milliseconds, to the microsecond.
  void time(std::string_view name, Duration d) {
    begin(name);
    out_ += d.count() < 0 ? "null" : fmt::format("{:.3f}", static_cast<double>(d.count()) / 1e6);
  }
  std::string take() {
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  void begin(std::string_view name) {
    out_ += out_.empty() ? "{\"" : ",\"";
    out_ += name;
    out_ += "\":";
  }
  std::string out_;
};

// The trace-id of a traceparent; empty when it is malformed.
std::string_view trace_id(std::string_view traceparent) {
  constexpr size_t kBegin = 3, kSize = 32;
  if (traceparent.size() < kBegin + kSize + 1 || traceparent[kBegin - 1] != '-' ||
      traceparent[kBegin + kSize] != '-')
    return {};
  const std::string_view id = traceparent.substr(kBegin, kSize);
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::all_of(id.begin(), id.end(), hex) ? id : std::string_view();
}

}  // namespace

std::string_view route_of(const config::Listener& listener, std::string_view server_name) {
  std::string_view best;
  for (const config::NameRoute& route : listener.routes)
    for (const std::string& name : route.names) {
      if (name == server_name) return name;
      const std::string_view below = std::string_view(name).substr(1);  // ".example.com"
      if (name.starts_with("*.") && name.size() > best.size() &&
          server_name.size() > below.size() && server_name.ends_with(below))
        best = name;
    }
  return best;
}

std::string access_line(const Access& a, const AccessNames& names,
                        std::chrono::system_clock::time_point arrived) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  const auto since = duration_cast<microseconds>(arrived.time_since_epoch()).count();
  Line line;
  line.text("time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                                fmt::gmtime(static_cast<std::time_t>(since / 1'000'000)),
                                since % 1'000'000));
  line.text("listener", names.listener);
  line.text("client", a.client.str());
  line.text("sni", a.text(Text::kServerName));
  line.text("tls", a.tls);
  const std::string_view protocol = a.protocol;
  const bool http = protocol.starts_with('1') || protocol.starts_with('2');
  line.text("protocol", fmt::format("{}{}", http ? "HTTP/" : "", protocol));
  line.text("method", a.text(Text::kMethod));
  line.text("authority", a.text(Text::kAuthority));
  line.text("path", a.text(Text::kPath));
  line.text("route", names.route);
  line.text("namespace", names.name_space);
  line.text("service", names.service);
  line.text("pod", names.pod);
  line.number("http_status", a.status, a.status != 0);
  line.text("grpc_status", is_grpc(a.result) ? text_of(a.result) : std::string_view());
  line.number("request_bytes", a.request_bytes);
  line.number("response_bytes", a.answer_bytes);
  line.time("duration_ms", a.duration);
  line.time("first_byte_ms", a.first_byte);
  line.number("tries", a.tries);
  line.text("request_id", a.text(Text::kRequestId));
  line.text("trace_id", trace_id(a.text(Text::kTraceParent)));
  line.text("user_agent", a.text(Text::kUserAgent));
  line.text("end", a.end);
  return line.take();
}

}  // namespace sluice::control
