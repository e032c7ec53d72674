// The stack against a real kernel: a TUN device is the wire, impaired on request. Started by
// kernel_test.py in a network namespace of its own.
//
//   kernel_peer DEVICE [loss=P] [delay=MS] [jitter=MS] [reorder=P] [duplicate=P] [seed=N]
//
// The stack is 198.18.9.2. Port 7 echoes until the peer closes, then closes. Port 19 reads eight
// bytes, a big-endian count, sends that many bytes of the pattern and closes. Port 9 discards, and
// says after the peer's close how many bytes of the pattern came ("ok COUNT" or "wrong").

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <rte_eal.h>

#include "base/random.h"
#include "ip/checksum.h"
#include "tcp/stack.h"

using namespace sluice;

namespace {

uint8_t pattern(uint64_t position) {
  return static_cast<uint8_t>(position * 131 + (position >> 11));
}

struct Impairment {
  double loss = 0, reorder = 0, duplicate = 0;
  double delay_ms = 0, jitter_ms = 0;
  uint64_t seed = 1;
};

Time clock_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Time(Duration(t.tv_sec * 1'000'000'000 + t.tv_nsec));
}

// The TUN device and what happens to packets on it, in both directions alike.
class Wire final : public ip::Output {
 public:
  Wire(int fd, const Impairment& model) : fd_(fd), model_(model), random_(model.seed) {}

  ip::Sent send(const ip::OutPacket& p, Time now) override {
    std::vector<uint8_t> b(20);
    b[0] = 0x45;
    b[1] = p.tos;
    b[6] = 0x40;
    b[8] = 64;
    b[9] = 6;
    std::memcpy(&b[12], p.source.v4_bytes(), 4);
    std::memcpy(&b[16], p.destination.v4_bytes(), 4);
    b.insert(b.end(), p.header.begin(), p.header.end());
    for (const auto& v : p.payload) b.insert(b.end(), v.begin(), v.end());
    store_be16(&b[2], static_cast<uint16_t>(b.size()));
    store_be16(&b[10], ip::checksum({b.data(), 20}));
    const uint16_t sum =
        ip::checksum_l4(p.source, p.destination, 6, {b.data() + 20, b.size() - 20});
    store_be16(&b[20 + p.checksum_offset], sum);
    impair(std::move(b), true, now);
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return 1480; }
  const Address* source_for(const Address&) const override { return &self_; }
  uint32_t max_tso(const Address&) const override { return 0; }

  void impair(std::vector<uint8_t> packet, bool out, Time now) {
    if (random_.chance(model_.loss)) return;
    double ms = model_.delay_ms + model_.jitter_ms * random_.uniform();
    if (random_.chance(model_.reorder)) ms += 0.5 + 3 * random_.uniform();
    const int copies = random_.chance(model_.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i)
      flying_.emplace(now + Duration(static_cast<int64_t>(ms * 1e6)), Flying{packet, out});
  }

  template <class Fn>
  void deliver(Time now, Fn&& in) {
    while (!flying_.empty() && flying_.begin()->first <= now) {
      Flying f = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      if (f.out) {
        if (write(fd_, f.packet.data(), f.packet.size()) < 0) ++dropped;
      } else {
        in(f.packet);
      }
    }
  }
  Time next() const { return flying_.empty() ? kNever : flying_.begin()->first; }
  uint64_t dropped = 0;

 private:
  struct Flying {
    std::vector<uint8_t> packet;
    bool out;
  };
  int fd_;
  Impairment model_;
  Random random_;
  std::multimap<Time, Flying> flying_;
  Address self_ = Address::v4(0xc6120902);
};

// One service on one connection.
struct Session final : tcp::User {
  enum class Service { kEcho, kDiscard, kSource };
  Service service;
  buf::Memory& memory;
  uint64_t received = 0;
  uint64_t to_send = 0;
  uint64_t sent = 0;
  bool wrong = false;
  uint8_t count[8];

  Session(Service s, buf::Memory& m) : service(s), memory(m) {}

  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice data) override {
    const uint32_t n = data.size();
    if (service == Service::kEcho) {
      received += n;
      if (c.send_queue().append_copy(data.view(), memory.hold())) {
        c.push();
      } else {
        std::printf("no memory to echo\n");
        c.abort();
        return;
      }
      held += n;
      credit(c);
      return;
    }
    for (uint8_t b : data.view()) {
      if (service == Service::kDiscard && b != pattern(received)) wrong = true;
      if (service == Service::kSource && received < 8) count[received] = b;
      ++received;
    }
    c.consumed(n);
    if (service == Service::kSource && received == 8) {
      to_send = load_be64(count);
      produce(c);
    }
  }
  void on_end_of_data(tcp::Connection& c) override {
    if (service == Service::kDiscard) {
      char text[64];
      const int n = wrong ? std::snprintf(text, sizeof text, "wrong\n")
                          : std::snprintf(text, sizeof text, "ok %lu\n", received);
      (void)c.send_queue().append_copy(
          {reinterpret_cast<const uint8_t*>(text), static_cast<size_t>(n)}, memory.hold());
      c.push();
    }
    if (service != Service::kSource) c.close();
  }
  void on_writable(tcp::Connection& c) override {
    if (service == Service::kEcho) credit(c);
    if (service == Service::kSource) produce(c);
  }
  void on_closed(tcp::Connection&, tcp::CloseReason) override { delete this; }

 private:
  uint32_t held = 0;
  void credit(tcp::Connection& c) {
    const uint32_t n = std::min(held, c.send_space());
    held -= n;
    if (n > 0) c.consumed(n);
  }
  void produce(tcp::Connection& c) {
    uint8_t chunk[1024];
    while (sent < to_send && c.send_space() > 0) {
      const size_t n = std::min<uint64_t>({sizeof chunk, to_send - sent, c.send_space()});
      for (size_t i = 0; i < n; ++i) chunk[i] = pattern(sent + i);
      if (!c.send_queue().append_copy({chunk, n}, memory.hold())) break;
      sent += n;
    }
    c.push();
    if (sent == to_send) c.close();
  }
};

struct Listener : tcp::Acceptor {
  Session::Service service;
  buf::Memory& memory;
  Listener(Session::Service s, buf::Memory& m) : service(s), memory(m) {}
  tcp::User* on_accept(tcp::Connection&) override { return new Session(service, memory); }
};

volatile sig_atomic_t stopping = 0;

}  // namespace

int main(int argc, char** argv) {
  Impairment model;
  for (int i = 2; i < argc; ++i) {
    const std::string a = argv[i];
    const auto eq = a.find('=');
    const std::string key = a.substr(0, eq);
    const double v = std::atof(a.c_str() + eq + 1);
    if (key == "loss") model.loss = v;
    if (key == "delay") model.delay_ms = v;
    if (key == "jitter") model.jitter_ms = v;
    if (key == "reorder") model.reorder = v;
    if (key == "duplicate") model.duplicate = v;
    if (key == "seed") model.seed = static_cast<uint64_t>(v);
  }
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "%s", argv[1]);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
    std::perror("TUN");
    return 1;
  }
  const char* options[] = {"kernel_peer", "--no-huge", "--no-pci", "--no-shconf",    "-m",
                           "256",         "--lcores",  "0",        "--no-telemetry", "--log-level",
                           "error"};
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  sched_setaffinity(0, sizeof allowed, &allowed);
  std::signal(SIGTERM, [](int) { stopping = 1; });

  rte_mempool* rx = buf::make_pool("rx", 16'383, 2048 + 128, -1);
  rte_mempool* hold = buf::make_pool("hold", 32'767, 2048 + 128, -1);
  const unsigned rx_free = rte_mempool_avail_count(rx);
  const unsigned hold_free = rte_mempool_avail_count(hold);
  int result = 0;
  {
    Time now = clock_now();
    TimerWheel wheel(now);
    buf::Memory memory{buf::Pool(rx), buf::Pool(hold), 1024, 512};
    Wire wire(fd, model);
    tcp::Counters counters;
    tcp::Config config;
    config.send_buffer = 8 * 1024 * 1024;
    tcp::Stack stack(config, wire, wheel, memory, counters, SipKey{model.seed, 99});
    Listener echo(Session::Service::kEcho, memory);
    Listener discard(Session::Service::kDiscard, memory);
    Listener source(Session::Service::kSource, memory);
    const Address self = Address::v4(0xc6120902);
    stack.listen({self, 7}, &echo);
    stack.listen({self, 9}, &discard);
    stack.listen({self, 19}, &source);
    std::printf("ready\n");
    std::fflush(stdout);

    while (!stopping) {
      pollfd p{fd, POLLIN, 0};
      now = clock_now();
      const Time next = std::min(wire.next(), wheel.next());
      int64_t wait = next == kNever ? 100'000'000 : std::max<int64_t>((next - now).count(), 0);
      const timespec ts{0, std::min<int64_t>(wait, 100'000'000)};
      ppoll(&p, 1, &ts, nullptr);
      now = clock_now();
      std::vector<uint8_t> buffer(2048);
      for (int burst = 0; burst < 64; ++burst) {
        const ssize_t n = read(fd, buffer.data(), buffer.size());
        if (n <= 40 || buffer[9] != 6 || buffer[0] != 0x45) {
          if (n < 0) break;
          if (n < 40 || buffer[9] != 6 || buffer[0] != 0x45) continue;
        }
        wire.impair({buffer.begin(), buffer.begin() + n}, false, now);
      }
      wire.deliver(now, [&](const std::vector<uint8_t>& packet) {
        buf::Slice s = buf::Pool(rx).alloc();
        if (!s) return;
        s.grow_back(static_cast<uint32_t>(packet.size() - 20));
        std::memcpy(s.mutable_data(), packet.data() + 20, packet.size() - 20);
        tcp::Received r{Address::v4(&packet[12]), Address::v4(&packet[16]), packet[1],
                        std::move(s)};
        stack.input({&r, 1}, now);
      });
      wheel.advance(now);
      memory.refresh();
      stack.flush(now);
      wire.deliver(now, [](const std::vector<uint8_t>&) {});
    }
    std::printf("connections %zu\n", stack.connections());
    counters.for_each([](std::string_view name, const auto& v, std::string_view) {
      if (v.get() > 0) std::printf("%s %lu\n", name.data(), v.get());
    });
    stack.for_each([](tcp::Connection& c) { c.abort(); });
    stack.flush(now);
  }
  if (rte_mempool_avail_count(rx) != rx_free || rte_mempool_avail_count(hold) != hold_free) {
    std::printf("buffers leak\n");
    result = 1;
  }
  return result;
}
