// Sends back what a port receives, through the code that sluiced transmits with: Ethernet, IPv4 and
// UDP source and destination change places, and the payload is handed over as a packet in several
// pieces. A payload that begins with "cut N" is answered with one TCP packet of the same payload in
// segments of N bytes. Ends on SIGTERM and prints its counters. See port_test.py.
//
//   reflector DEVICE VDEV [dense] [multi_segment] [checksum] [tso] [nohuge] [in_process] [forward]

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "nic/eal.h"
#include "nic/port.h"

namespace {

using namespace sluice;

volatile std::sig_atomic_t g_stop = 0;

constexpr size_t kEthernet = 14;
constexpr size_t kIp = 20;
constexpr size_t kUdp = 8;
constexpr size_t kTcp = 20;

struct Reflector {
  nic::EthdevQueue& queue;
  bool forward = false;

  static void exchange(uint8_t* a, uint8_t* b, size_t n) { std::swap_ranges(a, a + n, b); }

  void reflect(buf::Slice frame) {
    if (frame.size() < kEthernet + kIp + kUdp) return;
    uint8_t* p = frame.mutable_data();
    if (load_be16(p + 12) != 0x0800 || p[14] != 0x45 || p[23] != 17) return;
    exchange(p, p + 6, 6);
    exchange(p + 26, p + 30, 4);
    exchange(p + 34, p + 36, 2);
    const uint32_t end = kEthernet + load_be16(p + 16);
    if (end > frame.size()) return;
    frame.drop_back(frame.size() - end);
    if (forward) {
      queue.transmit(std::move(frame));
      return;
    }
    const buf::View payload = frame.view().subspan(kEthernet + kIp + kUdp);
    uint8_t headers[kEthernet + kIp + kTcp];
    std::memcpy(headers, p, kEthernet + kIp + kUdp);
    ip::OutFrame out;
    out.l3_size = kIp;
    out.l2_size = kEthernet;
    out.payload_size = static_cast<uint32_t>(payload.size());
    if (payload.size() > 8 && std::memcmp(payload.data(), "cut ", 4) == 0) {
      out.segment_size =
          static_cast<uint16_t>(std::atoi(reinterpret_cast<const char*>(&payload[4])));
      write_tcp(headers, payload.size());
      out.headers = {headers, kEthernet + kIp + kTcp};
      out.l4_checksum_offset = kEthernet + kIp + 16;
    } else {
      store_be16(headers + kEthernet + kIp + 6, 0);
      out.headers = {headers, kEthernet + kIp + kUdp};
      out.l4_checksum_offset = kEthernet + kIp + 6;
    }
    // Three pieces, the middle one odd, as a send queue would hand them over.
    const size_t third = payload.size() / 3;
    const buf::Fragment pieces[] = {payload.first(third), payload.subspan(third, third | 1),
                                    payload.subspan(third + (third | 1))};
    const buf::Fragment whole(payload);
    out.payload = payload.size() < 8 ? std::span<const buf::Fragment>(&whole, 1) : pieces;
    queue.transmit(out);
  }

  static void write_tcp(uint8_t* headers, size_t payload) {
    uint8_t* ip = headers + kEthernet;
    store_be16(ip + 2, static_cast<uint16_t>(kIp + kTcp + payload));
    ip[9] = 6;
    uint8_t* tcp = ip + kIp;  // the ports stay
    store_be32(tcp + 4, 0xfffffff0);
    store_be32(tcp + 8, 7);
    tcp[12] = 0x50;
    tcp[13] = 0x99;  // CWR, ACK, PSH, FIN
    store_be16(tcp + 14, 1000);
    store_be32(tcp + 16, 0);
  }

  void run() {
    std::vector<ip::InFrame> burst(64);
    while (g_stop == 0) {
      const uint16_t n = queue.receive(burst.data(), 64);
      for (uint16_t i = 0; i < n; ++i) reflect(burst[i].bytes.pop_front());
      queue.flush();
    }
  }
};

int run(int argc, char** argv) {
  nic::EalOptions eal_options;
  eal_options.worker_cores = {0};
  eal_options.control_core = 1;
  eal_options.memory_mib = 128;
  eal_options.vdevs = {argv[2]};
  nic::PortOptions options;
  options.name = "test";
  options.devices = {argv[1]};
  nic::PoolOptions sizes{.rx_mbufs = 16384, .tx_mbufs = 4096, .hold_mbufs = 1024};
  bool forward = false;
  for (int i = 3; i < argc; ++i) {
    const std::string flag = argv[i];
    config::NicProfile& p = options.profile;
    if (flag == "dense") {
      p.dense_pool = p.tx_from_rx_pool = true;
      p.rx_offset = 384;
      p.rx_descriptors = p.tx_descriptors = 2048;
    } else if (flag == "multi_segment") {
      p.multi_segment = true;
    } else if (flag == "checksum") {
      p.tx_checksum = true;
    } else if (flag == "tso") {
      p.tso = true;
    } else if (flag == "in_process") {
      p.copies_in_process = true;
    } else if (flag == "nohuge") {
      eal_options.hugepages = false;
    } else if (flag == "forward") {
      forward = true;
    } else {
      std::fprintf(stderr, "unknown flag %s\n", argv[i]);
      return 2;
    }
  }
  nic::Eal eal(eal_options);
  nic::Pools pools(sizes, {options.profile});
  nic::Port port(options, pools, 1);
  const auto& m = port.mac();
  std::printf("ready %02x:%02x:%02x:%02x:%02x:%02x\n", m[0], m[1], m[2], m[3], m[4], m[5]);
  std::fflush(stdout);
  Reflector reflector{port.queue(0), forward};
  eal.launch(0, [&reflector] { reflector.run(); });
  eal.join(0);
  const nic::QueueStats& s = port.queue(0).stats();
  std::printf("rx %lu tx %lu full %lu nomem %lu oversize %lu flattened %lu free %u of %u\n",
              s.rx_packets, s.tx_packets, s.tx_full, s.tx_no_memory, s.tx_oversize, s.rx_flattened,
              pools.rx(0).available(), pools.rx(0).size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: reflector DEVICE VDEV [FLAG...]\n");
    return 2;
  }
  std::signal(SIGTERM, [](int) { g_stop = 1; });
  std::signal(SIGINT, [](int) { g_stop = 1; });
  try {
    return run(argc, argv);
  } catch (const nic::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
