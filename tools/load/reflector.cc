// A bare port, and who asks it: the least that a round trip through a DPDK port costs on a machine.
//
//   sluice-reflector --config FILE              UDP datagrams go back by the port they came by
//   sluice-reflector --ask ADDRESS --seconds S  one datagram at a time; prints latencies as JSON
//
// FILE is a configuration of Sluice, of which the ports are used. The reflector answers no ARP.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "loader/load.h"
#include "worker/hardware.h"

namespace sluice::load {
namespace {

constexpr uint16_t kPort = 7;  // echo (RFC 862)
constexpr size_t kDatagram = 100;

// Both checksums stay right: the sums do not change when addresses and ports change places.
bool turn_round(buf::Slice& frame) {
  constexpr uint32_t kEthernet = 14;
  constexpr uint32_t kIpv4 = 20;
  constexpr uint32_t kUdp = 8;
  constexpr uint8_t kUdpProtocol = 17;
  if (frame.size() < kEthernet + kIpv4 + kUdp) return false;
  uint8_t* p = frame.mutable_data();
  if (load_be16(p + 12) != 0x0800 || p[kEthernet] != 0x45 || p[kEthernet + 9] != kUdpProtocol)
    return false;
  std::swap_ranges(p, p + 6, p + 6);
  uint8_t* ip = p + kEthernet;
  std::swap_ranges(ip + 12, ip + 16, ip + 16);
  std::swap_ranges(ip + kIpv4, ip + kIpv4 + 2, ip + kIpv4 + 2);
  return true;
}

void reflect(const std::vector<nic::PortQueue*>& ports, const std::atomic<bool>& ended) {
  std::array<ip::InFrame, 32> burst;
  while (!ended.load(std::memory_order_relaxed)) {
    for (nic::PortQueue* port : ports) {
      const uint16_t n = port->receive(burst.data(), burst.size());
      for (uint16_t i = 0; i < n; ++i) {
        buf::Slice frame = burst[i].bytes.pop_front();
        if (turn_round(frame)) port->transmit(std::move(frame));
      }
      if (n > 0) port->flush();
    }
  }
}

int serve(const std::string& file) {
  const loader::Loaded loaded = loader::load(file);
  for (const loader::Mistake& m : loaded.mistakes) std::fprintf(stderr, "%s\n", m.str().c_str());
  if (!loaded.snapshot) return 2;
  worker::Hardware hardware(loaded.snapshot->startup);
  std::atomic<bool> ended{false};
  boost::asio::io_context io;
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { ended.store(true); });
  hardware.eal().launch(0, [&] { reflect(hardware.queues(0), ended); });
  std::puts("ready");
  std::fflush(stdout);
  io.run();
  hardware.eal().join(0);
  return 0;
}

int ask(const std::string& address, double seconds) {
  using Clock = std::chrono::steady_clock;
  const int s = socket(AF_INET, SOCK_DGRAM, 0);
  const timeval patience{.tv_sec = 2, .tv_usec = 0};  // a machine may stand still for a while
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  if (s < 0 || inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1 ||
      setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error(std::string("cannot ask ") + address + ": " + std::strerror(errno));
  std::vector<double> micros;
  unsigned lost = 0;
  char asked[kDatagram] = {};
  char answer[kDatagram];
  uint64_t number = 0;
  const auto length =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (const auto end = Clock::now() + length; Clock::now() < end;) {
    std::memcpy(asked, &++number, sizeof number);
    const auto at = Clock::now();
    bool back = send(s, asked, sizeof asked, 0) == sizeof asked;
    // What was late, and given up, is not the answer to the next.
    do {
      back = back && recv(s, answer, sizeof answer, 0) == sizeof answer;
    } while (back && std::memcmp(asked, answer, sizeof asked) != 0);
    if (back) {
      micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - at).count());
    } else {
      ++lost;
    }
  }
  close(s);
  if (micros.empty()) throw std::runtime_error("nothing came back");
  std::sort(micros.begin(), micros.end());
  const auto at = [&](double share) {
    return micros[std::min(micros.size() - 1,
                           static_cast<size_t>(static_cast<double>(micros.size()) * share))];
  };
  std::printf(
      "{\"calls\": %zu, \"lost\": %u, \"seconds\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"p999_us\": %.1f}\n",
      micros.size(), lost, seconds, at(0.5), at(0.99), at(0.999));
  return 0;
}

}  // namespace
}  // namespace sluice::load

int main(int argc, char** argv) {
  CLI::App app("Sends UDP datagrams back, or asks who does.", "sluice-reflector");
  std::string file;
  std::string address;
  double seconds = 1;
  auto* config = app.add_option("--config", file, "A configuration of Sluice, for its ports");
  app.add_option("--ask", address, "IPv4 address of a reflector")->excludes(config);
  app.add_option("--seconds", seconds, "how long to ask");
  CLI11_PARSE(app, argc, argv);
  try {
    return file.empty() ? sluice::load::ask(address, seconds) : sluice::load::serve(file);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "sluice-reflector: %s\n", e.what());
    return 1;
  }
}
