#include "nic/vlan.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "base/byte_order.h"

namespace sluice::nic {

namespace {

constexpr uint32_t kMacs = 12;  // bytes of both addresses, in front of the tag
constexpr uint32_t kTag = 4;
constexpr uint16_t kTagged = 0x8100;  // the tag's EtherType
constexpr uint16_t kIdMask = 0x0fff;

bool has_tag(const buf::Slice& front) {
  return front.size() >= kMacs + kTag + 2 && load_be16(front.data() + kMacs) == kTagged;
}

void remove_tag(buf::Slice& front) {
  uint8_t* p = front.mutable_data();
  std::memmove(p + kTag, p, kMacs);
  front.drop_front(kTag);
}

}  // namespace

class VlanTrunk::Queue final : public PortQueue {
 public:
  Queue(VlanTrunk& trunk, PortQueue& device, uint16_t vlan)
      : trunk_(trunk), device_(device), vlan_(vlan) {}

  uint16_t receive(ip::InFrame* out, uint16_t n) override {
    const uint64_t before = device_.stats().driver_cycles;
    if (waiting_.size() < n) trunk_.receive();
    stats_.driver_cycles += device_.stats().driver_cycles - before;
    trunk_.count_lost();
    const auto got = static_cast<uint16_t>(std::min<size_t>(n, waiting_.size()));
    for (uint16_t i = 0; i < got; ++i) {
      stats_.rx_bytes += waiting_.front().bytes.size();
      waiting_bytes_ -= cost(waiting_.front());
      out[i] = std::move(waiting_.front());
      waiting_.pop_front();
    }
    stats_.rx_packets += got;
    return got;
  }

  bool waiting() const override { return !waiting_.empty(); }

  bool transmit(const ip::OutFrame& frame) override {
    if (vlan_ == kUntagged)
      return count(frame.headers.size() + frame.payload_size,
                   [&] { return device_.transmit(frame); });
    if (frame.l3_size == 0) return transmit_whole(frame.headers);
    std::memcpy(headers_.data(), frame.headers.data(), kMacs);
    put_tag(headers_.data());
    std::memcpy(headers_.data() + kMacs + kTag, frame.headers.data() + kMacs,
                frame.headers.size() - kMacs);
    ip::OutFrame tagged = frame;
    tagged.headers = {headers_.data(), frame.headers.size() + kTag};
    tagged.l2_size = static_cast<uint8_t>(frame.l2_size + kTag);
    if (frame.l4_checksum_offset != 0)
      tagged.l4_checksum_offset = static_cast<uint16_t>(frame.l4_checksum_offset + kTag);
    return count(tagged.headers.size() + frame.payload_size,
                 [&] { return device_.transmit(tagged); });
  }

  bool transmit(buf::Slice frame) override {
    if (vlan_ != kUntagged) return transmit_whole(frame.view());
    const uint32_t size = frame.size();
    return count(size, [&] { return device_.transmit(std::move(frame)); });
  }

  void flush() override {
    const QueueStats before = device_.stats();
    device_.flush();
    stats_.driver_cycles += device_.stats().driver_cycles - before.driver_cycles;
    stats_.tx_full += device_.stats().tx_full - before.tx_full;
  }

  size_t unsent() const override { return device_.unsent(); }

  const uint8_t* mac() const override { return device_.mac(); }
  uint16_t mtu() const override { return device_.mtu(); }
  uint32_t max_tso() const override { return device_.max_tso(); }
  // The device's, which the ports of the trunk share.
  int descriptor() const override { return device_.descriptor(); }
  void interrupts(bool on) override { device_.interrupts(on); }

  uint16_t vlan() const { return vlan_; }
  void put(ip::InFrame frame) {
    if (waiting_bytes_ < kMaxWaiting) {
      waiting_bytes_ += cost(frame);
      waiting_.push_back(std::move(frame));
    } else {
      ++stats_.rx_overflow;
    }
  }
  void drop_unknown() { ++stats_.rx_unknown_vlan; }
  // Frames that the device's queue dropped, since `before`, ahead of any look at their tags.
  void count_lost(const QueueStats& before, const QueueStats& now) {
    stats_.rx_oversize += now.rx_oversize - before.rx_oversize;
    stats_.rx_malformed += now.rx_malformed - before.rx_malformed;
  }

 private:
  // Bytes of frames that another port's receive() brought. A short frame counts as a buffer of 2
  // KiB.
  static constexpr size_t kMaxWaiting = size_t{512} * 2048;
  static size_t cost(const ip::InFrame& frame) {
    return std::max<size_t>(frame.bytes.size(), 2048);
  }

  void put_tag(uint8_t* frame) const {
    store_be16(frame + kMacs, kTagged);
    store_be16(frame + kMacs + 2, vlan_);
  }
  // A frame that is complete but for the tag.
  bool transmit_whole(buf::View frame) {
    std::memcpy(headers_.data(), frame.data(), kMacs);
    put_tag(headers_.data());
    const buf::Fragment rest(frame.subspan(kMacs));
    ip::OutFrame tagged;
    tagged.headers = {headers_.data(), kMacs + kTag};
    tagged.payload = {&rest, 1};
    tagged.payload_size = static_cast<uint32_t>(rest.size());
    return count(frame.size() + kTag, [&] { return device_.transmit(tagged); });
  }

  // send(): hands a frame of that many bytes to the device.
  template <class Send>
  bool count(size_t bytes, Send&& send) {
    const QueueStats before = device_.stats();
    const bool sent = send();
    const QueueStats& after = device_.stats();
    stats_.driver_cycles += after.driver_cycles - before.driver_cycles;
    stats_.tx_no_memory += after.tx_no_memory - before.tx_no_memory;
    stats_.tx_oversize += after.tx_oversize - before.tx_oversize;
    stats_.tx_full += after.tx_full - before.tx_full;
    if (sent) {
      ++stats_.tx_packets;
      stats_.tx_bytes += bytes;
    }
    return sent;
  }

  VlanTrunk& trunk_;
  PortQueue& device_;
  const uint16_t vlan_;
  std::deque<ip::InFrame> waiting_;
  size_t waiting_bytes_ = 0;
  std::array<uint8_t, ip::InFrame::kHeaders> headers_{};
};

VlanTrunk::VlanTrunk(PortQueue& device, const std::vector<uint16_t>& vlans) : device_(device) {
  for (const uint16_t vlan : vlans) queues_.push_back(std::make_unique<Queue>(*this, device, vlan));
}

VlanTrunk::~VlanTrunk() = default;

PortQueue& VlanTrunk::queue(size_t port) {
  return *queues_[port];
}

void VlanTrunk::count_lost() {
  queues_.front()->count_lost(counted_, device_.stats());
  counted_ = device_.stats();
}

void VlanTrunk::receive() {
  const uint16_t n = device_.receive(burst_.data(), static_cast<uint16_t>(burst_.size()));
  for (uint16_t i = 0; i < n; ++i) {
    ip::InFrame frame = std::move(burst_[i]);
    buf::Slice& front = frame.bytes.front();
    uint16_t vlan = kUntagged;
    if (has_tag(front)) {
      vlan = load_be16(front.data() + kMacs + 2) & kIdMask;
      remove_tag(front);
    }
    const auto to = std::find_if(queues_.begin(), queues_.end(),
                                 [vlan](const auto& q) { return q->vlan() == vlan; });
    if (to == queues_.end()) {
      queues_.front()->drop_unknown();
    } else {
      (*to)->put(std::move(frame));
    }
  }
}

}  // namespace sluice::nic
