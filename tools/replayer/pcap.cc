#include "replayer/pcap.h"

#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace replayer {

namespace {

constexpr uint32_t kMicros = 0xa1b2c3d4, kNanos = 0xa1b23c4d;  // magic numbers
constexpr uint32_t kEthernet = 1, kRawIp = 101;                // link types
constexpr uint32_t kLongest = 262'144;                         // bytes of a frame

uint32_t swapped(uint32_t v) {
  return __builtin_bswap32(v);
}

uint32_t word(const uint8_t* p, bool swap) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return swap ? swapped(v) : v;
}

template <size_t kSize>
bool read(std::ifstream& in, std::array<uint8_t, kSize>& to) {
  return static_cast<bool>(in.read(reinterpret_cast<char*>(to.data()), kSize));
}

}  // namespace

Capture read_capture(const std::filesystem::path& file) {
  const auto fail = [&](const char* why) { throw std::runtime_error(file.string() + ": " + why); };
  std::ifstream in(file, std::ios::binary);
  if (!in) fail("cannot be read");
  std::array<uint8_t, 24> header;
  if (!read(in, header)) fail("is no pcap file: it is too short");
  const uint32_t magic = word(header.data(), false);
  const bool swap = magic == swapped(kMicros) || magic == swapped(kNanos);
  const uint32_t plain = swap ? swapped(magic) : magic;
  if (plain != kMicros && plain != kNanos)
    fail("is no pcap file (pcapng: convert it with \"tcpdump -r IN -w OUT\" or editcap -F pcap)");
  const uint32_t link = word(header.data() + 20, swap) & 0xffff;
  if (link != kEthernet && link != kRawIp) fail("has neither Ethernet frames nor IP packets");
  Capture capture;
  capture.ethernet = link == kEthernet;
  std::array<uint8_t, 16> record;
  while (read(in, record)) {
    const uint32_t size = word(record.data() + 8, swap);
    if (size > kLongest) fail("has a frame that is too long");
    Captured c;
    c.time = std::chrono::seconds(word(record.data(), swap)) +
             std::chrono::nanoseconds(uint64_t{word(record.data() + 4, swap)} *
                                      (plain == kNanos ? 1 : 1000));
    c.frame.resize(size);
    if (!in.read(reinterpret_cast<char*>(c.frame.data()), size)) fail("ends within a frame");
    if (word(record.data() + 12, swap) != size) fail("has frames that are cut; capture whole ones");
    capture.frames.push_back(std::move(c));
  }
  return capture;
}

CaptureWriter::CaptureWriter(const std::filesystem::path& file)
    : out_(file, std::ios::binary | std::ios::trunc) {
  if (!out_) throw std::runtime_error(file.string() + ": cannot be written");
  const std::array<uint32_t, 6> header{kNanos, 2 | 4 << 16, 0, 0, kLongest, kEthernet};
  static_assert(std::endian::native == std::endian::little);
  out_.write(reinterpret_cast<const char*>(header.data()), sizeof header);
}

void CaptureWriter::write(std::chrono::nanoseconds time, const Bytes& frame) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  const auto size = static_cast<uint32_t>(frame.size());
  const std::array<uint32_t, 4> record{static_cast<uint32_t>(seconds.count()),
                                       static_cast<uint32_t>((time - seconds).count()), size, size};
  out_.write(reinterpret_cast<const char*>(record.data()), sizeof record);
  out_.write(reinterpret_cast<const char*>(frame.data()), size);
}

bool CaptureWriter::close() {
  out_.close();
  return static_cast<bool>(out_);
}

}  // namespace replayer
