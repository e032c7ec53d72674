// sluice-replay: sends a capture through the worker's production loop, without a NIC, and captures
// the packets that leave. docs/operations.md has its rules.

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/byte_order.h"
#include "base/version.h"
#include "buf/pool.h"
#include "config/published.h"
#include "control/maglev_tables.h"
#include "control/slot_assignment.h"
#include "ip/routes.h"
#include "loader/load.h"
#include "replayer/pcap.h"
#include "replayer/port.h"
#include "stats/worker.h"
#include "worker/orders.h"
#include "worker/settings.h"
#include "worker/worker.h"

namespace {

using namespace sluice;
using namespace replayer;

constexpr int kFailed = 1;    // it did not run
constexpr int kMistakes = 2;  // in the command line or the configuration

constexpr uint32_t kBuffers = 8'191;
constexpr uint16_t kBufferRoom = 16'512;  // bytes: merged packets are cut by the capture's tool
constexpr uint16_t kMtu = 1'500;

// Goes as the capture says.
struct Clock {
  static constexpr uint64_t kBegin = 1'000'000'000;
  uint64_t now = kBegin;  // nanoseconds
  uint64_t cycles() const { return now; }
  Time at(uint64_t cycles) const { return Time{Duration{static_cast<int64_t>(cycles)}}; }
};

void start_eal() {
  const char* options[] = {
      "sluice-replay", "--no-huge", "--no-pci",       "--no-shconf", "-m",   "512",
      "--lcores",      "0",         "--no-telemetry", "--log-level", "error"};
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<char*> args;
  for (const char* o : options) args.push_back(const_cast<char*>(o));
  if (rte_eal_init(static_cast<int>(args.size()), args.data()) < 0)
    throw std::runtime_error(std::string("DPDK does not start: ") + rte_strerror(rte_errno));
  sched_setaffinity(0, sizeof allowed, &allowed);  // DPDK has pinned the thread
}

std::optional<Address> address_at(const Bytes& packet, bool source) {
  if (packet.size() >= 20 && packet[0] >> 4 == 4)
    return Address::v4(packet.data() + (source ? 12 : 16));
  if (packet.size() < 40 || packet[0] >> 4 != 6) return std::nullopt;
  Address a;
  std::copy_n(packet.begin() + (source ? 8 : 24), 16, a.bytes.begin());
  return a;
}

class Replay {
 public:
  using Worker = worker::Worker<Port, Clock>;

  Replay(std::unique_ptr<config::Snapshot> snapshot, CaptureWriter& out)
      : out_(out),
        snapshot_(std::move(snapshot)),
        routes_(worker_routes(snapshot_->startup)),
        pool_(buf::make_pool("replay", kBuffers, kBufferRoom, -1)) {
    prepare();
    for (size_t i = 0; i < snapshot_->startup.ports.size(); ++i)
      ports_.push_back(std::make_unique<Port>(static_cast<uint8_t>(i + 1), kMtu, buf::Pool(pool_),
                                              [this](const Bytes& frame) { on_sent(frame); }));
    std::vector<Port*> ports;
    for (const auto& p : ports_) ports.push_back(p.get());
    worker_ = std::make_unique<Worker>(Worker::Setup{.ports = ports,
                                                     .clock = clock_,
                                                     .rx = buf::Pool(pool_),
                                                     .hold = buf::Pool(pool_),
                                                     .pin_above = kBuffers / 2,
                                                     .published = published_,
                                                     .orders = orders_,
                                                     .workers = all_,
                                                     .self = 0,
                                                     .secret = {1, 2}});
    settle();
  }
  Replay(const Replay&) = delete;

  // Packets without a port are counted, and left out.
  void run(const Capture& capture) {
    for (const Captured& c : capture.frames) {
      if (began_ == Started{}) began_ = {true, c.time};
      time_ = std::max(time_, c.time);
      clock_.now = std::max(clock_.now,
                            Clock::kBegin + static_cast<uint64_t>((time_ - began_.time).count()));
      settle();  // timers that are due before the packet
      if (enter(c.frame, capture.ethernet)) {
        ++read_;
      } else {
        ++left_out_;
      }
      settle();
    }
  }
  std::string summary() const {
    std::string text =
        fmt::format("{} packets in, {} left out, {} packets out\n", read_, left_out_, written_);
    counters_.l4.for_each([&](std::string_view name, const auto& value, std::string_view) {
      if (value.get() != 0) text += fmt::format("l4.{} {}\n", name, value.get());
    });
    for (size_t p = 0; p < ports_.size(); ++p)
      for (size_t i = 0; i < stats::kDrops; ++i)
        if (const uint64_t n = counters_.port(p).drops[i].get(); n != 0)
          text += fmt::format("{}.{} {}\n", snapshot_->startup.ports[p].name,
                              stats::kDropInfo[i].name, n);
    return text;
  }

 private:
  struct Started {
    bool yes = false;
    std::chrono::nanoseconds time{};
    bool operator==(const Started&) const = default;
  };

  static ip::RouteTable worker_routes(const config::Startup& startup) {
    std::vector<ip::Route> routes;
    const auto ports = worker::port_addresses(startup);
    for (size_t i = 0; i < ports.size(); ++i) {
      for (const Prefix& p : ports[i].addresses)
        routes.push_back({p, std::nullopt, static_cast<uint16_t>(i)});
      for (ip::Route r : ports[i].routes) {
        r.port = static_cast<uint16_t>(i);
        routes.push_back(r);
      }
    }
    return ip::RouteTable(routes);
  }

  // As control does before it publishes.
  void prepare() {
    snapshot_->generation = 1;
    snapshot_->startup.workers = 1;
    control::SlotAssignment slots(all_);
    std::string why;
    if (!slots.assign(*snapshot_, 0, why)) throw std::runtime_error(why);
    control::fill_maglev_tables(*snapshot_, nullptr);
    published_.set(snapshot_.get());
  }

  // A packet enters by the port that leads back to its source.
  bool enter(Bytes frame, bool ethernet) {
    Bytes packet = std::move(frame);
    if (ethernet) {
      if (packet.size() < ip::kEthernetSize) return false;
      const uint16_t type = load_be16(packet.data() + 12);
      if (type != ip::kEtherIpv4 && type != ip::kEtherIpv6) return false;
      packet.erase(packet.begin(), packet.begin() + ip::kEthernetSize);
    }
    const auto source = address_at(packet, true);
    if (!source) return false;
    const ip::Route* route = routes_.find(*source);
    if (route == nullptr) return false;
    Bytes whole(ip::kEthernetSize);
    ip::emit_ethernet(whole.data(), ip::Mac{}, Port::mac_of(*source).data(),
                      source->is_v4() ? ip::kEtherIpv4 : ip::kEtherIpv6);
    whole.insert(whole.end(), packet.begin(), packet.end());
    return ports_[route->port]->put(std::move(whole));
  }

  // Until nothing arrives any more: answers of neighbours release packets that waited for them.
  void settle() {
    const auto waiting = [&] {
      for (const auto& p : ports_)
        if (!p->empty()) return true;
      return false;
    };
    do worker_->turn();
    while (waiting());
    clock_.now += 2'000'000;  // above the interval in which a worker publishes its numbers
    worker_->turn();
  }

  void on_sent(const Bytes& frame) {
    ++written_;
    out_.write(time_, frame);
  }

  CaptureWriter& out_;
  std::unique_ptr<config::Snapshot> snapshot_;
  ip::RouteTable routes_;
  rte_mempool* pool_;
  config::Published published_;
  worker::Orders orders_;
  stats::Worker counters_;
  std::vector<stats::Worker*> all_{&counters_};
  Clock clock_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<Worker> worker_;
  Started began_;
  std::chrono::nanoseconds time_{};
  uint64_t read_ = 0, left_out_ = 0, written_ = 0;
};

}  // namespace

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  CLI::App app("Sends a capture through Sluice without a NIC.", "sluice-replay");
  app.set_version_flag("--version", std::string("sluice-replay ") + kVersion);
  std::string in, out, file;
  app.add_option("IN", in, "A pcap file of packets from clients and pods")->required();
  app.add_option("OUT", out, "The packets that Sluice sends; replaced")->required();
  app.add_option("--config", file, "A configuration of sluiced")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kMistakes;
  }
  loader::Loaded loaded = loader::load(file);
  for (const loader::Mistake& m : loaded.mistakes) std::cerr << m.str() << "\n";
  if (!loaded.snapshot) return kMistakes;
  try {
    const Capture capture = read_capture(in);
    CaptureWriter writer(out);
    start_eal();
    Replay replay(std::move(loaded.snapshot), writer);
    replay.run(capture);
    if (!writer.close()) throw std::runtime_error(out + ": cannot be written");
    std::cout << replay.summary() << std::flush;
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "sluice-replay: " << e.what() << "\n";
    return kFailed;
  }
}
