// libFuzzer's entry: the bytes of a peer, on a connection of either role. What must hold: however
// the bytes are cut into slices, the owner hears the same; no more receive window is given back
// than was used; all buffers come back. Clang only, see meson.build.

#include <rte_eal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "http1/codec.h"

namespace {

using namespace sluice;
using http::EndedBy;
using http::EndReason;
using http::FieldList;

rte_mempool* rx = nullptr;
rte_mempool* hold = nullptr;

void must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// Answers each request when it is whole.
class Owner final : public http::Handler {
 public:
  void on_headers(http::Stream& s, Section section, FieldList& fields, bool end) override {
    log += "[" + std::to_string(static_cast<int>(section));
    for (const http::Field f : fields) log.append(f.name).append("=").append(f.value).append(";");
    log += end ? "]" : ")";
    if (section == Section::kRequest) s.set_owner(this);
    if (end) answer(s);
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    log.append(reinterpret_cast<const char*>(data.data()), data.size());
    connection->consumed(s, data.size());
    if (end) log += "|";
    if (end) answer(s);
  }
  void on_sent(http::Stream&, uint32_t) override {}
  void on_reset(http::Stream&, EndReason, EndedBy) override { log += "R"; }
  void on_closed(http::Stream&) override { log += "C"; }
  void on_goaway(const http::Goaway&) override {}
  void on_settings() override {}
  void on_ping_ack(uint64_t) override {}
  void answer(http::Stream& s) {
    if (!server) return;
    FieldList f;
    f.add(http::Name::kStatus, "200");
    connection->send_headers(s, f, true);
  }

  bool server = true;
  http::Connection* connection = nullptr;
  std::string log;
};

class CountingStream final : public transport::Stream {
 public:
  explicit CountingStream(buf::Queue& queue) : transport::Stream(queue) {}
  uint32_t room() const override { return UINT32_MAX; }
  void push() override {}
  void close() override {}
  void abort() override {}
  void consumed(uint32_t n) override { credited += n; }
  uint64_t transmitted() const override { return output().begin(); }
  uint64_t acknowledged() const override { return output().end(); }
  uint32_t buffers() const override { return output().slices(); }
  uint32_t buffers_ahead() const override { return 0; }
  Endpoint peer() const override { return {}; }
  Duration round_trip() const override { return {}; }
  void set_user_timeout(Duration) override {}
  uint64_t credited = 0;

 private:
  void release() override {}
};

struct World {
  buf::Pool rx_pool{rx};
  buf::Pool hold_pool{hold};
  buf::Memory memory{rx_pool, hold_pool, 64, 64};
  stats::Http1 stats;
  http1::Codec codec{{.memory = memory, .stats = stats}};
};

// The log of what the owner heard.
std::string hear(World& world, std::string_view bytes, size_t slice, bool server) {
  auto& [rx_pool, hold_pool, memory, stats, codec] = world;
  Owner owner;
  owner.server = server;
  buf::Queue output;
  CountingStream wire(output);
  http::ConnectionPtr c = server ? codec.server(owner, wire, {}) : codec.client(owner, wire);
  owner.connection = c.get();
  c->start();
  FieldList request;
  request.add(http::Name::kMethod, "GET");
  request.add(http::Name::kPath, "/");
  uint64_t given = 0;
  while (!bytes.empty() && !c->failed()) {
    if (!server && c->can_open()) c->open(request, true, &owner, 0);
    const size_t n = std::min(slice, bytes.size());
    buf::Slice s = rx_pool.alloc();
    must(static_cast<bool>(s), "a buffer is there");
    std::copy_n(bytes.data(), n, s.mutable_data());
    s.grow_back(static_cast<uint32_t>(n));
    given += n;
    c->receive(std::move(s), Time{});
    bytes.remove_prefix(n);
    if (server && !c->failed()) c->flush(1 << 20);
    output.clear();
    memory.refresh();
  }
  if (!c->failed()) c->end_of_input();
  must(wire.credited <= given, "no more window than was used");
  return owner.log;
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
  if (size < 1) return 0;
  const bool server = (data[0] & 1) == 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  {
    World world;
    const std::string whole = hear(world, bytes, 1024, server);
    // A field section that came twice is not parsed any more.
    for (int i = 0; i < 2; ++i)
      must(hear(world, bytes, 1024, server) == whole, "a known section is heard as a new one");
    World other;
    const std::string pieces = hear(other, bytes, 1, server);
    // A client's next request begins between two slices: only whole connections can be compared.
    if (server) must(whole == pieces, "the owner hears the same, however the bytes are cut");
  }
  must(rte_mempool_in_use_count(rx) + rte_mempool_in_use_count(hold) == 0, "all buffers come back");
  return 0;
}
