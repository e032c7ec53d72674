// The bytes before the first frame (RFC 9113, 3.4), and the answers to peers that do not speak
// HTTP/2.

#include <algorithm>
#include <cstring>

#include "http2/connection.h"
#include "http2/preface.h"

namespace sluice::http2 {
namespace {

// RFC 9110, 15.6.6: the answer should name the protocols that are spoken.
constexpr std::string_view kVersionNotSupported =
    "HTTP/1.1 505 HTTP Version Not Supported\r\n"
    "content-type: text/plain\r\n"
    "content-length: 63\r\n"
    "connection: close\r\n"
    "\r\n"
    "This port speaks HTTP/2 without TLS (h2c, by prior knowledge).\n";
constexpr size_t kContentBegins = kVersionNotSupported.find("\r\n\r\n") + 4;
static_assert(kVersionNotSupported.size() - kContentBegins == 63);

// RFC 8446, 5.1 and 6: the first byte of a handshake record, and a fatal alert, protocol_version.
constexpr uint8_t kTlsHandshake = 22;
constexpr std::string_view kTlsAlert{"\x15\x03\x01\0\x02\x02\x46", 7};

bool upper_case(uint8_t c) {
  return c >= 'A' && c <= 'Z';
}

}  // namespace

void Connection::start() {
  if (failed_) return;
  room_ = kDefaultWindow;
  if (role_ == Role::kServer) return;
  output_.append_copy({reinterpret_cast<const uint8_t*>(kPreface.data()), kPreface.size()},
                      memory_.hold());
  greet();
}

void Connection::greet() {
  if (settings_unacknowledged_ > 0) return;  // our GOAWAY was sent before the client's preface
  ++settings_unacknowledged_;
  uint8_t settings[7 * kSettingSize];
  uint32_t n = 0;
  const auto add = [&](Setting id, uint32_t value) {
    store_be16(settings + n, static_cast<uint16_t>(id));
    store_be32(settings + n + 2, value);
    n += kSettingSize;
  };
  add(Setting::kHeaderTableSize, config_.header_table_size);
  if (role_ == Role::kClient) add(Setting::kEnablePush, 0);
  if (role_ == Role::kServer) add(Setting::kMaxConcurrentStreams, config_.max_concurrent_streams);
  add(Setting::kInitialWindowSize, config_.initial_stream_window);
  if (config_.max_frame_size != kDefaultMaxFrameSize)
    add(Setting::kMaxFrameSize, config_.max_frame_size);
  add(Setting::kMaxHeaderListSize, config_.max_header_list_size);
  if (role_ == Role::kServer && config_.pass_connect) add(Setting::kEnableConnectProtocol, 1);
  emit(FrameType::kSettings, 0, 0, {settings, n});
  if (const uint32_t more = receive_window_.begin(); more > 0) emit_window_update(0, more);
}

bool Connection::on_preface(buf::Slice& data) {
  switch (reader_.read_preface(data)) {
    case FrameReader::Preface::kMore:
      return true;
    case FrameReader::Preface::kComplete:
      greet();
      return !failed_;
    case FrameReader::Preface::kDiffers:
      break;
  }
  const uint8_t first = reader_.first_byte(data);
  if (first == kTlsHandshake)
    return refuse(kTlsAlert, stats_.tls_hellos, "speaks TLS to a port without it");
  if (!upper_case(first)) return fail(ErrorCode::kProtocolError, "no HTTP/2 preface");
  reader_.begin_first_line();
  return true;
}

bool Connection::on_first_line(buf::Slice& data) {
  const std::string_view so_far = reader_.read_first_line(data);
  const size_t end = so_far.find('\n');
  if (end == std::string_view::npos && so_far.size() < FrameReader::kLongestLine) return true;
  const std::string_view line = so_far.substr(0, end);
  if (end == std::string_view::npos || line.find(" HTTP/1.") == std::string_view::npos)
    return fail(ErrorCode::kProtocolError, "no HTTP/2 preface");
  const bool head = line.starts_with("HEAD ");  // whose answer has no content
  return refuse(kVersionNotSupported.substr(0, head ? kContentBegins : std::string_view::npos),
                stats_.http1_requests, "speaks HTTP/1 to a port of HTTP/2");
}

bool Connection::refuse(std::string_view answer, stats::Counter& counter, const char* detail) {
  ++counter;
  output_.append_copy({reinterpret_cast<const uint8_t*>(answer.data()), answer.size()},
                      memory_.hold());
  failed_ = true;
  error_ = ErrorCode::kProtocolError;
  detail_ = detail;
  return false;
}

}  // namespace sluice::http2
