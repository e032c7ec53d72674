#pragma once
// A byte stream that makes records over a byte stream, as a security protocol does (RFC 8446, 5),
// without any security: records have a size of their own, are sealed once and for ever, and what
// arrives is worth nothing before the whole of its record is there.
//
//   length of the payload (2 bytes)  sequence number (4)  payload  check (1)
//
// A record without a payload is the last one of its direction.

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>

#include "base/byte_order.h"
#include "buf/memory.h"
#include "buf/queue.h"
#include "transport/layer.h"
#include "transport/stream.h"

namespace sluice::test {

class RecordStream final : public transport::Stream, public transport::User {
 public:
  static constexpr uint32_t kHeader = 6;
  static constexpr uint32_t kOverhead = kHeader + 1;

  // record_size: bytes of payload in a record at most.
  RecordStream(buf::Pool& pool, uint32_t record_size)
      : transport::Stream(plain_), pool_(pool), record_size_(record_size) {}
  // To be called before anything else; records go to the end of its output.
  void set_lower(transport::Stream& lower) {
    lower_ = &lower;
    lower_->set_user(*this);
  }
  void set_lower(transport::StreamPtr lower) {
    owned_ = std::move(lower);
    lower_ = owned_.get();
  }

  // --- transport::Stream ---

  uint32_t room() const override {
    const uint64_t taken = plain_.size() + kOverhead;
    return lower_->room() > taken ? lower_->room() - static_cast<uint32_t>(taken) : 0;
  }
  void push() override {
    pushed_ = plain_.end();
    seal();
  }
  void close() override {
    if (closing_ || aborted_) return;
    closing_ = true;
    pushed_ = plain_.end();
    // All at once, whatever the room: the lower stream limits how long the peer may take for it.
    while (plain_.begin() < pushed_) seal_one(record_of_rest());
    seal_one(0);
    lower_->close();
  }
  void abort() override {
    aborted_ = true;
    lower_->abort();
  }
  void consumed(uint32_t n) override { lower_->consumed(n); }
  uint64_t transmitted() const override {
    const uint64_t left = lower_->transmitted();
    uint64_t position = acknowledged();
    for (const Record& r : records_)
      if (r.lower_begin < left) position = std::max(position, r.plain_end);
    return position;
  }
  uint64_t acknowledged() const override {
    const uint64_t taken = lower_->acknowledged();
    while (!records_.empty() && records_.front().lower_end <= taken) {
      acknowledged_ = records_.front().plain_end;
      records_.pop_front();
    }
    return acknowledged_;
  }
  uint32_t buffers() const override { return lower_->buffers() + plain_.slices(); }
  uint32_t buffers_ahead() const override { return lower_->buffers_ahead(); }
  Endpoint peer() const override { return lower_->peer(); }
  Duration round_trip() const override { return lower_->round_trip(); }
  void set_user_timeout(Duration timeout) override { lower_->set_user_timeout(timeout); }

  uint32_t records_sealed() const { return sealed_; }

 private:
  struct Record {
    uint64_t plain_end;    // position behind its payload
    uint64_t lower_begin;  // positions of the lower stream
    uint64_t lower_end;
  };

  // What was pushed becomes records, as far as the lower stream takes them.
  void seal() {
    if (aborted_ || closing_) return;
    while (plain_.begin() < pushed_ && lower_->room() > kOverhead)
      seal_one(std::min(record_of_rest(), lower_->room() - kOverhead));
    lower_->push();
  }
  uint32_t record_of_rest() const {
    return static_cast<uint32_t>(std::min<uint64_t>(pushed_ - plain_.begin(), record_size_));
  }
  void seal_one(uint32_t n) {
    buf::Queue& out = lower_->output();
    const uint64_t begin = out.end();
    uint8_t header[kHeader];
    store_be16(header, static_cast<uint16_t>(n));
    store_be32(header + 2, sealed_++);
    uint8_t check = check_of({header, kHeader}, 0);
    out.append_copy({header, kHeader}, pool_);
    for (uint32_t left = n; left > 0;) {
      const buf::Slice piece = plain_.pop(left);
      left -= piece.size();
      check = check_of(piece.view(), check);
      out.append_copy(piece.view(), pool_);
    }
    out.append_copy({&check, 1}, pool_);
    records_.push_back({plain_.begin(), begin, out.end()});
  }
  static uint8_t check_of(buf::View bytes, uint8_t so_far) {
    for (const uint8_t b : bytes) so_far = static_cast<uint8_t>(so_far * 31 + b + 7);
    return so_far;
  }

  // --- transport::User, of the lower stream ---

  void on_established(transport::Stream&) override { user_->on_established(*this); }
  void on_data(transport::Stream&, buf::Slice data) override {
    const auto* bytes = reinterpret_cast<const char*>(data.data());
    for (uint32_t i = 0; i < data.size() && !aborted_; ++i) {
      incoming_.push_back(bytes[i]);
      const auto* in = reinterpret_cast<const uint8_t*>(incoming_.data());
      if (incoming_.size() < kHeader || incoming_.size() < load_be16(in) + size_t{kOverhead})
        continue;
      open_record({in, incoming_.size()});
      incoming_.clear();
    }
  }
  void open_record(buf::View record) {
    const uint32_t n = load_be16(record.data());
    lower_->consumed(kOverhead);
    if (ended_ || load_be32(record.data() + 2) != opened_++ ||
        check_of(record.first(kHeader + n), 0) != record.back()) {
      abort();
      return;
    }
    if (n == 0) {
      ended_ = true;
      user_->on_end_of_data(*this, transport::End::kClean);
      return;
    }
    for (buf::View left = record.subspan(kHeader, n); !left.empty() && !aborted_;) {
      buf::Slice plain = pool_.alloc();
      const auto piece = std::min<uint32_t>(plain.tailroom(), static_cast<uint32_t>(left.size()));
      std::memcpy(plain.mutable_data(), left.data(), piece);
      plain.grow_back(piece);
      left = left.subspan(piece);
      user_->on_data(*this, std::move(plain));
    }
  }
  void on_gap(transport::Stream&) override { user_->on_gap(*this); }
  void on_end_of_data(transport::Stream&, transport::End) override {
    if (!std::exchange(ended_, true)) user_->on_end_of_data(*this, transport::End::kTruncated);
  }
  void on_writable(transport::Stream&) override {
    seal();
    if (room() > 0) user_->on_writable(*this);
  }
  bool busy(const transport::Stream&) const override { return user_->busy(*this); }
  void on_silence(transport::Stream&, bool silent) override { user_->on_silence(*this, silent); }
  void on_closed(transport::Stream&, transport::CloseReason reason) override {
    user_->on_closed(*this, reason);
  }
  // Those that a layer made are its own to free; others belong to the test.
  void release() override {
    if (owned_ != nullptr) delete this;
  }

  buf::Queue plain_;  // not yet sealed
  buf::Pool& pool_;
  const uint32_t record_size_;
  transport::StreamPtr owned_;
  transport::Stream* lower_ = nullptr;
  uint64_t pushed_ = 0;
  mutable std::deque<Record> records_;  // not wholly acknowledged
  mutable uint64_t acknowledged_ = 0;
  uint32_t sealed_ = 0;
  uint32_t opened_ = 0;
  std::string incoming_;  // of a record
  bool closing_ = false;  // the last record is sealed
  bool aborted_ = false;
  bool ended_ = false;  // the peer's direction
};

// Records over the streams of another layer.
class RecordLayer final : public transport::Layer {
 public:
  RecordLayer(transport::Layer& lower, buf::Pool& pool, uint32_t record_size)
      : lower_(lower), pool_(pool), record_size_(record_size) {}

  Accepted accept(tcp::Connection& connection) override {
    auto* s = new RecordStream(pool_, record_size_);
    Accepted below = lower_.accept(connection);
    below.stream->set_user(*s);
    s->set_lower(std::move(below.stream));
    return {transport::StreamPtr(s), below.tcp_user};
  }
  transport::StreamPtr connect(const Endpoint& remote, transport::User& user, Time now) override {
    auto* s = new RecordStream(pool_, record_size_);
    transport::StreamPtr below = lower_.connect(remote, *s, now);
    if (below == nullptr) {
      delete s;
      return nullptr;
    }
    s->set_lower(std::move(below));
    s->set_user(user);
    return transport::StreamPtr(s);
  }

 private:
  transport::Layer& lower_;
  buf::Pool& pool_;
  const uint32_t record_size_;
};

}  // namespace sluice::test
