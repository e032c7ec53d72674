#pragma once
// Runs any bytes as a program for HPACK, ours beside nghttp2's, and says where they differ. One
// program has several clients and pods on one worker: what their tables share must never show.

#include <memory>
#include <optional>
#include <string>

#include "hpack_oracle.h"
#include "http/validation.h"
#include "http2/hpack/decoder.h"
#include "http2/hpack/encoder.h"

namespace sluice::http2 {

class HpackMachine {
 public:
  explicit HpackMachine(buf::View program) : program_(program) {
    for (Client& c : clients_) connect(c);
    for (Pod& p : pods_) connect(p);
  }

  // The first difference; empty when there is none.
  std::string run() {
    while (!program_.empty() && wrong_.empty()) step();
    for (Client& c : clients_) c = {};
    for (Pod& p : pods_) p = {};
    if (wrong_.empty() && shared_.fields.records() != 0) wrong_ = "records outlive the connections";
    return wrong_;
  }

 private:
  // A client writes blocks with nghttp2, or raw bytes; both decoders read them.
  struct Client {
    std::unique_ptr<OracleEncoder> encoder;
    std::unique_ptr<OracleDecoder> oracle;
    std::unique_ptr<hpack::Decoder> decoder;
    bool raw = false;  // its encoder and its decoders are not in step any more
  };
  struct Pod {
    std::unique_ptr<hpack::Encoder> encoder;
    std::unique_ptr<OracleDecoder> oracle;
    std::unique_ptr<hpack::Decoder> decoder;
  };

  uint8_t byte() {
    if (program_.empty()) return 0;
    const uint8_t b = program_[0];
    program_ = program_.subspan(1);
    return b;
  }
  std::string text(size_t n) {
    n = std::min(n, program_.size());
    std::string s(reinterpret_cast<const char*>(program_.data()), n);
    program_ = program_.subspan(n);
    return s;
  }
  uint32_t size() {
    static constexpr uint32_t kSizes[] = {0, 31, 64, 100, 257, 1024, 4096, 16'384, 65'536};
    return kSizes[byte() % std::size(kSizes)];
  }

  void connect(Client& c) {
    c = {std::make_unique<OracleEncoder>(65'536), std::make_unique<OracleDecoder>(),
         std::make_unique<hpack::Decoder>(shared_), false};
    c.encoder->set_table_size(4096);
  }
  void connect(Pod& p, uint32_t cap = 65'536) {
    p = {std::make_unique<hpack::Encoder>(shared_, cap), std::make_unique<OracleDecoder>(),
         std::make_unique<hpack::Decoder>(shared_)};
  }

  void step() {
    const uint8_t op = byte();
    Client& client = clients_[op >> 3 & 3];
    Pod& pod = pods_[op >> 5 & 1];
    switch (op & 7) {
      case 0:  // raw bytes from a client
        client.raw = true;
        decode(client, text(byte()), (op & 0x40) != 0 ? kShortList : UINT32_MAX);
        break;
      case 1:  // a limit that the client hears of
      {
        const uint32_t n = size();
        client.decoder->set_limit(n);
        client.oracle->set_limit(n);
        client.encoder->set_table_size(n);
        break;
      }
      case 2:  // the pod's SETTINGS, one or two before the next block
        for (int i = 0; i <= (op >> 6 & 1); ++i) {
          const uint32_t n = size();
          pod.oracle->set_limit(n);
          pod.decoder->set_limit(n);
          pod.encoder->set_table_size(n);
        }
        break;
      case 3:
        connect(client);
        break;
      case 4:
        connect(pod, size());
        break;
      default: {  // a call
        if (client.raw) connect(client);
        const PlainFields fields = some_fields();
        const std::vector<uint8_t> block = client.encoder->encode(fields);
        const FieldList* decoded = decode(client, {block.begin(), block.end()});
        if (decoded == nullptr) {
          if (wrong_.empty()) wrong_ = "an honest block was refused";
          return;
        }
        if (wrong_.empty() && !same(fields, plain(*decoded)))
          wrong_ = "a block was decoded to other fields";
        relay(pod, *decoded, plain(*decoded));
      }
    }
  }

  // Credentials may become literals that are never indexed; nothing loses that mark.
  static bool same(const PlainFields& sent, PlainFields got) {
    if (got.size() != sent.size()) return false;
    for (size_t i = 0; i < got.size(); ++i)
      if (got[i].name == "authorization" || got[i].name == "cookie" ||
          got[i].name == "proxy-authorization" || got[i].name == "set-cookie")
        got[i].never_indexed &= sent[i].never_indexed;
    return got == sent;
  }

  PlainFields some_fields() {
    static const std::string kNames[] = {
        ":method",      ":path",      ":authority",     ":scheme",        ":status", "te",
        "content-type", "user-agent", "grpc-timeout",   "authorization",  "cookie",  "x-trace",
        "grpc-status",  "set-cookie", "accept-charset", "content-length", "",        "x"};
    static const std::string kValues[] = {"POST",
                                          "/pkg.Service/Method",
                                          "",
                                          "trailers",
                                          "application/grpc",
                                          "200",
                                          std::string(19, 's'),
                                          std::string(300, 'l'),
                                          std::string(2500, 'v'),
                                          "http",
                                          "/"};
    PlainFields fields;
    const uint8_t count = byte() % 16;
    for (uint8_t i = 0; i < count; ++i) {
      const uint8_t kind = byte();
      PlainField f;
      f.name = (kind & 0x20) != 0 ? text(byte() % 40) : kNames[(kind & 0x1f) % std::size(kNames)];
      const uint8_t value = byte();
      f.value = (value & 0x80) != 0 ? text(value & 0x3f) : kValues[value % std::size(kValues)];
      f.never_indexed = (kind & 0xc0) == 0xc0;
      fields.push_back(std::move(f));
    }
    return fields;
  }

  // nullptr after an error: the connection is replaced.
  const FieldList* decode(Client& c, std::string block, uint32_t max_size = UINT32_MAX) {
    const buf::View view{reinterpret_cast<const uint8_t*>(block.data()), block.size()};
    PlainFields expected;
    fields_.clear();
    const bool good = c.oracle->decode(view, expected);
    const auto result = c.decoder->decode(view, max_size, fields_);
    if (max_size != UINT32_MAX) {
      size_t size = 0;
      for (const PlainField& f : expected) size += 32 + f.name.size() + f.value.size();
      if (fields_.size() > max_size) wrong_ = "a list is longer than allowed";
      if (result == hpack::Decoder::Result::kExcessive) {
        if (good && size <= max_size * (1 + hpack::Decoder::kUnlisted))
          wrong_ = "a list is called excessive that is only too long";
        connect(c);
        return nullptr;
      }
      if (good && (result == hpack::Decoder::Result::kTooLarge) != (size > max_size))
        wrong_ = "a list is misjudged";
    }
    const bool cut = result == hpack::Decoder::Result::kTooLarge;
    if (good != (cut || result == hpack::Decoder::Result::kOk)) {
      wrong_ = good ? "only ours refuses a block" : "only nghttp2 refuses a block";
      return nullptr;
    }
    if (!good) {
      connect(c);
      return nullptr;
    }
    if (!cut && plain(fields_) != expected) wrong_ = "nghttp2 decodes other fields";
    for (const Field f : fields_)
      if (f.sound && !http::sound(f.name, f.value)) wrong_ = "a field is called sound that is not";
    check(*c.decoder, *c.oracle);
    return &fields_;
  }

  void relay(Pod& pod, const FieldList& fields, const PlainFields& sent) {
    const buf::View view = pod.encoder->encode(fields);
    const std::vector<uint8_t> block(view.begin(), view.end());
    PlainFields got;
    if (!pod.oracle->decode(block, got)) {
      wrong_ = "nghttp2 refuses what ours encodes";
      return;
    }
    if (!same(sent, got)) wrong_ = "the pod reads other fields than the client wrote";
    if (pod.oracle->table_has("grpc-timeout")) wrong_ = "a pod's table holds a grpc-timeout";
    if (pod.oracle->table_size() != pod.encoder->table().size() ||
        pod.oracle->entries() != pod.encoder->table().count())
      wrong_ = "the encoder's table is not the pod's";
    FieldList again;
    if (pod.decoder->decode(block, UINT32_MAX, again) != hpack::Decoder::Result::kOk ||
        again.count() != sent.size())
      wrong_ = "ours refuses what ours encodes";
    check(*pod.decoder, *pod.oracle);
  }

  void check(const hpack::Decoder& ours, const OracleDecoder& oracle) {
    if (!wrong_.empty()) return;
    if (ours.table().size() != oracle.table_size() || ours.table().count() != oracle.entries())
      wrong_ = "the decoder's table is not nghttp2's";
    if (ours.table().memory() > 2 * hpack::DecoderTable::kMaxSize)
      wrong_ = "a table holds more memory than its size allows";
  }

  static constexpr uint32_t kShortList = 1'024;  // the least that header_list_size may be

  buf::View program_;
  stats::Http2 stats_;
  hpack::Shared shared_{stats_, SipKey{1, 2}, 65'536};  // small enough to run full
  Client clients_[4];
  Pod pods_[2];
  FieldList fields_;
  std::string wrong_;
};

}  // namespace sluice::http2
