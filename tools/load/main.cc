// sluice-load: the other end of Sluice's wires. Over two memif interfaces it plays clients and pods
// at once, on one core, made of the same rooms as Sluice; or it sends bare frames into one wire and
// expects them out of the other (echo), which a second sluice-load carries across (reflect).

#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <thread>

#include "clients.h"
#include "echo.h"
#include "nic/eal.h"
#include "nic/port.h"
#include "options.h"
#include "phases.h"
#include "pods.h"
#include "side.h"
#include "worker/clock.h"

namespace sluice::load {

namespace {

std::atomic<bool> ended = false;

constexpr uint16_t kPort = 50051;
constexpr uint32_t kNorth = 0xc612'0000;  // 198.18.0.0/16: .0.1 Sluice, .0.2 its VIP, .1.x clients
constexpr uint32_t kSouth = 0xc613'0000;  // 198.19.0.0/16: .0.1 Sluice, .1.x pods

constexpr char kVirtioUser[] = ",queue_size=1024";  // arguments of the device

// The load is the end of a wire that copies: a client of memif's, and the host of a virtual NIC. As
// the host it sends packets that nobody has cut, since Sluice takes them.
const config::NicProfile kMemif{.name = "memif",
                                .multi_segment = true,
                                .rx_offset = 128,
                                .max_mtu = 1500,
                                .max_queues = 1,
                                .rx_descriptors = 1024,
                                .tx_descriptors = 1024,
                                .tx_burst = 64};
const config::NicProfile kVhost{.name = "vhost",
                                .multi_segment = true,
                                .tx_checksum = true,
                                .tso = true,
                                .tso_length = true,
                                .rx_checksum = true,
                                .lro = true,
                                .scatter = true,
                                .unoffered = true,
                                .rx_offset = 128,
                                .max_mtu = kMaxMtu,
                                .max_queues = 1,
                                .rx_descriptors = 1024,
                                .tx_descriptors = 1024,
                                .tx_burst = 64,
                                .tx_segments = 64};
const config::NicProfile kVirtio{.name = "virtio",
                                 .multi_segment = true,
                                 .scatter = true,
                                 .rx_offset = 128,
                                 .max_mtu = kMaxMtu,
                                 .max_queues = 1,
                                 .rx_descriptors = 1024,
                                 .tx_descriptors = 1024,
                                 .tx_burst = 64};

// The devices of this process. The reflector has Sluice's end of the wires.
struct Wires {
  const config::NicProfile& profile;
  std::array<std::string, 2> devices;  // north, south
  std::string arguments;               // of the devices, behind the path of the socket
};

Wires wires_of(const Options& o) {
  const bool reflector = o.mode == Options::Mode::kReflect;
  if (o.nic == Options::Nic::kMemif)
    return {kMemif,
            {"net_memif0", "net_memif1"},
            std::string(",socket-abstract=no,rsize=12,role=") + (reflector ? "server" : "client")};
  if (reflector) return {kVirtio, {"net_virtio_user0", "net_virtio_user1"}, kVirtioUser};
  return {kVhost, {"net_vhost0", "net_vhost1"}, ",tso=1"};
}

nic::EalOptions eal_options(const Options& o, const Wires& wires) {
  const char* path = ",socket=";
  if (o.nic == Options::Nic::kVirtio)
    path = o.mode == Options::Mode::kReflect ? ",path=" : ",iface=";
  const auto device = [&](size_t i, const std::string& socket) {
    return wires.devices[i] + path + socket + wires.arguments;
  };
  nic::EalOptions e;
  e.worker_cores = {o.core};
  e.control_core = o.core;
  e.memory_mib = 256;
  e.vdevs = {device(0, o.north), device(1, o.south)};
  if (o.nic == Options::Nic::kVirtio) e.extra = {"--single-file-segments"};
  return e;
}

// The clients on one wire and the pods on the other.
class World {
 public:
  World(const Options& o, const Recording& recording, nic::PortQueue& north, nic::PortQueue& south,
        const nic::Pools& pools, worker::TscClock& clock)
      : clock_(clock),
        wheel_(clock.at(clock.cycles())),
        memory_(pools.rx(0), pools.hold(0), pools.reserve(), kHoldReserve),
        clients_side_(north, network(kNorth), addresses(kNorth, Clients::kAddresses), memory_,
                      wheel_, clock.cycles()),
        pods_side_(south, network(kSouth), addresses(kSouth, o.pods), memory_, wheel_,
                   clock.cycles()),
        pods_(o.plan, pods_side_.tcp(), memory_, kPort),
        clients_(o.plan, recording, clients_side_.tcp(), memory_,
                 addresses(kNorth, Clients::kAddresses), {Address::v4(kNorth + 2), kPort}) {}

  bool turn(uint64_t cycles) {
    const Time now = clock_.at(cycles);
    memory_.refresh();
    const uint64_t sent = frames_sent();
    const auto date = [this] { clients_.set_now(clock_.at(clock_.cycles())); };
    bool worked = pods_side_.receive(now, [] {});
    worked |= clients_side_.receive(now, date);
    wheel_.advance(now);
    clients_.turn(now);
    for (Side* side : {&pods_side_, &clients_side_}) {
      side->tcp().flush(now);
      side->port().flush();
    }
    return worked || frames_sent() != sent;
  }

  uint64_t errors() { return clients_.tally().errors + pods_.errors() - pod_errors_; }
  bool ready() const { return clients_.ready(); }
  Outcome outcome() {
    const Tally& t = clients_.tally();
    return {.calls = t.calls,
            .errors = errors(),
            .decoded = t.decoded,
            .connections = t.connections,
            .body_bytes = t.body_bytes,
            .busy_share = busy.share()};
  }
  const Latencies& latencies() { return clients_.tally().latencies; }
  void clear() {
    clients_.tally() = {};
    pod_errors_ = pods_.errors();
    busy.clear();
  }
  void pace(double rate, Time now) { clients_.pace(rate, now); }
  void end(Time now) {
    for (Side* side : {&pods_side_, &clients_side_}) {
      side->tcp().for_each([](tcp::Connection& c) { c.abort(); });
      side->tcp().flush(now);
      side->port().flush();
    }
  }

  Busy busy;

 private:
  static constexpr uint32_t kHoldReserve = 1024;

  static Prefix network(uint32_t base) { return {Address::v4(base + 0xfffe), 96 + 16}; }
  static std::vector<Address> addresses(uint32_t base, unsigned n) {
    std::vector<Address> all;
    for (unsigned i = 0; i < n; ++i) all.push_back(Address::v4(base + 0x100 + i));
    return all;
  }
  uint64_t frames_sent() {
    return pods_side_.port().stats().tx_packets + clients_side_.port().stats().tx_packets;
  }

  worker::TscClock& clock_;
  TimerWheel wheel_;
  buf::Memory memory_;
  Side clients_side_;
  Side pods_side_;
  Pods pods_;
  Clients clients_;
  uint64_t pod_errors_ = 0;
};

// False: it did not come to its end.
template <class LoadT>
bool run(LoadT& load, const Options& o, worker::TscClock& clock) {
  uint64_t before = clock.cycles();
  Phases<LoadT> phases(load, Duration(static_cast<int64_t>(o.seconds * 1e9)), o.shares,
                       clock.at(before));
  while (!ended.load(std::memory_order_relaxed)) {
    const bool worked = load.turn(before);
    const uint64_t after = clock.cycles();
    load.busy.turn(after - before, worked);
    before = after;
    if (!phases.turn(clock.at(after))) break;
  }
  load.end(clock.at(clock.cycles()));
  return !ended.load() && !phases.failed();
}

bool wait_for_links(nic::Port& north, nic::Port& south) {
  for (int i = 0; i < 3000 && !ended.load(); ++i) {
    if (north.link().up && south.link().up) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

int run(const Options& o) {
  std::unique_ptr<Recording> recording;
  if (o.mode == Options::Mode::kCalls)
    recording = std::make_unique<Recording>(o.blocks, o.plan.request_bytes);
  const Wires wires = wires_of(o);
  nic::Eal eal(eal_options(o, wires));
  const std::vector<config::NicProfile> profiles{wires.profile, wires.profile};
  const nic::Pools pools({.rx_mbufs = 32768, .tx_mbufs = 8192, .hold_mbufs = 16384}, profiles);
  nic::Port north({"north", {wires.devices[0]}, wires.profile, static_cast<uint16_t>(o.mtu)}, pools,
                  1);
  nic::Port south({"south", {wires.devices[1]}, wires.profile, static_cast<uint16_t>(o.mtu)}, pools,
                  1);
  worker::TscClock clock(nic::tsc_hz());
  std::printf("{\"ready\": \"%s\", \"tsc_hz\": %lu}\n", o.north.c_str(), nic::tsc_hz());
  std::fflush(stdout);
  if (o.mode != Options::Mode::kReflect && !wait_for_links(north, south)) {
    std::fprintf(stderr, "sluice-load: nobody at the other end of the wire\n");
    return 1;
  }
  bool good = true;
  eal.launch(0, [&] {
    if (o.mode == Options::Mode::kReflect) {
      reflect(north.queue(0), south.queue(0), ended);
    } else if (o.mode == Options::Mode::kEcho) {
      Echo echo(o.window, o.frame_bytes, north.queue(0), south.queue(0), pools.hold(0), clock);
      good = run(echo, o, clock);
    } else {
      World world(o, *recording, north.queue(0), south.queue(0), pools, clock);
      good = run(world, o, clock);
    }
  });
  eal.join(0);
  return good ? 0 : 1;
}

}  // namespace

}  // namespace sluice::load

int main(int argc, char** argv) {
  const sluice::load::Options options = sluice::load::read_options(argc, argv);
  for (const int number : {SIGTERM, SIGINT, SIGHUP})
    std::signal(number, [](int) { sluice::load::ended.store(true); });
  try {
    return sluice::load::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "sluice-load: %s\n", e.what());
    return 1;
  }
}
