#pragma once
// Sluice's own record layer of TLS 1.3 (RFC 8446, 5), behind a handshake that OpenSSL made. Records
// are opened in the buffers in which they came, and made in the buffers that are sent.

#include <array>
#include <cstdint>

#include "buf/memory.h"
#include "tls/late_messages.h"
#include "tls/record_watch.h"
#include "tls/records.h"
#include "tls/traffic_key.h"

namespace sluice::tls {

class OwnRecords final : public Records {
 public:
  // Writes to `out`. All that is referred to outlives it. client: this end is the client.
  OwnRecords(TrafficKeys keys, bool client, RecordWatch& watch, buf::Memory& memory,
             buf::Queue& out);

  void receive(buf::Slice data) override;
  Read read(buf::Slice& plain) override;
  void discard() override;
  const char* failure() const override { return failure_; }
  bool unfinished() const override { return !record_.empty() || record_size_ > 0; }
  uint64_t completed() const override { return completed_; }
  uint32_t buffers() const override { return record_.slices(); }
  Sealed seal(buf::Queue& plain, uint32_t n) override;
  Sealed end() override;
  Sealed give_up() override;
  void stop() override { stopped_ = true; }

 private:
  // Of those that return Read, kPlain says that reading goes on.
  // own_records.cc
  Read collect();
  Read collect_header();
  Read open();
  Read take_alert(uint32_t size);
  Read take_messages(uint32_t size);
  Read broken(uint8_t alert);
  // own_records_seal.cc
  template <class Fill>
  Sealed seal_small(uint8_t type, uint32_t n, Fill fill);
  Sealed seal_large(buf::Queue& plain, uint32_t n);
  Sealed seal_alert(uint8_t level, uint8_t description);
  Sealed update_sending();

  const TrafficKeys keys_;
  const bool client_;
  RecordWatch& watch_;
  buf::Memory& memory_;
  buf::Queue& out_;
  LateMessages messages_;
  bool stopped_ = false;
  const char* failure_ = "";

  buf::Slice fresh_;   // received, not yet looked at
  buf::Queue record_;  // of the present record: the bytes that have come, or the content's rest
  std::array<uint8_t, TrafficKey::kHeaderSize> header_{};
  uint32_t record_size_ = 0;  // header included; 0: the header is incomplete
  uint64_t completed_ = 0;
  uint32_t content_left_ = 0;  // plain bytes at the front of record_
  uint32_t empty_ = 0;         // empty records, one after the other
};

}  // namespace sluice::tls
