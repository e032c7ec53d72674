// A port's queue on a real TAP device, in a network namespace of the test's own: the kernel and its
// sockets are the peer. Skipped without the privileges for it.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "frames.h"
#include "nic/device_lock.h"
#include "nic/eal.h"
#include "nic/tun_device.h"
#include "nic/tun_queue.h"

namespace sluice::nic {
namespace {

constexpr uint32_t kBuffers = 511;
constexpr uint8_t kSyn = 0x02;

std::string pattern(size_t n) {
  std::string s(n, '\0');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i * 31 + i / 251);
  return s;
}

// Whether the condition holds within some seconds.
bool soon(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition())
    if (std::chrono::steady_clock::now() > until) return false;
  return true;
}

class Tun : public testing::Test {
 protected:
  void SetUp() override {
    outside_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (::access("/dev/net/tun", R_OK | W_OK) != 0 || ::unshare(CLONE_NEWNET) != 0)
      GTEST_SKIP() << "needs root and /dev/net/tun";
    ip("link set lo up");
    rx_ = buf::make_pool("tunrx", kBuffers, 2176, SOCKET_ID_ANY);
  }
  void TearDown() override {
    frames_.clear();
    queue_.reset();
    device_.reset();
    if (rx_ != nullptr) {
      EXPECT_EQ(buf::Pool(rx_).available(), kBuffers) << "buffers leaked";
      buf::free_pool(rx_);
    }
    ASSERT_EQ(::setns(outside_, CLONE_NEWNET), 0);
    ::close(outside_);
  }

  static void ip(const std::string& arguments) {
    ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << arguments;
  }
  static void write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static std::string read_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }

  // The TAP interface t0 with the peer's addresses of tests/nic/frames.h, and Sluice's queue.
  void open() {
    device_ = std::make_unique<TunDevice>(TunOptions{.interface = "t0"});
    queue_ = std::make_unique<TunQueue>(
        TunQueue::Setup{.fd = device_->queue(0), .mac = device_->mac(), .rx_pool = rx_});
    ip("addr add 198.18.0.1/24 dev t0");
    ip("addr add 2001:db8::1/64 dev t0 nodad");
    ip("neigh replace 198.18.0.10 lladdr " + text(device_->mac()) + " dev t0");
    ip("neigh replace 2001:db8::a lladdr " + text(device_->mac()) + " dev t0");
  }
  static std::string text(const std::array<uint8_t, 6>& mac) {
    char line[18];
    std::snprintf(line, sizeof line, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                  mac[3], mac[4], mac[5]);
    return line;
  }
  std::array<uint8_t, 6> peer_mac() const {
    std::array<uint8_t, 6> mac = device_->mac();
    ifreq request{};
    std::strcpy(request.ifr_name, "t0");
    EXPECT_EQ(::ioctl(device_->queue(0), SIOCGIFHWADDR, &request), 0);
    std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, 6);
    return mac;
  }

  // To the interface.
  bool send(TestFrame& frame) {
    std::memcpy(frame.ip() - 14, peer_mac().data(), 6);
    return queue_->transmit(frame.out());
  }

  static std::vector<uint8_t> bytes(const buf::Chain& chain) {
    std::vector<uint8_t> all;
    chain.for_each([&](buf::View v) { all.insert(all.end(), v.begin(), v.end()); });
    return all;
  }
  // The next received TCP or UDP frame of the port; it is held until the test ends.
  ip::InFrame* receive(uint16_t destination) {
    ip::InFrame* found = nullptr;
    soon([&] {
      ip::InFrame frame;
      if (queue_->receive(&frame, 1) == 0) return false;
      const uint8_t* p = frame.bytes.front().data();
      const bool v4 = p[12] == 0x08 && p[13] == 0;
      const bool v6 = p[12] == 0x86;
      if (!(v4 && (p[23] == 6 || p[23] == 17)) && !(v6 && (p[20] == 6 || p[20] == 17)))
        return false;
      if (load_be16(p + (v4 ? 36 : 56)) != destination) return false;
      frames_.push_back(std::make_unique<ip::InFrame>(std::move(frame)));
      found = frames_.back().get();
      return true;
    });
    return found;
  }

  int outside_ = -1;
  rte_mempool* rx_ = nullptr;
  std::unique_ptr<TunDevice> device_;
  std::unique_ptr<TunQueue> queue_;
  std::vector<std::unique_ptr<ip::InFrame>> frames_;
};

// A socket that the kernel closes with the test.
struct Socket {
  explicit Socket(int type, int family = AF_INET) : fd(::socket(family, type | SOCK_CLOEXEC, 0)) {}
  ~Socket() { ::close(fd); }
  Socket(const Socket&) = delete;
  const int fd;
};

sockaddr_in v4(const char* address, uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &a.sin_addr);
  return a;
}

// A connection of a kernel's socket, 198.18.0.1:40000, to Sluice's queue, 198.18.0.10:50051.
class TunTcp : public Tun {
 protected:
  static constexpr uint32_t kSeq = 1000;  // TestFrame's

  void connect() {
    open();
    socket_ = std::make_unique<Socket>(SOCK_STREAM);  // of the namespace that SetUp made
    const sockaddr_in from = v4("198.18.0.1", 40000);
    const sockaddr_in to = v4("198.18.0.10", 50051);
    ASSERT_EQ(::bind(socket_->fd, reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
    ::fcntl(socket_->fd, F_SETFL, O_NONBLOCK);
    ASSERT_EQ(::connect(socket_->fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
    ASSERT_EQ(errno, EINPROGRESS);
    const ip::InFrame* syn = receive(50051);
    ASSERT_NE(syn, nullptr);
    peer_seq_ = load_be32(syn->bytes.front().data() + 38) + 1;
    TestFrame answer = segment({}, kSyn | kAck, kSeq - 1);
    ASSERT_TRUE(send(answer));
    pollfd writable{socket_->fd, POLLOUT, 0};
    ASSERT_EQ(::poll(&writable, 1, 5000), 1);
    int error = -1;
    socklen_t size = sizeof error;
    ::getsockopt(socket_->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    ASSERT_EQ(error, 0) << "the kernel did not believe the SYN|ACK";
  }
  TestFrame segment(std::vector<std::string> payload, uint8_t flags, uint32_t seq) {
    TestFrame f = TestFrame::tcp(std::move(payload));
    store_be32(f.l4() + 4, seq);
    store_be32(f.l4() + 8, peer_seq_);
    store_be16(f.l4() + 14, 65535);
    f.l4()[13] = flags;
    return f;
  }
  std::string read_socket(size_t n) {
    std::string all;
    soon([&] {
      char part[8192];
      const ssize_t got = ::recv(socket_->fd, part, sizeof part, 0);
      if (got > 0) all.append(part, static_cast<size_t>(got));
      return all.size() >= n;
    });
    return all;
  }

  std::unique_ptr<Socket> socket_;
  uint32_t peer_seq_ = 0;
};

TEST_F(Tun, an_interface_is_made_set_up_and_removed) {
  device_ = std::make_unique<TunDevice>(TunOptions{.interface = "t0", .mtu = 1400, .queues = 2});
  EXPECT_TRUE(device_->up());
  EXPECT_NE(device_->mac(), peer_mac());
  EXPECT_EQ(device_->mac()[0] & 3, 2) << "unicast, locally administered";
  Socket control(SOCK_DGRAM);
  ifreq request{};
  std::strcpy(request.ifr_name, "t0");
  ASSERT_EQ(::ioctl(control.fd, SIOCGIFMTU, &request), 0);
  EXPECT_EQ(request.ifr_mtu, 1400);
  ASSERT_EQ(::ioctl(control.fd, SIOCGIFTXQLEN, &request), 0);
  EXPECT_EQ(request.ifr_qlen, 10'000);
  EXPECT_EQ(device_->queue_length(), 10'000u);
  ip("link set t0 down");
  EXPECT_FALSE(device_->up());
  device_.reset();
  EXPECT_EQ(::if_nametoindex("t0"), 0u);
}

TEST_F(Tun, an_interface_that_exists_keeps_its_settings_and_stays) {
  for (const char* kind : {"multi_queue", ""}) {
    ip(std::string("tuntap add dev t0 mode tap ") + kind);
    ip("link set t0 mtu 1300 txqueuelen 77");
    device_ = std::make_unique<TunDevice>(TunOptions{.interface = "t0", .mtu = 1500});
    EXPECT_TRUE(device_->up());
    Socket control(SOCK_DGRAM);
    ifreq request{};
    std::strcpy(request.ifr_name, "t0");
    ASSERT_EQ(::ioctl(control.fd, SIOCGIFMTU, &request), 0);
    EXPECT_EQ(request.ifr_mtu, 1300);
    ASSERT_EQ(::ioctl(control.fd, SIOCGIFTXQLEN, &request), 0);
    EXPECT_EQ(request.ifr_qlen, 77);
    device_.reset();
    EXPECT_NE(::if_nametoindex("t0"), 0u);
    ip("link del t0");
  }
}

std::string complaint(const TunOptions& options) {
  try {
    TunDevice device(options);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST_F(Tun, a_refusal_says_why) {
  EXPECT_NE(complaint({.interface = "sixteen-letters-"}).find("1 to 15 bytes"), std::string::npos);
  ip("link add t0 type veth");
  EXPECT_NE(complaint({.interface = "t0"}).find("is not a TAP device"), std::string::npos);
  ip("tuntap add dev t1 mode tap");
  EXPECT_NE(complaint({.interface = "t1", .queues = 2}).find("several queues"), std::string::npos);
  const TunDevice first({.interface = "t1"});
  EXPECT_NE(complaint({.interface = "t1"}).find("another process"), std::string::npos);
}

TEST_F(Tun, a_kernel_s_datagram_arrives_with_a_partial_checksum) {
  open();
  const Socket socket(SOCK_DGRAM);
  const sockaddr_in to = v4("198.18.0.10", 53);
  ASSERT_EQ(::sendto(socket.fd, "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
            5);
  const ip::InFrame* frame = receive(53);
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->checksum, ip::L4Checksum::kNone);
  const std::vector<uint8_t> all = bytes(frame->bytes);
  EXPECT_EQ(std::string(all.begin() + 42, all.end()), "hello");
  EXPECT_TRUE(ipv4_checksum_right(all));
}

TEST_F(Tun, the_kernel_answers_an_echo_request_of_either_family) {
  open();
  for (const bool v4 : {true, false}) {
    TestFrame f = TestFrame::icmp({"ping"}, v4);
    f.l4()[0] = v4 ? 8 : 128;
    ASSERT_TRUE(send(f));
    EXPECT_TRUE(soon([&] {
      ip::InFrame frame;
      if (queue_->receive(&frame, 1) == 0) return false;
      const std::vector<uint8_t> all = bytes(frame.bytes);
      return all.size() == f.flat().size() && all[v4 ? 34 : 54] == (v4 ? 0 : 129) &&
             std::string(all.end() - 4, all.end()) == "ping";
    })) << v4;
  }
}

TEST_F(TunTcp, a_kernel_s_socket_sends_packets_larger_than_the_mtu) {
  ASSERT_NO_FATAL_FAILURE(connect());
  const std::string data = pattern(5000);  // less than an initial window: the SYN|ACK has no MSS
  ASSERT_EQ(::send(socket_->fd, data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
  std::string got;
  bool large = false;
  while (got.size() < data.size()) {
    const ip::InFrame* frame = receive(50051);
    ASSERT_NE(frame, nullptr);
    EXPECT_EQ(frame->checksum, ip::L4Checksum::kNone);
    const std::vector<uint8_t> all = bytes(frame->bytes);
    const size_t headers = 34 + (all[46] >> 4) * 4u;
    EXPECT_GE(frame->bytes.front().size(), std::min<size_t>(all.size(), ip::InFrame::kHeaders));
    if (all.size() - headers > 1460) {
      large = true;
      EXPECT_GT(frame->segment_size, 0);
      EXPECT_LE(frame->segment_size, 1460);
      EXPECT_FALSE(frame->bytes.single());
    }
    got.append(all.begin() + static_cast<long>(headers), all.end());
  }
  EXPECT_EQ(got, data);
  EXPECT_TRUE(large);
}

TEST_F(TunTcp, a_kernel_s_socket_takes_a_packet_larger_than_the_mtu) {
  ASSERT_NO_FATAL_FAILURE(connect());
  const std::string data = pattern(60'000);
  TestFrame f =
      segment({data.substr(0, 1), data.substr(1, 2047), data.substr(2048)}, kAck | kPsh, kSeq)
          .in_segments_of(1460);
  ASSERT_TRUE(send(f));
  EXPECT_EQ(read_socket(data.size()), data);
  EXPECT_EQ(queue_->stats().tx_packets, 2u) << "SYN|ACK and one large packet";
  EXPECT_GT(queue_->stats().driver_cycles, 0u);
}

// Beyond the interface the kernel cuts large packets, and fills checksums, in its own software:
// only then the sum that Sluice left in the checksum field counts.
TEST_F(Tun, what_the_kernel_forwards_is_cut_into_segments_with_right_checksums) {
  open();
  const int plain = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request{};
  std::strcpy(request.ifr_name, "t1");
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  ASSERT_EQ(::ioctl(plain, TUNSETIFF, &request), 0);
  ip("link set t1 up");
  ip("addr add 198.18.1.1/24 dev t1");
  ip("addr add 2001:db8:1::1/64 dev t1 nodad");
  ip("neigh replace 198.18.1.5 lladdr 02:00:00:00:00:05 dev t1");
  ip("neigh replace 2001:db8:1::5 lladdr 02:00:00:00:00:05 dev t1");
  write_file("/proc/sys/net/ipv4/ip_forward", "1");
  write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  if (read_line("/proc/sys/net/ipv4/ip_forward") != "1") GTEST_SKIP() << "no /proc/sys to write";

  const std::string data = pattern(40'001);
  for (const bool v4 : {true, false}) {
    const size_t headers = v4 ? 54 : 74;
    for (const bool large : {true, false}) {
      TestFrame f = TestFrame::tcp({large ? data : data.substr(0, 777)}, v4);
      if (large) f.in_segments_of(1001);
      if (v4)
        std::memcpy(f.ip() + 16, "\xc6\x12\x01\x05", 4);
      else
        std::memcpy(f.ip() + 24, "\x20\x01\x0d\xb8\0\x01\0\0\0\0\0\0\0\0\0\x05", 16);
      ASSERT_TRUE(send(f));
      std::string got;
      uint32_t seq = 1000;
      EXPECT_TRUE(soon([&] {
        std::vector<uint8_t> frame(2000);
        const ssize_t n = ::read(plain, frame.data(), frame.size());
        if (n <= 0 || static_cast<size_t>(n) <= headers || frame[v4 ? 23 : 20] != 6) return false;
        frame.resize(static_cast<size_t>(n));
        EXPECT_TRUE(l4_checksum_right(frame)) << v4 << large << got.size();
        EXPECT_TRUE(!v4 || ipv4_checksum_right(frame));
        EXPECT_EQ(load_be32(&frame[headers - 16]), seq);
        const bool last = got.size() + frame.size() - headers == f.payload().size();
        EXPECT_EQ((frame[headers - 7] & kFin) != 0, last);
        EXPECT_EQ((frame[headers - 7] & kCwr) != 0, got.empty());
        got.append(frame.begin() + static_cast<long>(headers), frame.end());
        seq = 1000 + static_cast<uint32_t>(got.size());
        return got.size() >= f.payload().size();
      })) << v4
          << large;
      EXPECT_EQ(got, f.payload());
    }
  }
  ::close(plain);
}

TEST_F(TunTcp, a_frame_that_finds_too_few_buffers_is_dropped_and_counted_and_small_ones_arrive) {
  ASSERT_NO_FATAL_FAILURE(connect());
  frames_.clear();
  std::vector<buf::Slice> hoard;  // leaves the queue its own buffers
  while (buf::Slice s = buf::Pool(rx_).alloc()) hoard.push_back(std::move(s));
  const Socket datagrams(SOCK_DGRAM);
  const sockaddr_in to = v4("198.18.0.10", 53);
  const auto ask = [&] {
    return ::sendto(datagrams.fd, "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  };
  // Small frames, which the test keeps, take the queue's own buffers but two.
  const uint32_t kept = TunQueue::kept_buffers(2048);
  for (uint32_t i = 0; i + 2 < kept; ++i) {
    ASSERT_EQ(ask(), 5);
    ASSERT_NE(receive(53), nullptr) << i;
  }
  const std::string data = pattern(14'000);
  ASSERT_EQ(::send(socket_->fd, data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
  EXPECT_TRUE(soon([&] {
    ip::InFrame frame;
    EXPECT_EQ(queue_->receive(&frame, 1), 0);
    return queue_->rx_no_buffer() > 0;
  }));
  ASSERT_EQ(ask(), 5);
  const ip::InFrame* small = receive(53);
  ASSERT_NE(small, nullptr);
  EXPECT_EQ(bytes(small->bytes).size(), 47u);
  hoard.clear();
  ASSERT_EQ(ask(), 5);
  EXPECT_NE(receive(53), nullptr) << "all buffers are back";
}

TEST_F(Tun, the_kernel_s_drops_are_counted) {
  open();
  EXPECT_EQ(device_->counters().unread, 0u);
  ip("link set t0 txqueuelen 4");
  const Socket socket(SOCK_DGRAM);
  const sockaddr_in to = v4("198.18.0.10", 53);
  for (int i = 0; i < 50; ++i)
    ::sendto(socket.fd, "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  EXPECT_GT(device_->counters().unread, 0u);
}

TEST_F(Tun, a_frame_for_an_interface_that_is_down_is_dropped_and_counted) {
  open();
  TestFrame f = TestFrame::udp({"data"});
  ASSERT_TRUE(send(f));
  ip("link set t0 down");
  EXPECT_FALSE(send(f));
  EXPECT_EQ(queue_->stats().tx_full, 1u);
  EXPECT_EQ(queue_->stats().tx_packets, 1u);
}

TEST_F(Tun, a_packet_longer_than_the_mtu_is_dropped_and_counted) {
  open();
  TestFrame f = TestFrame::tcp({pattern(1465)});
  EXPECT_FALSE(send(f));
  TestFrame g = TestFrame::tcp({pattern(65'536)}).in_segments_of(1460);
  EXPECT_FALSE(send(g));
  EXPECT_EQ(queue_->stats().tx_oversize, 2u);
}

TEST_F(Tun, an_empty_queue_rests) {
  open();
  ip("link set t0 arp off");
  queue_ = std::make_unique<TunQueue>(TunQueue::Setup{
      .fd = device_->queue(0), .mac = device_->mac(), .rx_pool = rx_, .rest = uint64_t{1} << 62});
  ip::InFrame frame;
  while (queue_->receive(&frame, 1) != 0) frame = {};
  const uint64_t cycles = queue_->stats().driver_cycles;
  const Socket socket(SOCK_DGRAM);
  const sockaddr_in to = v4("198.18.0.10", 53);
  ::sendto(socket.fd, "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  EXPECT_EQ(queue_->receive(&frame, 1), 0);
  EXPECT_EQ(queue_->stats().driver_cycles, cycles);
}

}  // namespace
}  // namespace sluice::nic
