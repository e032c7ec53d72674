// libFuzzer: any bytes as a frame that a TAP device hands over, its header first. A socket pair
// stands for the device. A frame that is handed on has the bytes that were sent, and the promises
// of ip::InFrame hold. The first byte of the input says how many receive buffers are left.

#include <rte_eal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <vector>

#include "nic/tun_queue.h"

using namespace sluice;

namespace {

// Several small buffers for each frame, so that short inputs are chains.
constexpr uint32_t kRoom = 256;
constexpr uint32_t kBuffers = 511;

rte_mempool* pool = nullptr;
int device[2];

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(const ip::InFrame& frame, buf::View sent) {
  require(frame.bytes.size() == sent.size());
  require(frame.bytes.front().size() == std::min<size_t>(sent.size(), kRoom));
  size_t at = 0;
  frame.bytes.for_each([&](buf::View v) {
    require(std::memcmp(v.data(), sent.data() + at, v.size()) == 0);
    at += v.size();
  });
  require(at == sent.size());
  if (frame.segment_size != 0) require(frame.checksum == ip::L4Checksum::kNone);
  if (frame.checksum != ip::L4Checksum::kNone) return;
  const uint8_t* p = frame.bytes.front().data();
  require(sent.size() >= 14 + 20 + 8);
  require((p[12] == 0x08 && p[13] == 0x00 && (p[23] == 6 || p[23] == 17)) ||
          (p[12] == 0x86 && p[13] == 0xdd));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* options[] = {"fuzz",     "--no-huge", "--no-pci",       "--no-shconf", "-m",   "64",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  pool = buf::make_pool("rx", kBuffers, RTE_PKTMBUF_HEADROOM + kRoom, -1);
  return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, device);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint32_t left = data[0] == 0 ? kBuffers : data[0] % 32;
  const buf::View sent(data + 1, size - 1);
  {
    std::vector<buf::Slice> hoard;
    while (buf::Pool(pool).available() > left) hoard.push_back(buf::Pool(pool).alloc());
    nic::TunQueue queue({.fd = device[0], .rx_pool = pool});
    for (int i = 0; i < 2; ++i) {  // the second one finds buffers that were used
      if (::send(device[1], sent.data(), sent.size(), 0) < 0) break;
      std::array<ip::InFrame, 2> frames;
      const uint16_t n = queue.receive(frames.data(), 2);
      require(n <= 1);
      const bool counted = queue.stats().rx_malformed + queue.stats().rx_oversize +
                               queue.rx_no_buffer() + queue.stats().rx_packets >
                           0;
      require(counted);
      if (n == 1) check(frames[0], sent.subspan(sizeof(nic::VirtioHeader)));
      char rest;  // of a frame that found no buffer at all
      while (::recv(device[0], &rest, 1, 0) >= 0) {
      }
    }
  }
  require(buf::Pool(pool).available() == kBuffers);
  return 0;
}
