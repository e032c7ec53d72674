#include "http1/fields.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::http1 {
namespace {

// The lower-case form of a character that a token may have (RFC 9110, 5.6.2); 0 for all others.
constexpr std::array<char, 256> kTokenLower = [] {
  std::array<char, 256> all{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"))
    all[static_cast<unsigned char>(c)] = c;
  for (char c = 'A'; c <= 'Z'; ++c)
    all[static_cast<unsigned char>(c)] = static_cast<char>(c + ('a' - 'A'));
  return all;
}();

char token_lower(char c) {
  return kTokenLower[static_cast<unsigned char>(c)];
}

bool blank(char c) {
  return c == ' ' || c == '\t';
}
std::string_view trimmed(std::string_view s) {
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
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

// Fields of this hop, which go no further.
constexpr uint32_t kOfThisHop = http::bit_of(Name::kConnection) | http::bit_of(Name::kKeepAlive) |
                                http::bit_of(Name::kProxyConnection) |
                                http::bit_of(Name::kTransferEncoding) |
                                http::bit_of(Name::kUpgrade) | http::bit_of(Name::kTe);

// The memory of the thread's object.
struct Store {
  http::Growing<char, FieldList::kSlack> names;
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

bool named_by_connection(std::string_view name) {
  const Store& s = store();
  const auto end = s.options.begin() + static_cast<std::ptrdiff_t>(s.options_used);
  return !protected_name(name) && std::find(s.options.begin(), end, name) != end;
}

// Why the name in front of a colon is none.
Fault name_fault(std::string_view line) {
  if (line.empty()) return bad("a field without a name");
  if (blank(line.front())) return bad("a field that continues on a second line");  // 5.2
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a field without a colon");
  if (colon == 0) return bad("a field without a name");
  if (blank(line[colon - 1])) return bad("a blank in front of a colon");  // 5.1
  return bad("a character that no field's name may have");
}

constexpr std::string_view kKeyName = "sec-websocket-key";
constexpr std::string_view kAcceptName = "sec-websocket-accept";

}  // namespace

// Eight bytes at a time: a top bit is set where a byte
// is below the blank, or DEL.
bool valid_value(std::string_view value) {
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto suspicious = [](uint64_t x) {
    const uint64_t del = x ^ kOnes * 0x7f;
    return (((x - kOnes * ' ') & ~x) | ((del - kOnes) & ~del)) & kTops;
  };
  const auto bad_byte = [](char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f;
  };
  const char* p = value.data();
  const char* const end = p + value.size();
  if (value.size() < 8) return std::none_of(p, end, bad_byte);
  const auto good = [&](const char* at) {
    uint64_t x;
    std::memcpy(&x, at, 8);
    return suspicious(x) == 0 || std::none_of(at, at + 8, bad_byte);
  };
  for (; end - p >= 8; p += 8)
    if (!good(p)) return false;
  return good(end - 8);  // some bytes twice
}

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return token_lower(c) != 0; });
}

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

FieldLines& FieldLines::scratch() {
  thread_local FieldLines lines;
  return lines;
}

Fault FieldLines::read(std::string_view text, uint32_t most, unsigned minor, Of of) {
  Store& s = store();
  facts_ = {};
  lengths_ = codings_ = keys_ = accepts_ = 0;
  chunked_alone_ = false;
  answer_ = of == Of::kAnswer;
  s.lines.clear();
  s.options_used = 0;
  s.names.clear();
  if (!text.ends_with("\r\n")) return bad("a section without an end");
  char* names = s.names.room(text.size());  // does not move: the lines refer to it
  // No loop below passes the CR of the text's end.
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p[0] != '\r' || p[1] != '\n') {
    if (s.lines.size() >= most) return {431, "more fields than header_fields"};
    const char* const line = p;
    char* const name = names;
    while (const char c = token_lower(*p)) {
      *names++ = c;
      ++p;
    }
    if (*p != ':' && answer_ && names != name) {
      while (blank(*p)) ++p;
    }
    const auto* stop = static_cast<const char*>(std::memchr(p, '\r', static_cast<size_t>(end - p)));
    if (*p != ':' || names == name) return name_fault({line, static_cast<size_t>(stop - line)});
    ++p;
    if (stop[1] != '\n') return bad("a control byte in a field's value");
    const std::string_view value = trimmed({p, static_cast<size_t>(stop - p)});
    if (!valid_value(value)) return bad("a control byte in a field's value");
    if (const Fault f = take_field({name, static_cast<size_t>(names - name)}, value)) return f;
    p = stop + 2;
    if (p == end) return bad("a section without an end");
  }
  return judge_framing(minor);
}

uint32_t FieldLines::count() const {
  return static_cast<uint32_t>(store().lines.size());
}

Fault FieldLines::take_field(std::string_view low, std::string_view value) {
  Store& s = store();
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
      chunked_alone_ =
          (codings_ == 1 || (answer_ && chunked_alone_)) && same_text(value, "chunked");
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
      facts_.protocols = value;
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
  const Store& s = store();
  const uint32_t dropped = (kOfThisHop | except) & ~http::bit_of(Name::kOther);
  for (const Store::Entry& line : s.lines) {
    if ((http::bit_of(line.id) & dropped) != 0) continue;
    if (line.id == Name::kOther) {
      if (upgraded && (line.name == kKeyName || line.name == kAcceptName)) continue;
      if (line.name == "http2-settings") continue;  // RFC 9113, 3.1: Upgrade to h2c is ignored
    }
    if (s.options_used > 0 && named_by_connection(line.name)) [[unlikely]]
      continue;
    const std::string_view value =
        line.id == Name::kContentLength ? without_zeros(line.value) : line.value;
    char* to = out.room(line.name.size() + value.size() + FieldList::kLineBytes);
    std::memcpy(to, line.name.data(), line.name.size());
    to += line.name.size();
    *to++ = ':';
    *to++ = ' ';
    if (!value.empty()) std::memcpy(to, value.data(), value.size());
    to += value.size();
    *to++ = '\r';
    *to = '\n';
    out.commit_line(line.name.size(), value.size(), line.id);
  }
}

}  // namespace sluice::http1
