// Our connection and nghttp2's, in both roles, over a wire that cuts the bytes anywhere: random
// calls from a seed, bidirectional or not, with trailers, informational answers, large fields,
// padding, windows that change, and resets from either side. Every byte and every end is compared.

#include <algorithm>
#include <deque>
#include <random>

#include "fixture.h"
#include "nghttp2_peer.h"

namespace sluice::http2 {
namespace {

struct Call {
  FieldList request, response, request_trailers, response_trailers;  // empty trailers: none
  size_t up = 0;                                                     // bytes of the request's body
  size_t down = 0;                                                   // and of the answer's
  bool informational = false;
  bool early = false;  // answered at once, not when the request has ended
  enum class Reset { kNone, kOurs, kTheirs } reset = Reset::kNone;
  ErrorCode code{};
};

// How one side saw a call.
struct View {
  enum class End { kOpen, kClosed, kResetByUs, kResetByPeer } end = End::kOpen;
  ErrorCode code{};
  std::string fields;    // what the other side began with
  std::string trailers;  // and ended with
  size_t received = 0;
  bool whole = false;  // the other side's end has come
  size_t sent = 0;
  bool begun = false;  // this side's HEADERS are said
  bool said_all = false;
  size_t unread = 0;

  std::string str() const {
    static constexpr const char* kEnds[] = {"open", "closed", "reset by itself",
                                            "reset by the peer"};
    return std::string(kEnds[static_cast<int>(end)]) + " " + text_of(code) + ", sent " +
           std::to_string(sent) + (said_all ? " all" : "") + ", received " +
           std::to_string(received) + (whole ? " whole" : "") +
           (fields.empty() ? " no fields" : "");
  }
};

char content(size_t call, bool up, size_t at) {
  return static_cast<char>(at * 31 + (at >> 8) * 17 + call * 101 + (up ? 7 : 0));
}

std::string text(const FieldList& fields) {
  std::string out;
  for (const Field f : fields)
    out += (out.empty() ? "" : " ") + std::string(f.name) + "=" + std::string(f.value);
  return out;
}

class World {
 public:
  World(Buffers& buffers, Role ours, uint32_t seed)
      : random_(seed),
        ours_are_client_(ours == Role::kClient),
        side_(ours, buffers, config()),
        peer_(ours_are_client_, settings()) {
    const size_t n = 1 + below(25);
    for (size_t i = 0; i < n; ++i) calls_.push_back(make_call());
    ours_.resize(n);
    theirs_.resize(n);
    streams_.resize(n);
    hook_ours();
    hook_theirs();
  }

  // Until both sides are through with every call; false when nothing moves any more.
  bool run() {
    constexpr int kPatience = 100'000;  // turns; a tenth of them is needed
    for (int turn = 0; turn < kPatience && !failed_; ++turn) {
      side_.now += 1ms;
      side_.buffers.memory.refresh();
      if (ours_are_client_) {
        open_ours();
      } else {
        open_theirs();
      }
      for (size_t i = 0; i < calls_.size(); ++i) {
        our_turn(i);
        their_turn(i);
      }
      if (below(50) == 0) peer_.ping();
      if (below(30) == 0 && !all_over()) peer_.set(settings());
      there_ += side_.say(static_cast<uint32_t>(1 + below(100'000)));
      back_ += peer_.say();
      carry(there_, [&](std::string_view b) { return peer_.hear(b); });
      carry(back_, [&](std::string_view b) { return side_.hear(b); });
      if (all_over() && there_.empty() && back_.empty()) return true;
    }
    return false;
  }

  void check() {
    EXPECT_TRUE(peer_.complaints.empty()) << peer_.complaints.front();
    EXPECT_FALSE(side_.http2.failed()) << side_.http2.detail();
    EXPECT_EQ(side_.stats.memory_refusals.get(), 0u);
    EXPECT_EQ(side_.stats.stream_errors.get(), 0u);
    EXPECT_EQ(side_.stats.malformed_requests.get(), 0u);
    EXPECT_EQ(side_.streams.live(), 0u);
    EXPECT_FALSE(mismatch_) << "a byte of a body";
    for (size_t i = 0; i < calls_.size(); ++i) {
      SCOPED_TRACE("call " + std::to_string(i) + ": ours " + ours_[i].str() + "; nghttp2's " +
                   theirs_[i].str());
      check_end(ours_[i], theirs_[i]);
      check_end(theirs_[i], ours_[i]);
      const Call& c = calls_[i];
      check_content(ours_[i], ours_are_client_ ? c.response : c.request,
                    ours_are_client_ ? c.response_trailers : c.request_trailers,
                    ours_are_client_ ? c.down : c.up);
      check_content(theirs_[i], ours_are_client_ ? c.request : c.response,
                    ours_are_client_ ? c.request_trailers : c.response_trailers,
                    ours_are_client_ ? c.up : c.down);
    }
  }
  // The ends, a call a line.
  std::string story() {
    std::string out;
    for (const std::string& line : side_.owner.log)
      if (line.find("reset") != std::string::npos) out += line + "\n";
    return out;
  }
  size_t closed() const {
    return static_cast<size_t>(std::count_if(
        ours_.begin(), ours_.end(), [](const View& v) { return v.end == View::End::kClosed; }));
  }
  size_t calls() const { return calls_.size(); }

 private:
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  // Small, mostly; large, sometimes.
  size_t size(size_t most) {
    if (below(4) == 0) return 0;
    return below(2 + (below(4) == 0 ? most : 500));
  }
  uint32_t window() { return static_cast<uint32_t>(2000 + below(150'000)); }

  Config config() {
    Config c;
    c.initial_stream_window = window();
    c.connection_window = kDefaultWindow + static_cast<uint32_t>(below(500'000));
    c.max_header_list_size = 65'536;
    c.max_concurrent_streams = 1 + static_cast<uint32_t>(below(50));
    c.header_table_size = static_cast<uint32_t>(below(3) * 4096);
    c.encoder_table_size = static_cast<uint32_t>(below(3) * 4096);
    return c;
  }
  std::vector<nghttp2_settings_entry> settings() {
    return {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window()},
            {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, static_cast<uint32_t>(below(9000))},
            {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1 + static_cast<uint32_t>(below(50))}};
  }
  void add_fields(FieldList& f) {
    // Now and then a section that needs CONTINUATION.
    const size_t n = below(12);
    const size_t most = below(20) == 0 ? 3000 : 60;
    for (size_t i = 0; i < n; ++i)
      f.add("x-" + std::to_string(below(20)),
            std::string(below(most), static_cast<char>('a' + below(26))));
  }
  Call make_call() {
    Call c;
    const bool head = below(10) == 0;
    c.up = head ? 0 : size(200'000);
    c.down = size(200'000);
    c.request.add(Name::kMethod, head ? "HEAD" : "POST");
    c.request.add(Name::kScheme, "http");
    c.request.add(Name::kAuthority, "pod");
    c.request.add(Name::kPath, "/" + std::to_string(below(5)));
    c.response.add(Name::kStatus, "200");
    if (below(2) == 0) c.request.add(Name::kContentLength, std::to_string(c.up));
    if (below(2) == 0) c.response.add(Name::kContentLength, std::to_string(c.down));
    if (head) c.down = 0;
    add_fields(c.request);
    add_fields(c.response);
    if (below(3) == 0) c.request_trailers.add("x-request", "ends");
    if (below(2) == 0) c.response_trailers.add(Name::kGrpcStatus, "0");
    if (below(5) == 0) add_fields(c.response_trailers);
    c.informational = below(8) == 0;
    c.early = below(2) == 0;
    if (below(6) == 0) {
      c.reset = below(2) == 0 ? Call::Reset::kOurs : Call::Reset::kTheirs;
      c.code = static_cast<ErrorCode>(1 + below(13));
    }
    return c;
  }

  static size_t index(uint32_t id) { return (id - 1) / 2; }
  static int32_t id_of(size_t i) { return static_cast<int32_t>(2 * i + 1); }

  bool receive(size_t i, View& v, bool up, std::string_view piece) {
    for (const char c : piece) mismatch_ |= c != content(i, up, v.received++);
    return !mismatch_;
  }
  std::string body(size_t i, bool up, size_t at, size_t n) {
    std::string s(n, 0);
    for (size_t k = 0; k < n; ++k) s[k] = content(i, up, at + k);
    return s;
  }

  // --- Ours ---

  void hook_ours() {
    Owner& o = side_.owner;
    o.headers_hook = [this](Stream& s, Handler::Section section, bool end) {
      const size_t i = index(s.id());
      View& v = ours_[i];
      streams_[i] = &s;
      v.whole |= end;
      const Owner::Heard& h = side_.owner.streams[s.id()];
      if (section == Handler::Section::kTrailers) {
        v.trailers = text(h.trailers);
      } else if (section != Handler::Section::kInformational) {
        v.fields = text(h.headers);
      }
    };
    o.data_hook = [this](Stream& s, buf::Slice data, bool end) {
      const size_t i = index(s.id());
      ours_[i].whole |= end;
      ours_[i].unread += data.size();
      receive(i, ours_[i], !ours_are_client_,
              {reinterpret_cast<const char*>(data.data()), data.size()});
    };
    o.last_hook = [this](Stream& s) {
      const size_t i = index(s.id());
      const Owner::Heard& h = side_.owner.streams[s.id()];
      streams_[i] = nullptr;
      ours_[i].end = h.reset ? View::End::kResetByPeer : View::End::kClosed;
      ours_[i].code = h.code;
    };
  }
  void open_ours() {
    if (opened_ == calls_.size() || !side_.http2.can_open() || below(3) == 0) return;
    const size_t i = opened_++;
    const Call& c = calls_[i];
    View& v = ours_[i];
    const bool end = c.up == 0 && c.request_trailers.empty() && below(2) == 0;
    v.begun = true;
    v.said_all = end;
    streams_[i] = side_.http2.open(c.request, end, &side_.owner);
  }
  void our_turn(size_t i) {
    const Call& c = calls_[i];
    View& v = ours_[i];
    if (streams_[i] == nullptr) return;
    if (c.reset == Call::Reset::kOurs && below(20) == 0) {
      // A client's stream that was never framed was never there.
      if (streams_[i]->id() == 0) return;
      v.end = View::End::kResetByUs;
      v.code = c.code;
      side_.http2.reset(*std::exchange(streams_[i], nullptr), c.code);
      return;
    }
    if (v.unread > 0 && below(3) == 0) {
      const auto n = static_cast<uint32_t>(1 + below(v.unread));
      v.unread -= n;
      side_.http2.consumed(*streams_[i], n);
    }
    const FieldList& trailers = ours_are_client_ ? c.request_trailers : c.response_trailers;
    const size_t total = ours_are_client_ ? c.up : c.down;
    if (!v.begun) {
      if (!c.early && !v.whole) return;
      v.begun = true;
      if (c.informational) {
        FieldList hint;
        hint.add(Name::kStatus, "103");
        side_.http2.send_headers(*streams_[i], hint, false);
      }
      v.said_all = total == 0 && trailers.empty() && below(2) == 0;
      side_.http2.send_headers(*streams_[i], c.response, v.said_all);
    }
    while (streams_[i] != nullptr && !v.said_all && streams_[i]->queued() < 32'768) {
      const size_t n = std::min(total - v.sent, 1 + below(1400));
      const bool last = v.sent + n == total;
      v.said_all = last && trailers.empty();
      const std::string piece = body(i, ours_are_client_, v.sent, n);
      v.sent += n;
      side_.http2.send_data(*streams_[i], side_.buffers.slice(piece), v.said_all);
      if (last && !trailers.empty() && streams_[i] != nullptr) {
        v.said_all = true;
        side_.http2.send_headers(*streams_[i], trailers, true);
      }
      if (below(4) == 0) break;
    }
  }

  // --- nghttp2's ---

  void hook_theirs() {
    peer_.pad = [this](size_t least, size_t most) {
      return below(3) == 0 ? std::min(most, least + below(256)) : least;
    };
    peer_.on_headers = [this](int32_t id, int, const std::string& fields, bool end) {
      View& v = theirs_[index(static_cast<uint32_t>(id))];
      v.whole |= end;
      if (fields.starts_with(":status=103")) return;
      (fields.starts_with(":") ? v.fields : v.trailers) = fields;
    };
    peer_.on_piece = [this](int32_t id, std::string_view piece, bool end) {
      const size_t i = index(static_cast<uint32_t>(id));
      theirs_[i].whole |= end;
      theirs_[i].unread += piece.size();
      receive(i, theirs_[i], ours_are_client_, piece);
    };
    peer_.on_end = [this](int32_t id, uint32_t code) {
      View& v = theirs_[index(static_cast<uint32_t>(id))];
      if (v.unread > 0) peer_.consume(id, std::exchange(v.unread, 0));
      if (v.end != View::End::kOpen) return;
      v.end = code == 0 ? View::End::kClosed : View::End::kResetByPeer;
      v.code = static_cast<ErrorCode>(code);
    };
  }
  // Only what nghttp2 has taken up counts: it gives out ids itself, in the order of these calls.
  void open_theirs() {
    if (opened_ == calls_.size() || below(3) == 0) return;
    const size_t i = opened_++;
    const Call& c = calls_[i];
    theirs_[i].begun = true;
    const auto nv = Nghttp2Peer::nv(c.request);
    const nghttp2_data_provider body = provider(i);
    const bool bare = c.up == 0 && c.request_trailers.empty() && below(2) == 0;
    EXPECT_EQ(nghttp2_submit_request(peer_.session(), nullptr, nv.data(), nv.size(),
                                     bare ? nullptr : &body, nullptr),
              id_of(i));
  }
  nghttp2_data_provider provider(size_t i) {
    sources_.push_back({this, i});
    nghttp2_data_provider p;
    p.source.ptr = &sources_.back();
    p.read_callback = [](nghttp2_session*, int32_t id, uint8_t* out, size_t room, uint32_t* flags,
                         nghttp2_data_source* source, void*) -> ssize_t {
      auto& [world, call] = *static_cast<Source*>(source->ptr);
      return world->read(call, id, out, room, flags);
    };
    return p;
  }
  ssize_t read(size_t i, int32_t id, uint8_t* out, size_t room, uint32_t* flags) {
    const Call& c = calls_[i];
    View& v = theirs_[i];
    if (below(8) == 0) {
      deferred_.push_back(id);
      return NGHTTP2_ERR_DEFERRED;
    }
    const size_t total = ours_are_client_ ? c.down : c.up;
    const FieldList& trailers = ours_are_client_ ? c.response_trailers : c.request_trailers;
    const size_t n = std::min({room, total - v.sent, 1 + below(20'000)});
    const std::string piece = body(i, !ours_are_client_, v.sent, n);
    std::copy(piece.begin(), piece.end(), out);
    v.sent += n;
    if (v.sent == total) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto nv = Nghttp2Peer::nv(trailers);
        EXPECT_EQ(nghttp2_submit_trailer(peer_.session(), id, nv.data(), nv.size()), 0);
      }
    }
    return static_cast<ssize_t>(n);
  }
  void their_turn(size_t i) {
    const Call& c = calls_[i];
    View& v = theirs_[i];
    const int32_t id = id_of(i);
    if (i == 0) {
      for (const int32_t d : std::exchange(deferred_, {}))
        nghttp2_session_resume_data(peer_.session(), d);
    }
    if (v.end != View::End::kOpen || nghttp2_session_find_stream(peer_.session(), id) == nullptr)
      return;
    if (v.unread > 0 && below(3) == 0) {
      const size_t n = 1 + below(v.unread);
      v.unread -= n;
      peer_.consume(id, n);
    }
    const bool on_the_wire = ours_are_client_ || !ours_[i].fields.empty();
    if (c.reset == Call::Reset::kTheirs && on_the_wire && below(20) == 0) {
      v.end = View::End::kResetByUs;
      v.code = c.code;
      peer_.reset(id, static_cast<uint32_t>(c.code));
      return;
    }
    if (v.begun || (!c.early && !v.whole) || v.fields.empty()) return;
    v.begun = true;
    if (c.informational) {
      FieldList hint;
      hint.add(Name::kStatus, "103");
      const auto nv = Nghttp2Peer::nv(hint);
      nghttp2_submit_headers(peer_.session(), NGHTTP2_FLAG_NONE, id, nullptr, nv.data(), nv.size(),
                             nullptr);
    }
    const auto nv = Nghttp2Peer::nv(c.response);
    const nghttp2_data_provider answer = provider(i);
    const bool bare = c.down == 0 && c.response_trailers.empty() && below(2) == 0;
    EXPECT_EQ(nghttp2_submit_response(peer_.session(), id, nv.data(), nv.size(),
                                      bare ? nullptr : &answer),
              0);
  }

  // --- The wire, and the end ---

  template <class Fn>
  void carry(std::string& bytes, Fn&& hear) {
    while (!bytes.empty() && below(4) != 0) {
      const size_t n = std::min(bytes.size(), 1 + below(below(3) == 0 ? 20 : 1400));
      if (!hear(std::string_view(bytes).substr(0, n))) {
        failed_ = true;
        return;
      }
      bytes.erase(0, n);
    }
  }
  bool all_over() const {
    for (size_t i = 0; i < calls_.size(); ++i)
      if (!over(ours_[i], theirs_[i]) || !over(theirs_[i], ours_[i])) return false;
    return opened_ == calls_.size();
  }
  // Of a call that was refused, over a limit of streams, the refusing side's owner hears nothing.
  static bool over(const View& a, const View& b) {
    using enum View::End;
    return a.end != kOpen || (a.fields.empty() && (b.end == kResetByPeer || b.end == kResetByUs));
  }
  // What `a` says of the end, `b` does not contradict.
  static void check_end(const View& a, const View& b) {
    using enum View::End;
    switch (a.end) {
      case kOpen:
        EXPECT_TRUE(over(a, b)) << "never ended";
        break;
      case kClosed:  // everything was said and heard; the other side's reset can only have come
                     // late
        EXPECT_TRUE(a.whole);
        EXPECT_TRUE(b.end == kClosed || b.end == kResetByUs);
        break;
      case kResetByPeer:
        if (b.end == kOpen) {
          EXPECT_EQ(a.code, ErrorCode::kRefusedStream);
          break;
        }
        EXPECT_EQ(b.end, kResetByUs);
        EXPECT_EQ(a.code, b.code);
        break;
      case kResetByUs:
        break;  // the other side heard it, or had ended or reset before
    }
  }
  static void check_content(const View& v, const FieldList& fields, const FieldList& trailers,
                            size_t n) {
    if (!v.fields.empty()) {
      EXPECT_EQ(v.fields, text(fields));
    }
    EXPECT_LE(v.received, n);
    if (!v.whole) return;
    EXPECT_EQ(v.received, n);
    EXPECT_EQ(v.trailers, text(trailers));
  }

  struct Source {
    World* world;
    size_t call;
  };

  std::mt19937 random_;
  bool ours_are_client_;
  Side side_;
  Nghttp2Peer peer_;
  std::vector<Call> calls_;
  std::vector<View> ours_, theirs_;
  std::vector<Stream*> streams_;
  std::deque<Source> sources_;
  std::vector<int32_t> deferred_;
  std::string there_, back_;
  size_t opened_ = 0;
  bool mismatch_ = false;
  bool failed_ = false;
};

class Nghttp2 : public testing::TestWithParam<Role> {};

TEST_P(Nghttp2, agrees_on_every_byte_and_every_end) {
  constexpr uint32_t kSeeds = 300;
  Buffers buffers;
  size_t calls = 0;
  size_t closed = 0;
  for (uint32_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(buffers, GetParam(), seed);
    EXPECT_TRUE(w.run());
    w.check();
    if (HasFailure()) std::cout << w.story();
    calls += w.calls();
    closed += w.closed();
  }
  EXPECT_GT(closed, calls / 2) << "most calls are not reset";
}

INSTANTIATE_TEST_SUITE_P(, Nghttp2, testing::Values(Role::kServer, Role::kClient),
                         [](const auto& role) {
                           return role.param == Role::kServer ? "as_a_client" : "as_a_pod";
                         });

}  // namespace
}  // namespace sluice::http2
