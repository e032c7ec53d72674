#pragma once
// The HTTP/2 of one worker: its connections and the state that they share.

#include "base/hash.h"
#include "base/slab.h"
#include "http/codec.h"
#include "http/field_refs.h"
#include "http2/connection.h"
#include "http2/hpack/shared.h"

namespace sluice::http2 {

class Codec final : public http::Codec, public http::FieldRefs {
 public:
  struct Setup {
    buf::Memory& memory;  // outlives the codec, as does the next
    stats::Http2& stats;
    SipKey fields_key;        // of the table of fields: random, so that clients cannot know it
    uint32_t table_seed = 0;  // of the stream tables toward clients: the same
    hpack::Shared::Cycles cycles = nullptr;  // times a sample of HPACK's work; may be nullptr
    // Size of the table of fields that connections share; a power of two.
    size_t field_table_bytes = hpack::FieldTable::kBytes;
  };
  explicit Codec(const Setup& setup);

  http::ConnectionPtr server(http::Handler& handler, transport::Stream& stream,
                             const ServerOptions& options) override;
  http::ConnectionPtr client(http::Handler& handler, transport::Stream& stream) override;
  void adopt(const config::Limits& limits, const config::Guards& guards) override;

  http::FieldRef find_ref(std::string_view name, std::string_view value) const override {
    return hpack_.fields.find_ref(name, value);
  }

 private:
  friend Connection;
  void destroy(Connection* c) { connections_.destroy(c); }
  http::ConnectionPtr make(Role role, const Config& config, http::Handler& handler,
                           transport::Stream& stream);

  buf::Memory& memory_;
  stats::Http2& stats_;
  hpack::Shared hpack_;
  Slab<Stream> streams_;
  Slab<Connection> connections_;
  config::Guards guards_;  // connections refer to it
  Config to_clients_;
  Config to_pods_;
};

}  // namespace sluice::http2
