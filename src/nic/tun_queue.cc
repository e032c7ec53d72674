#include "nic/tun_queue.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "nic/frame.h"

namespace sluice::nic {

namespace {

constexpr uint32_t kMaxEthernet = 14 + 4;               // with a VLAN tag
constexpr size_t kMaxHeaders = kMaxEthernet + 60 + 60;  // IP and TCP with options

// Whether the kernel can fill the transport checksum; of ICMP it cannot.
bool sums_by_kernel(const ip::OutFrame& frame) {
  if (frame.l3_size == 0 || frame.l4_checksum_offset == 0) return false;
  const uint8_t protocol = protocol_of(frame, frame.headers.data());
  return protocol == kProtocolTcp || protocol == kProtocolUdp;
}

iovec piece_of(const void* bytes, size_t size) {
  return {const_cast<void*>(bytes), size};
}

}  // namespace

TunQueue::TunQueue(const Setup& setup)
    : fd_(setup.fd),
      mtu_(setup.mtu),
      mac_(setup.mac),
      rx_pool_(setup.rx_pool),
      room_(rte_pktmbuf_data_room_size(setup.rx_pool) - RTE_PKTMBUF_HEADROOM),
      rest_(setup.rest),
      buffers_(kept_buffers(room_)),
      read_into_(buffers_.size() + 1) {
  read_into_[0] = piece_of(&header_, sizeof header_);
}

TunQueue::~TunQueue() {
  for (uint32_t i = taken_; i < ready_; ++i) rte_pktmbuf_free(buffers_[i]);
}

// Replaces the buffers that the last frame took. When the pool has fewer, the next frame is read
// into those that are there: ACKs, which free memory, still arrive. False: there is none at all.
bool TunQueue::refill() {
  if (taken_ == 0 && ready_ == buffers_.size()) return true;
  uint32_t changed = taken_;
  if (taken_ > 0 && rte_pktmbuf_alloc_bulk(rx_pool_.mempool(), buffers_.data(), taken_) != 0) {
    std::copy(buffers_.begin() + taken_, buffers_.begin() + ready_, buffers_.begin());
    ready_ -= taken_;
    changed = ready_;
  }
  taken_ = 0;
  while (ready_ < buffers_.size()) {
    rte_mbuf* m = rte_pktmbuf_alloc(rx_pool_.mempool());
    if (m == nullptr) break;
    buffers_[ready_++] = m;
    changed = ready_;
  }
  for (uint32_t i = 0; i < changed; ++i) {
    unpoison(buffers_[i]->buf_addr, buffers_[i]->buf_len);
    read_into_[i + 1] = piece_of(rte_pktmbuf_mtod(buffers_[i], void*), room_);
  }
  return ready_ > 0;
}

rte_mbuf* TunQueue::take(uint32_t size) {
  rte_mbuf* head = buffers_[0];
  head->pkt_len = size;
  for (;;) {
    rte_mbuf* m = buffers_[taken_++];
    m->data_len = static_cast<uint16_t>(std::min(size, room_));
    size -= m->data_len;
    if (size == 0) break;
    m->next = buffers_[taken_];
  }
  head->nb_segs = static_cast<uint16_t>(taken_);
  return head;
}

uint16_t TunQueue::receive(ip::InFrame* out, uint16_t n) {
  const uint64_t start = rte_rdtsc();
  if (start < rest_until_) return 0;
  uint16_t filled = 0;
  // Frames that are dropped count too: a peer that sends nothing else must not keep the worker
  // here.
  for (uint16_t reads = 0; reads < n; ++reads) {
    const bool ready = refill();
    // The frames of this burst give their buffers back before the next one.
    if (filled > 0 && ready_ < buffers_.size()) break;
    if (!ready) {
      count_no_buffer();
      break;
    }
    const ssize_t got = ::readv(fd_, read_into_.data(), static_cast<int>(ready_ + 1));
    if (got < 0) {
      rest_until_ = rte_rdtsc() + rest_;
      break;
    }
    if (accept(static_cast<uint32_t>(got), out[filled])) ++filled;
  }
  stats_.driver_cycles += rte_rdtsc() - start;
  return filled;
}

// `got` counts the header and the frame.
bool TunQueue::accept(uint32_t got, ip::InFrame& out) {
  // The kernel cuts a frame to the bytes that it was given, and says nothing.
  if (got == sizeof header_ + ready_ * room_) {
    ready_ < buffers_.size() ? count_no_buffer() : void(++stats_.rx_oversize);
    return false;
  }
  const uint32_t size = got < sizeof header_ ? 0 : got - uint32_t{sizeof header_};
  const buf::View first(rte_pktmbuf_mtod(buffers_[0], const uint8_t*), std::min(size, room_));
  const auto known = read_virtio_header(header_, first, size);
  if (!known || size == 0) {
    ++stats_.rx_malformed;
    return false;
  }
  out.checksum = known->checksum;
  out.segment_size = known->segment_size;
  out.bytes = buf::Chain(take(size));
  ++stats_.rx_packets;
  stats_.rx_bytes += size;
  return true;
}

void TunQueue::count_no_buffer() {
  rx_no_buffer_.store(rx_no_buffer() + 1, std::memory_order_relaxed);
}

bool TunQueue::transmit(const ip::OutFrame& frame) {
  const bool large = frame.segment_size != 0 && frame.payload_size > frame.segment_size;
  const auto size = static_cast<uint32_t>(frame.headers.size()) + frame.payload_size;
  constexpr uint32_t kMaxPacket = 65535;
  // A frame that waited for its neighbour is complete, and lies in `headers` as a whole.
  const bool whole = frame.l3_size == 0;
  if ((!whole && frame.headers.size() > kMaxHeaders) ||
      size > kMaxEthernet + (large ? kMaxPacket : mtu_)) {
    ++stats_.tx_oversize;
    return false;
  }
  if (whole) {
    write_from_.assign({{}, piece_of(frame.headers.data(), frame.headers.size())});
    for (const buf::Fragment& p : frame.payload)
      write_from_.push_back(piece_of(p.data(), p.size()));
    return write({}, size);
  }
  std::array<uint8_t, kMaxHeaders> headers;
  std::copy(frame.headers.begin(), frame.headers.end(), headers.begin());
  if (frame.v4) {
    // A packet that is to be cut has no length yet. Kernels before 6.3 want one.
    if (large)
      store_be16(headers.data() + frame.l2_size + 2, static_cast<uint16_t>(size - frame.l2_size));
    fill_ipv4_checksum(frame, headers.data());
  }
  write_from_.assign(1, {});
  if (frame.l4_checksum_offset != 0 && !sums_by_kernel(frame)) {
    flat_.assign(headers.begin(), headers.begin() + static_cast<long>(frame.headers.size()));
    for (const buf::Fragment& p : frame.payload) flat_.insert(flat_.end(), p.begin(), p.end());
    fill_l4_checksum(frame, flat_.data(), size);
    write_from_.push_back(piece_of(flat_.data(), size));
    return write({}, size);
  }
  write_from_.push_back(piece_of(headers.data(), frame.headers.size()));
  for (const buf::Fragment& p : frame.payload) write_from_.push_back(piece_of(p.data(), p.size()));
  if (!sums_by_kernel(frame)) return write({}, size);
  fill_pseudo_checksum(frame, headers.data(), size - frame.l2_size - frame.l3_size);
  return write(virtio_header_of(frame, large), size);
}

bool TunQueue::transmit(buf::Slice frame) {
  write_from_.assign({{}, piece_of(frame.data(), frame.size())});
  return write({}, frame.size());
}

// Writes `size` bytes of write_from_ behind the header.
bool TunQueue::write(const VirtioHeader& header, uint32_t size) {
  write_from_[0] = piece_of(&header, sizeof header);
  const uint64_t start = rte_rdtsc();
  const ssize_t written = ::writev(fd_, write_from_.data(), static_cast<int>(write_from_.size()));
  stats_.driver_cycles += rte_rdtsc() - start;
  if (written < 0) {
    ++stats_.tx_full;
    return false;
  }
  ++stats_.tx_packets;
  stats_.tx_bytes += size;
  return true;
}

}  // namespace sluice::nic
