#pragma once
// nghttp2's own connection, either role, as the peer of ours: what it takes and says is in bytes.

#include <nghttp2/nghttp2.h>

#include <functional>
#include <string>
#include <vector>

#include "http2/http.h"

namespace sluice::http2 {

// Strict: whatever nghttp2 finds wrong with the other side's frames is in `complaints`.
class Nghttp2Peer {
 public:
  Nghttp2Peer(bool server, const std::vector<nghttp2_settings_entry>& settings) {
    nghttp2_session_callbacks* on;
    nghttp2_session_callbacks_new(&on);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        on, [](nghttp2_session*, const nghttp2_frame*, void* self) {
          peer(self).fields_.clear();  // a section before may have been left for a reset
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        on, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
               const uint8_t* value, size_t value_size, uint8_t, void* self) {
          peer(self).fields_ += (peer(self).fields_.empty() ? "" : " ") +
                                std::string(reinterpret_cast<const char*>(name), name_size) + "=" +
                                std::string(reinterpret_cast<const char*>(value), value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        on, [](nghttp2_session*, const nghttp2_frame* f, void* self) {
          peer(self).on_frame(*f);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        on, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t n, void* self) {
          peer(self).on_data(id, {reinterpret_cast<const char*>(data), n});
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        on, [](nghttp2_session*, int32_t id, uint32_t code, void* self) {
          peer(self).on_close(id, code);
          return 0;
        });
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        on, [](nghttp2_session*, const nghttp2_frame* f, int error, void* self) {
          // Over a limit of streams that was lowered meanwhile.
          if (error != NGHTTP2_ERR_REFUSED_STREAM) peer(self).complain(*f, error);
          return 0;
        });
    nghttp2_session_callbacks_set_error_callback2(
        on, [](nghttp2_session*, int, const char* text, size_t n, void* self) {
          peer(self).complaints.emplace_back(text, n);
          return 0;
        });
    nghttp2_session_callbacks_set_select_padding_callback(
        on, [](nghttp2_session*, const nghttp2_frame* f, size_t most, void* self) {
          return static_cast<ssize_t>(peer(self).pad ? peer(self).pad(f->hd.length, most)
                                                     : f->hd.length);
        });
    nghttp2_option* option;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    if (server) {
      nghttp2_session_server_new2(&session_, on, this, option);
    } else {
      nghttp2_session_client_new2(&session_, on, this, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(on);
    set(settings);
  }
  ~Nghttp2Peer() { nghttp2_session_del(session_); }
  Nghttp2Peer(const Nghttp2Peer&) = delete;

  bool hear(std::string_view bytes) {
    const ssize_t n = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (n == static_cast<ssize_t>(bytes.size())) return true;
    complaints.push_back(nghttp2_strerror(static_cast<int>(n)));
    return false;
  }
  std::string say() {
    std::string out;
    const uint8_t* data;
    for (ssize_t n; (n = nghttp2_session_mem_send(session_, &data)) > 0;)
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
    return out;
  }
  void set(const std::vector<nghttp2_settings_entry>& settings) {
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  }
  void consume(int32_t id, size_t n) { nghttp2_session_consume(session_, id, n); }
  void reset(int32_t id, uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
  }
  void ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }
  nghttp2_session* session() { return session_; }

  static std::vector<nghttp2_nv> nv(const FieldList& fields) {
    std::vector<nghttp2_nv> out;
    for (const Field f : fields)
      out.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(f.name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(f.value.data())), f.name.size(),
                     f.value.size(), NGHTTP2_NV_FLAG_NONE});
    return out;
  }

  // end: the frame ends the stream. Of DATA, the end alone comes as an empty piece.
  std::function<void(int32_t id, int category, const std::string& fields, bool end)> on_headers;
  std::function<void(int32_t id, std::string_view piece, bool end)> on_piece;
  std::function<void(int32_t id, uint32_t code)> on_end;
  std::function<size_t(size_t least, size_t most)> pad;
  std::vector<std::string> complaints;

 private:
  static Nghttp2Peer& peer(void* self) { return *static_cast<Nghttp2Peer*>(self); }
  void on_frame(const nghttp2_frame& f) {
    const bool end = (f.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (f.hd.type == NGHTTP2_HEADERS) {
      const std::string fields = std::exchange(fields_, "");
      on_headers(f.hd.stream_id, f.headers.cat, fields, end);
    } else if (f.hd.type == NGHTTP2_DATA && end) {
      on_piece(f.hd.stream_id, {}, true);
    } else if (f.hd.type == NGHTTP2_GOAWAY) {
      complaints.push_back("GOAWAY");
    }
  }
  void on_data(int32_t id, std::string_view piece) { on_piece(id, piece, false); }
  void on_close(int32_t id, uint32_t code) { on_end(id, code); }
  void complain(const nghttp2_frame& f, int error) {
    complaints.push_back("frame of type " + std::to_string(f.hd.type) + " on stream " +
                         std::to_string(f.hd.stream_id) + ": " + nghttp2_strerror(error));
  }

  nghttp2_session* session_ = nullptr;
  std::string fields_;
};

}  // namespace sluice::http2
