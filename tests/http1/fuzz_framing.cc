// libFuzzer's entry: a client's bytes, framed by Sluice and by a second parser, Boost.Beast's. Of
// each request that Sluice passes on, both must find the same method, the same body and the same
// end. Sluice may refuse more than Beast does: behind a refusal nothing is compared. Clang only,
// see meson.build.

#include <rte_eal.h>

#include <algorithm>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http1/codec.h"

namespace {

using namespace sluice;
using http::EndedBy;
using http::EndReason;
using http::FieldList;
namespace beast = boost::beast::http;

rte_mempool* rx = nullptr;
rte_mempool* hold = nullptr;

struct Request {
  std::string method;
  std::string body;
  bool whole = false;
};

// Answers each request when it is whole.
class Owner final : public http::Handler {
 public:
  void on_headers(http::Stream& s, Section section, FieldList& fields, bool end) override {
    if (section == Section::kRequest) {
      s.set_owner(this);
      tunnel |= fields.has(http::Name::kProtocol);
      requests.push_back({std::string(fields.find(http::Name::kMethod).value_or("")), {}, false});
    }
    if (end) finish(s);
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    requests.back().body.append(reinterpret_cast<const char*>(data.data()), data.size());
    connection->consumed(s, data.size());
    if (end) finish(s);
  }
  void on_sent(http::Stream&, uint32_t) override {}
  void on_reset(http::Stream&, EndReason, EndedBy) override {}
  void on_closed(http::Stream&) override {}
  void on_goaway(const http::Goaway&) override {}
  void on_settings() override {}
  void on_ping_ack(uint64_t) override {}
  void finish(http::Stream& s) {
    requests.back().whole = true;
    FieldList f;
    f.add(http::Name::kStatus, "200");
    connection->send_headers(s, f, true);
  }

  http::Connection* connection = nullptr;
  std::vector<Request> requests;
  bool tunnel = false;
};

class Sink final : public transport::Stream {
 public:
  explicit Sink(buf::Queue& queue) : transport::Stream(queue) {}
  uint32_t room() const override { return UINT32_MAX; }
  void push() override {}
  void close() override {}
  void abort() override {}
  void consumed(uint32_t) override {}
  uint64_t transmitted() const override { return output().begin(); }
  uint64_t acknowledged() const override { return output().begin(); }
  uint32_t buffers() const override { return output().slices(); }
  uint32_t buffers_ahead() const override { return 0; }
  Endpoint peer() const override { return {}; }
  Duration round_trip() const override { return {}; }
  void set_user_timeout(Duration) override {}

 private:
  void release() override {}
};

struct Framed {
  std::vector<Request> requests;
  bool ended = false;  // by a refusal, by Connection: close, or by a tunnel
};

Framed by_sluice(std::string_view bytes) {
  buf::Pool rx_pool(rx);
  buf::Pool hold_pool(hold);
  buf::Memory memory(rx_pool, hold_pool, 64, 64);
  stats::Http1 stats;
  http1::Codec codec({.memory = memory, .stats = stats});
  Owner owner;
  buf::Queue output;
  Sink wire(output);
  http::ConnectionPtr c = codec.server(owner, wire, {});
  owner.connection = c.get();
  c->start();
  const auto over = [&] { return c->failed() || c->ending() != http::Connection::Ending::kNo; };
  while (!bytes.empty() && !over()) {
    constexpr size_t kSlice = 1024;
    const size_t n = std::min(kSlice, bytes.size());
    buf::Slice s = rx_pool.alloc();
    if (!s) std::abort();
    std::copy_n(bytes.data(), n, s.mutable_data());
    s.grow_back(static_cast<uint32_t>(n));
    c->receive(std::move(s), Time{});
    bytes.remove_prefix(n);
    if (!over()) c->flush(1 << 20);
    output.clear();
    memory.refresh();
  }
  return {std::move(owner.requests), over() || owner.tunnel};
}

// A body as it comes: string_body would reserve all that Content-Length promises.
struct Collected {
  using value_type = std::string;
  struct reader {
    template <bool request, class Fields>
    reader(beast::header<request, Fields>&, std::string& to) : body(to) {}
    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) {
      error = {};
    }
    template <class Buffers>
    size_t put(const Buffers& buffers, boost::beast::error_code& error) {
      error = {};
      size_t total = 0;
      for (const boost::asio::const_buffer b : boost::beast::buffers_range_ref(buffers)) {
        body.append(static_cast<const char*>(b.data()), b.size());
        total += b.size();
      }
      return total;
    }
    void finish(boost::beast::error_code& error) { error = {}; }
    std::string& body;
  };
};

struct SecondOpinion {
  std::vector<Request> requests;
  boost::beast::error_code error;  // behind the last one
  bool past_head = false;          // of the request with the error
};

SecondOpinion by_beast(std::string_view bytes) {
  SecondOpinion out;
  while (!bytes.empty()) {
    // Beast takes no empty line in front of a request (RFC 9112, 2.2 asks for one), Sluice takes 4.
    while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    beast::request_parser<Collected> parser;
    parser.eager(true);
    parser.body_limit(boost::none);
    parser.header_limit(1 << 20);
    while (!bytes.empty() && !parser.is_done()) {
      boost::beast::error_code error;
      const size_t n = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
      bytes.remove_prefix(n);
      if (error == beast::error::need_more) break;
      if (error) {
        out.error = error;
        out.past_head = parser.is_header_done();
        return out;
      }
    }
    if (!parser.is_done()) return out;
    out.requests.push_back(
        {std::string(parser.get().method_string()), std::move(parser.get().body()), true});
  }
  return out;
}

void must(bool ok, const char* what, size_t number) {
  if (ok) return;
  std::fprintf(stderr, "broken: request %zu: %s\n", number, what);
  std::abort();
}

// Requests that Sluice takes and Beast refuses; docs/http1.md lists them.
bool may_refuse(const SecondOpinion& theirs) {
  using beast::error;
  if (theirs.error == error::bad_value ||            // an option of Connection that is no token
      theirs.error == error::bad_version ||          // HTTP/1.2 and above
      theirs.error == error::bad_chunk_extension) {  // one without a name
    return true;
  }
  // Trailers that frame: Sluice drops them, Beast takes them for fields of the head.
  return theirs.past_head && (theirs.error == error::bad_transfer_encoding ||
                              theirs.error == error::bad_content_length ||
                              theirs.error == error::multiple_content_length);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* options[] = {"fuzz",     "--no-huge", "--no-pci",       "--no-shconf", "-m",   "64",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  rx = sluice::buf::make_pool("rx", 1023, 2048 + 128, -1);
  hold = sluice::buf::make_pool("hold", 4095, 2048 + 128, -1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Framed ours = by_sluice(bytes);
  const SecondOpinion theirs = by_beast(bytes);
  size_t i = 0;
  for (; i < ours.requests.size() && ours.requests[i].whole; ++i) {
    const Request& request = ours.requests[i];
    if (i == theirs.requests.size() && may_refuse(theirs)) return 0;
    must(i < theirs.requests.size(), theirs.error.message().c_str(), i);
    const bool upgraded = request.method == "CONNECT";
    must(upgraded || request.method == theirs.requests[i].method, "another method", i);
    must(upgraded || request.body == theirs.requests[i].body, "another body", i);
  }
  if (!ours.ended) must(i >= theirs.requests.size(), "Sluice waits for more of it", i);
  return 0;
}
