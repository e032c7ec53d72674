// A TAP queue on a socket pair: the test is the kernel, and sees and sends what no kernel of today
// would.

#include "nic/tun_queue.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "frames.h"
#include "nic/virtio_header.h"

namespace sluice::nic {
namespace {

class TunOverSockets : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends_), 0);
    const int room = 4 << 20;
    for (const int end : ends_)
      ASSERT_EQ(::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room), 0);
    rx_ = buf::make_pool("tunpair", 127, 2176, SOCKET_ID_ANY);
    queue_ = std::make_unique<TunQueue>(
        TunQueue::Setup{.fd = ends_[0], .mac = {2, 0, 0, 0, 0, 1}, .rx_pool = rx_});
  }
  void TearDown() override {
    queue_.reset();
    EXPECT_EQ(buf::Pool(rx_).available(), 127u) << "buffers leaked";
    buf::free_pool(rx_);
    for (const int end : ends_) ::close(end);
  }

  // The next frame that the queue wrote, behind its header.
  std::vector<uint8_t> written() {
    std::vector<uint8_t> bytes(70'000);
    const ssize_t n = ::recv(ends_[1], bytes.data(), bytes.size(), 0);
    EXPECT_GT(n, static_cast<ssize_t>(sizeof(VirtioHeader)));
    bytes.resize(static_cast<size_t>(n));
    bytes.erase(bytes.begin(), bytes.begin() + sizeof(VirtioHeader));
    return bytes;
  }
  bool arrive(const VirtioHeader& header, size_t size) {
    std::vector<uint8_t> bytes(sizeof header + size);
    std::memcpy(bytes.data(), &header, sizeof header);
    return ::send(ends_[1], bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
  }

  int ends_[2] = {-1, -1};
  rte_mempool* rx_ = nullptr;
  std::unique_ptr<TunQueue> queue_;
  ip::InFrame in_[32];
};

TEST_F(TunOverSockets, a_packet_that_is_to_be_cut_says_how_long_it_is) {
  for (const bool v4 : {true, false}) {
    TestFrame f = TestFrame::tcp({std::string(20'000, 'x')}, v4).in_segments_of(1460);
    if (v4) store_be16(f.ip() + 2, 0);  // as IP hands it down
    ASSERT_TRUE(queue_->transmit(f.out()));
    const std::vector<uint8_t> frame = written();
    EXPECT_EQ(load_be16(&frame[v4 ? 16 : 18]), v4 ? 20 + 20 + 20'000 : 20 + 20'000);
    if (v4) {
      EXPECT_EQ(naive_sum({frame.begin() + 14, frame.begin() + 34}), 0xffff);
    }
  }
}

TEST_F(TunOverSockets, a_frame_that_waited_for_its_neighbour_leaves_as_it_is) {
  std::vector<uint8_t> whole(1514);
  for (size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<uint8_t>(i * 7);
  ip::OutFrame f;
  f.headers = whole;
  ASSERT_TRUE(queue_->transmit(f));
  EXPECT_EQ(written(), whole);
}

TEST_F(TunOverSockets, frames_that_are_dropped_do_not_keep_the_worker) {
  const VirtioHeader nonsense{.gso_type = 99};
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(arrive(nonsense, 100));
  EXPECT_EQ(queue_->receive(in_, 32), 0);
  EXPECT_EQ(queue_->stats().rx_malformed, 32u);
}

TEST_F(TunOverSockets, frames_wait_in_the_kernel_while_the_buffers_of_earlier_ones_are_in_use) {
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(arrive({}, 30'000));  // fifteen buffers each
  unsigned got = 0;
  for (int turn = 0; turn < 12 && got < 12; ++turn) {
    const uint16_t n = queue_->receive(in_, 32);
    ASSERT_GT(n, 0);
    for (uint16_t i = 0; i < n; ++i) EXPECT_EQ(in_[i].bytes.size(), 30'000u);
    for (uint16_t i = 0; i < n; ++i) in_[i].bytes.clear();
    got += n;
  }
  EXPECT_EQ(got, 12u);
  EXPECT_EQ(queue_->rx_no_buffer(), 0u);
}

}  // namespace
}  // namespace sluice::nic
