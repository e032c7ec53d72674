#include "http1/fields.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::http1 {
namespace {

enum : uint8_t { kToken = 1, kInValue = 2 };

constexpr std::array<uint8_t, 256> kCharacters = [] {
  std::array<uint8_t, 256> all{};
  for (unsigned c = 0x20; c <= 0xff; ++c)
    if (c != 0x7f) all[c] |= kInValue;
  all['\t'] |= kInValue;
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789!#$%&'*+-.^_`|~"))
    all[static_cast<unsigned char>(c)] |= kToken;
  return all;
}();

bool consists_of(std::string_view text, uint8_t kind) {
  for (const char c : text)
    if ((kCharacters[static_cast<unsigned char>(c)] & kind) == 0) return false;
  return true;
}

bool blank(char c) {
  return c == ' ' || c == '\t';
}
std::string_view trimmed(std::string_view s) {
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// fn(element) for the elements of a list (RFC 9110, 5.6.1) that are not empty.
template <class Fn>
void for_each_element(std::string_view list, Fn&& fn) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (const std::string_view e = trimmed(list.substr(0, comma)); !e.empty()) fn(e);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

// Digits and nothing else: no sign, no blank, no list (RFC 9110, 8.6). -1: no length.
int64_t length_of(std::string_view text) {
  constexpr size_t kMostDigits = 18;  // below 2^63
  if (text.empty() || text.size() > kMostDigits) return -1;
  int64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    n = n * 10 + (c - '0');
  }
  return n;
}

// "timeout=5, max=100": the seconds for which the peer keeps an idle connection.
uint32_t timeout_of(std::string_view keep_alive) {
  constexpr std::string_view kName = "timeout=";
  uint32_t seconds = 0;
  for_each_element(keep_alive, [&](std::string_view e) {
    if (e.size() <= kName.size() || !same_text(e.substr(0, kName.size()), kName)) return;
    const int64_t n = length_of(e.substr(kName.size()));
    if (n > 0) seconds = static_cast<uint32_t>(std::min<int64_t>(n, 86'400));
  });
  return seconds;
}

// Options that Connection may not name: a client could take these from other hops' hands.
bool protected_name(std::string_view name) {
  return name == "host" || name == "content-length" || name == "via" || name == "forwarded" ||
         name.starts_with("x-forwarded-") || name.starts_with(':');
}

constexpr size_t kMostOptions = 32;  // of Connection, in one section

// The memory of the thread's object.
struct Store {
  std::string names;
  struct Entry {
    std::string_view name;
    std::string_view value;
    Name id;
  };
  std::vector<Entry> lines;
  std::vector<std::string> options;
  size_t options_used = 0;
};
Store& store() {
  thread_local Store s;
  return s;
}

constexpr std::string_view kKeyName = "sec-websocket-key";
constexpr std::string_view kAcceptName = "sec-websocket-accept";

}  // namespace

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

FieldLines& FieldLines::scratch() {
  thread_local FieldLines lines;
  return lines;
}

Fault FieldLines::read(std::string_view text, uint32_t most, unsigned minor) {
  Store& s = store();
  facts_ = {};
  lengths_ = codings_ = keys_ = accepts_ = 0;
  chunked_alone_ = false;
  s.lines.clear();
  s.options_used = 0;
  s.names.clear();
  s.names.reserve(text.size());  // names refer to it, so it must not move
  for (;;) {
    const size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return bad("a section without an end");
    if (end == 0) break;
    if (s.lines.size() >= most) return {431, "more fields than header_fields"};
    if (const Fault f = read_line(text.substr(0, end))) return f;
    text.remove_prefix(end + 2);
  }
  return judge_framing(minor);
}

Fault FieldLines::read_line(std::string_view line) {
  if (blank(line.front())) return bad("a field that continues on a second line");  // 5.2
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a field without a colon");
  const std::string_view name = line.substr(0, colon);
  if (name.empty()) return bad("a field without a name");
  if (blank(name.back())) return bad("a blank in front of a colon");  // 5.1
  if (!consists_of(name, kToken)) return bad("a character that no field's name may have");
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!consists_of(value, kInValue)) return bad("a control byte in a field's value");

  Store& s = store();
  const size_t at = s.names.size();
  for (const char c : name) s.names.push_back(lower(c));
  const std::string_view low(s.names.data() + at, name.size());
  const Name id = name_of(low);
  s.lines.push_back({low, value, id});
  switch (id) {
    case Name::kConnection:
      return read_options(value);
    case Name::kKeepAlive:
      facts_.keep_alive_timeout = timeout_of(value);
      break;
    case Name::kContentLength:
      if (++lengths_ > 1) return bad("a second Content-Length");
      facts_.framing.length = length_of(value);
      if (facts_.framing.length < 0) return bad("a Content-Length that is no number");
      break;
    case Name::kTransferEncoding:
      ++codings_;
      chunked_alone_ = codings_ == 1 && same_text(value, "chunked");
      break;
    case Name::kHost:
      ++facts_.hosts;
      facts_.host = value;
      break;
    case Name::kExpect:
      facts_.expects = true;
      break;
    case Name::kTe:
      for_each_element(value, [&](std::string_view e) {
        facts_.takes_trailers |= same_text(trimmed(e.substr(0, e.find(';'))), "trailers");
      });
      break;
    case Name::kUpgrade:
      for_each_element(value,
                       [&](std::string_view e) { facts_.websocket |= same_text(e, kWebSocket); });
      break;
    case Name::kOther:
      if (low == kKeyName) facts_.websocket_key = ++keys_ == 1 ? value : std::string_view{};
      if (low == kAcceptName)
        facts_.websocket_accept = ++accepts_ == 1 ? value : std::string_view{};
      break;
    default:
      break;
  }
  return {};
}

Fault FieldLines::read_options(std::string_view value) {
  Store& s = store();
  bool too_many = false;
  for_each_element(value, [&](std::string_view e) {
    if (same_text(e, "close")) {
      facts_.close = true;
    } else if (same_text(e, "keep-alive")) {
      facts_.keep_alive = true;
    } else if (same_text(e, "upgrade")) {
      facts_.upgrade = true;
    } else if (s.options_used == kMostOptions) {
      too_many = true;
    } else {
      if (s.options_used == s.options.size()) s.options.emplace_back();
      std::string& option = s.options[s.options_used++];
      option.assign(e);
      for (char& c : option) c = lower(c);
    }
  });
  return too_many ? bad("too many options of Connection") : Fault{};
}

// RFC 9112, 6.1 and 6.3. Nothing is repaired: of two readers of a repaired message, one may have
// seen the other half.
Fault FieldLines::judge_framing(unsigned minor) {
  if (codings_ == 0) return {};
  if (minor == 0) return bad("Transfer-Encoding in HTTP/1.0");
  if (lengths_ > 0) return bad("Transfer-Encoding beside Content-Length");
  if (!chunked_alone_) return bad("a transfer coding other than chunked");
  facts_.framing.chunked = true;
  return {};
}

void FieldLines::append_to(FieldList& out, uint32_t except, bool upgraded) const {
  Store& s = store();
  for (const Store::Entry& line : s.lines) {
    switch (line.id) {
      case Name::kConnection:
      case Name::kKeepAlive:
      case Name::kProxyConnection:
      case Name::kTransferEncoding:
      case Name::kUpgrade:
      case Name::kTe:
        continue;
      default:
        break;
    }
    if (line.id != Name::kOther && (http::bit_of(line.id) & except) != 0) continue;
    if (upgraded && (line.name == kKeyName || line.name == kAcceptName)) continue;
    if (line.name == "http2-settings") continue;  // RFC 9113, 3.1: Upgrade to h2c is ignored
    const auto options_end = s.options.begin() + static_cast<std::ptrdiff_t>(s.options_used);
    if (s.options_used > 0 && !protected_name(line.name) &&
        std::find(s.options.begin(), options_end, line.name) != options_end)
      continue;
    out.add(line.name, line.value, line.id);
  }
}

}  // namespace sluice::http1
