#pragma once
// OpenSSL's record layer: of TLS 1.2, and of whatever Sluice makes no records for.

#include <cstdint>
#include <optional>
#include <span>

#include "buf/memory.h"
#include "tls/openssl.h"
#include "tls/record_watch.h"
#include "tls/records.h"
#include "tls/ssl_owner.h"

namespace sluice::tls {

class OpensslRecords final : public Records, public SslOwner {
 public:
  // Writes to `out`. All that is referred to outlives it. client: this end is the client. scratch:
  // room for kMaxPlain bytes, which may be others' between the calls.
  OpensslRecords(SslPtr ssl, bool client, RecordWatch& watch, buf::Memory& memory, buf::Queue& out,
                 std::span<uint8_t> scratch);

  void receive(buf::Slice data) override;
  Read read(buf::Slice& plain) override;
  void discard() override;
  const char* failure() const override { return failure_; }
  bool unfinished() const override;
  uint64_t completed() const override;
  uint32_t buffers() const override { return 0; }
  Sealed seal(buf::Queue& plain, uint32_t n) override;
  Sealed end() override;
  Sealed give_up() override;
  void stop() override { stopped_ = true; }

 private:
  uint32_t take_received(uint8_t* to, uint32_t n) override;
  bool put_record(buf::View bytes) override;
  void on_message(bool sent, int type, buf::View bytes) override;

  // OpenSSL has the header of a record, and not all of the rest.
  bool within() const;
  // What a call of OpenSSL's that did not return 1 means.
  Read meaning(int result);

  const SslPtr ssl_;
  const bool client_;
  RecordWatch& watch_;
  buf::Memory& memory_;
  buf::Queue& out_;
  const std::span<uint8_t> scratch_;
  const int overhead_;  // of a record's payload, as its header counts it
  bool stopped_ = false;
  bool starved_ = false;  // put_record() found no memory
  bool alerted_ = false;  // a fatal alert is written
  const char* failure_ = "";

  uint64_t headers_ = 0;      // of received records
  buf::Slice received_;       // what OpenSSL has not taken yet
  std::optional<Read> next_;  // that read() has found behind plain bytes
};

}  // namespace sluice::tls
