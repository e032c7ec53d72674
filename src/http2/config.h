#pragma once
// Role, limits and guards of an HTTP/2 connection.

#include <cstdint>

#include "config/guards.h"
#include "http2/http.h"

namespace sluice::http2 {

enum class Role : uint8_t { kServer, kClient };

// Limits and guards of a connection, for its whole life.
struct Config {
  uint32_t header_table_size = 4096;        // bytes, our decoder's dynamic table (RFC 7541, 4.2)
  uint32_t encoder_table_size = 4096;       // bytes, at most; the peer's setting may lower it
  uint32_t max_concurrent_streams = 128;    // server role: streams a client may have open
  uint32_t initial_stream_window = 65'536;  // bytes a peer may send ahead on one stream
  uint32_t max_stream_window = 0;  // the same of a stream that proved fast; at most initial: never
  uint32_t connection_window = 1'048'576;  // bytes a peer may send ahead in all, at first
  uint32_t max_frame_size = 16'384;        // bytes of payload that we accept in a frame
  uint32_t max_header_list_size = 16'384;  // bytes, counted as FieldList::size does
  bool pass_connect = false;               // server role: requests to CONNECT reach the owner
  uint32_t copy_break = 256;               // DATA bytes below which copying beats sharing
  uint32_t first_stream_id = 1;            // client role, odd; a test may begin near the end
  uint32_t table_seed = 0x9e3779b9;  // of the stream table: random, so that clients cannot know
  // Server role: the allowance of the client's address over all its connections. May be nullptr.
  Origin* origin = nullptr;
  // Outlives the connection. Its values may change while the connection lives.
  const config::Guards* guards = &config::kDefaultGuards;
};

}  // namespace sluice::http2
