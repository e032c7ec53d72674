#include "http1/head.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include "http/validation.h"
#include "http1/fields.h"
#include "http1/websocket.h"

namespace sluice::http1 {
namespace {

// Takes the first line, without its CRLF, out of `text`.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find("\r\n"), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 2, text.size()));
  return line;
}

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 9112, 2.3. -1: no version.
int minor_of(std::string_view version, Fault& fault) {
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) ||
      version[6] != '.' || !digit(version[7])) {
    fault = bad("a first line without an HTTP version");
    return -1;
  }
  if (version[5] != '1') {
    fault = {505, "an HTTP version that is not 1"};
    return -1;
  }
  return version[7] == '0' ? 0 : 1;
}

// The visible characters of ASCII, but no fragment.
constexpr std::array<bool, 256> kInTarget = [] {
  std::array<bool, 256> all{};
  for (unsigned c = 0x21; c < 0x7f; ++c) all[c] = c != '#';
  return all;
}();
bool valid_target(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return kInTarget[static_cast<unsigned char>(c)]; });
}

// A field whose characters are known to be valid.
template <Name kId>
void add_sound(FieldList& out, std::string_view value, http::FieldRef ref = {}) {
  constexpr std::string_view kName = text_of(kId);
  char* to = out.room(kName.size() + value.size());
  std::memcpy(to, kName.data(), kName.size());
  if (!value.empty()) std::memcpy(to + kName.size(), value.data(), value.size());
  out.commit(kName.size(), value.size(), {.id = kId, .sound = true, .ref = ref});
}

// The parts of a request target (RFC 9112, 3.2).
struct Target {
  std::string_view scheme = "http";
  std::string_view authority;
  std::string_view path;
  bool absolute = false;
};

bool begins(std::string_view text, std::string_view with) {
  return text.size() >= with.size() && std::equal(with.begin(), with.end(), text.begin(),
                                                  [](char a, char b) { return a == lower(b); });
}

Fault parse_target(std::string_view text, std::string_view method, Target& target) {
  if (text.empty() || !valid_target(text))
    return bad("a request target with a byte that no URI has");
  if (text.front() == '/' || text == "*") {
    target.path = text;
    return {};
  }
  if (begins(text, "http://")) {
    text.remove_prefix(7);
  } else if (begins(text, "https://")) {
    text.remove_prefix(8);
    target.scheme = "https";
  } else {
    return bad("a request target of no known form");
  }
  target.absolute = true;
  const size_t end = std::min(text.find_first_of("/?#"), text.size());
  target.authority = text.substr(0, end);
  if (!http::valid_host(target.authority, http::Port::kOptional))
    return bad("a request target without a host");
  text.remove_prefix(end);
  if (text.empty()) {
    target.path = method == "OPTIONS" ? "*" : "/";  // 3.2.4
  } else if (text.front() == '?') {
    thread_local std::string path;
    path.assign("/").append(text);
    target.path = path;
  } else {
    target.path = text;
  }
  return {};
}

// A request to CONNECT, whose target has the authority form (RFC 9112, 3.2.3).
Fault parse_connect(std::string_view target, const FieldLines& lines, FieldList& out) {
  // RFC 9110, 9.3.6: a body means nothing, so none can be told from the tunnel's bytes.
  const Framing& framing = lines.facts().framing;
  if (framing.chunked || framing.length > 0) return bad("CONNECT with a body");
  add_sound<Name::kMethod>(out, "CONNECT");
  out.add(Name::kAuthority, target);
  lines.append_to(out, http::bit_of(Name::kHost) | http::bit_of(Name::kContentLength));
  http::RequestFacts ignored;
  if (!http::valid_request(out, true, ignored))
    return bad("CONNECT with a target that is no host and port");
  return {};
}

// An Upgrade to WebSocket that is in order (RFC 6455, 4.2.1). A request with a body is none.
bool asks_for_websocket(const FieldFacts& facts) {
  return facts.upgrade && facts.websocket && is_websocket_key(facts.websocket_key) &&
         !facts.framing.chunked && facts.framing.length <= 0;
}

// Such a request, as an extended CONNECT.
void add_upgrade(const Target& target, std::string_view authority, const FieldLines& lines,
                 FieldList& out) {
  add_sound<Name::kMethod>(out, "CONNECT");
  add_sound<Name::kProtocol>(out, kWebSocket);
  add_sound<Name::kScheme>(out, target.scheme);
  if (!authority.empty()) add_sound<Name::kAuthority>(out, authority);
  add_sound<Name::kPath>(out, target.path);
  lines.append_to(out, http::bit_of(Name::kHost) | http::bit_of(Name::kContentLength), true);
}

}  // namespace

Fault parse_request(std::string_view text, uint32_t most, SectionCache& cache, FieldList& out,
                    RequestHead& head) {
  const std::string_view line = take_line(text);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || first == 0)
    return bad("a request line that is not method, target and version");
  const std::string_view method = line.substr(0, first);
  Fault fault;
  const int minor = minor_of(line.substr(last + 1), fault);
  if (minor < 0) return fault;
  head.minor = static_cast<unsigned>(minor);
  head.to_head = method == "HEAD";
  head.connect = method == "CONNECT";

  FieldLines& lines = FieldLines::scratch();
  const bool cacheable = minor > 0 && !head.connect;
  const KnownSection* const known =
      cacheable ? cache.find(text, FieldLines::Of::kRequest, most) : nullptr;
  if (known == nullptr && (fault = lines.read(text, most, head.minor))) return fault;
  const FieldFacts& facts = known != nullptr ? known->facts : lines.facts();
  head.framing = facts.framing;
  head.keep = !facts.close && (minor > 0 || facts.keep_alive);
  head.expects = minor > 0 && facts.expects;
  // RFC 9112, 3.2
  if (facts.hosts > 1) return bad("a second Host");
  if (facts.hosts == 0 && minor > 0) return bad("no Host");
  // Also where an absolute target beats it (3.2.2).
  if (known == nullptr && !facts.host.empty() &&
      !http::valid_host(facts.host, http::Port::kOptional))
    return bad("a Host that is none");
  const std::string_view text_of_target = line.substr(first + 1, last - first - 1);
  if (head.connect) return parse_connect(text_of_target, lines, out);
  Target target;
  if ((fault = parse_target(text_of_target, method, target))) return fault;
  const std::string_view authority = target.absolute ? target.authority : facts.host;
  const http::FieldRef ref =
      known != nullptr && !target.absolute ? known->authority : http::FieldRef{};
  if (!is_token(method) || !(target.path.front() == '/' || method == "OPTIONS"))
    return bad("a request that RFC 9110 forbids");
  if (minor > 0 && method == "GET" && asks_for_websocket(facts)) {
    head.websocket_key = facts.websocket_key;
    add_upgrade(target, authority, lines, out);
    return {};
  }
  add_sound<Name::kMethod>(out, method);
  add_sound<Name::kScheme>(out, target.scheme);
  if (!authority.empty()) add_sound<Name::kAuthority>(out, authority, ref);
  add_sound<Name::kPath>(out, target.path);
  if (known != nullptr) {
    out.append(known->fields);
  } else {
    uint32_t left_out = http::bit_of(Name::kHost);
    if (minor == 0) left_out |= http::bit_of(Name::kExpect);  // RFC 9110, 10.1.1
    lines.append_to(out, left_out);
    if (cacheable && !asks_for_websocket(facts)) cache.learn(text, FieldLines::Of::kRequest, lines);
  }
  if (facts.takes_trailers) add_sound<Name::kTe>(out, "trailers");
  return {};
}

Fault parse_response(std::string_view text, uint32_t most, SectionCache& cache, FieldList& out,
                     ResponseHead& head) {
  const std::string_view line = take_line(text);
  constexpr size_t kUpToStatus = 12;  // "HTTP/1.1 200"
  Fault fault;
  const int minor = minor_of(line.substr(0, 8), fault);
  if (minor < 0) return fault;
  if (line.size() < kUpToStatus || line[8] != ' ' || !digit(line[9]) || !digit(line[10]) ||
      !digit(line[11]) || (line.size() > kUpToStatus && line[kUpToStatus] != ' '))
    return bad("a status line without a status");
  if (!valid_value(line)) return bad("a control byte in a status line");
  const std::string_view status = line.substr(9, 3);
  head.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  const bool upgraded = head.status == 101;
  // RFC 9110, 8.6: these have no body, and Content-Length says nothing.
  const bool lengthless = head.status < 200 || head.status == 204;

  FieldLines& lines = FieldLines::scratch();
  constexpr int kUpgradeRequired = 426;
  const bool cacheable = minor > 0 && !lengthless && head.status != kUpgradeRequired;
  const KnownSection* const known =
      cacheable ? cache.find(text, FieldLines::Of::kAnswer, most) : nullptr;
  if (known == nullptr &&
      (fault = lines.read(text, most, static_cast<unsigned>(minor), FieldLines::Of::kAnswer)))
    return fault;
  const FieldFacts& facts = known != nullptr ? known->facts : lines.facts();
  head.framing = facts.framing;
  head.keep = !facts.close && (minor > 0 || facts.keep_alive);
  head.keep_seconds = facts.keep_alive_timeout;
  if (upgraded) {
    if (minor == 0 || !facts.upgrade || !facts.websocket) return bad("a 101 without Upgrade");
    head.websocket_accept = facts.websocket_accept;
  }
  if (head.status < 100) return bad("an answer that RFC 9110 forbids");
  add_sound<Name::kStatus>(out, upgraded ? "200" : status);
  if (known != nullptr) {
    out.append(known->fields);
    return {};
  }
  lines.append_to(out, lengthless ? http::bit_of(Name::kContentLength) : 0, upgraded);
  if (cacheable) cache.learn(text, FieldLines::Of::kAnswer, lines);
  // RFC 9110, 15.5.22: the client is to learn which protocol the pod asks for.
  if (head.status == kUpgradeRequired && !facts.protocols.empty())
    add_sound<Name::kUpgrade>(out, facts.protocols);
  return {};
}

Fault parse_trailers(std::string_view text, uint32_t most, FieldList& out) {
  FieldLines& lines = FieldLines::scratch();
  // Fields that frame a message say nothing here, but no sender has a reason to write them.
  if (const Fault fault = lines.read(text, most, 1)) return fault;
  lines.append_to(out, http::bit_of(Name::kContentLength));
  return http::valid_trailers(out) ? Fault{} : bad("trailers that RFC 9110 forbids");
}

}  // namespace sluice::http1
