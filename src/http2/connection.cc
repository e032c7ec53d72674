#include "http2/connection.h"

#include <algorithm>

#include "base/stage_meter.h"
#include "http2/codec.h"

namespace sluice::http2 {

Connection::Connection(Role role, const Config& config, Handler& handler, transport::Stream& stream,
                       buf::Memory& memory, stats::Http2& stats, Slab<Stream>& streams,
                       hpack::Shared& hpack)
    : role_(role),
      config_(config),
      handler_(handler),
      stream_(stream),
      output_(stream.output()),
      memory_(memory),
      stats_(stats),
      slab_(streams),
      reader_(role == Role::kServer ? FrameReader::State::kPreface : FrameReader::State::kHeader),
      send_window_(role == Role::kClient),
      receive_window_(config.connection_window),
      table_(config.table_seed),
      next_id_(config.first_stream_id),
      loan_(config.origin),
      stream_limit_(config.max_concurrent_streams),
      decoder_(hpack),
      encoder_(hpack, config.encoder_table_size) {}

Connection::~Connection() {
  loan_.settle(guards());
  const auto destroy = [this](Stream* s) {
    s->set_account(nullptr);
    slab_.destroy(s);
  };
  for (Stream* s : unnumbered_) destroy(s);
  for (uint32_t i = 0; i < table_.capacity(); ++i)
    if (table_.cell(i) != nullptr) destroy(table_.cell(i));
  if (charged_ > 0) account_->charge(0, -static_cast<int64_t>(charged_));
}

void Connection::set_account(buf::Account* account) {
  account_ = account;
  decoder_.set_account(account);
  encoder_.set_account(account);
}

void Connection::release() {
  if (codec_ != nullptr) codec_->destroy(this);
}

bool Connection::can_open_beside_resets() const {
  return open_ + resets_waiting() < peer_.max_streams && resets_waiting() < kMaxWaitingResets;
}

Stream* Connection::open(const FieldList& request, bool end_stream, void* owner, uint64_t payer) {
  if (!can_open()) return nullptr;
  Stream* s = slab_.create();
  if (s == nullptr) return nullptr;
  s->owner_ = owner;
  s->payer_ = payer;
  s->send_window_ = s->send_window_top_ = peer_.initial_window;
  s->receive_window_ = config_.initial_stream_window;
  s->window_.begin(config_.initial_stream_window, now_, windows_grow());
  if (const auto method = request.find(Name::kMethod)) {
    s->to_head_ = *method == "HEAD";
    s->connect_ = *method == "CONNECT";
  }
  ++open_;
  unnumbered_.add(*s);
  send_headers(*s, request, end_stream);
  return s;
}

void Connection::send_headers(http::Stream& stream, const FieldList& fields, bool end_stream) {
  Stream& s = own(stream);
  if (failed_ || s.closed_ || s.end_queued_) return;
  s.end_queued_ = end_stream;
  if (room_ > 0 && s.head_ == nullptr && s.data_.empty()) {
    in_stage(Stage::kHttp, [&] {
      emit_headers(s, fields, end_stream);
      after_output(s);
    });
    return;
  }
  const bool behind_data = !s.data_.empty() || (s.head_ != nullptr && end_stream);
  auto& slot = behind_data ? s.trailers_ : s.head_;
  // Only an informational section can already wait here. The newer section is worth more, but a
  // client may send nothing before a 100 comes.
  const auto status = [](const FieldList& f) { return f.find(http::Name::kStatus).value_or(""); };
  if (!behind_data && slot && status(*slot) == "100" && status(fields).starts_with('1')) return;
  slot = std::make_unique<FieldList>(fields);
  s.settle();
  make_ready(s);
}

void Connection::send_data(http::Stream& stream, buf::Slice data, bool end_stream) {
  Stream& s = own(stream);
  if (failed_ || s.closed_ || s.end_queued_) return;
  s.end_queued_ = end_stream;
  const uint32_t n = data.size();
  const bool first_in_line = room_ > 0 && s.head_ == nullptr && s.data_.empty();
  if (first_in_line && n <= s.send_window_ && n <= peer_.max_frame_size &&
      n <= send_window_.room(s)) {
    if (n == 0 && !end_stream) return;
    if (n > config_.copy_break) {
      data = memory_.retain(std::move(data));
      if (!data) {
        ++stats_.memory_refusals;
        stream_error(s, out_of_memory(), EndedBy::kMemory);
        return;
      }
    }
    const uint32_t id = s.id_;
    frame_data(s, std::move(data), end_stream);
    // on_sent may have ended the stream.
    if (Stream* still = table_.find(id); still != nullptr) after_output(*still);
    return;
  }
  if (n > 0) {
    bool kept;
    if (n <= config_.copy_break) {
      kept = s.data_.append_copy(data.view(), memory_.hold());
    } else {
      data = memory_.retain(std::move(data));
      kept = static_cast<bool>(data);
      if (kept) s.data_.append(std::move(data));
    }
    if (!kept) {
      ++stats_.memory_refusals;
      stream_error(s, out_of_memory(), EndedBy::kMemory);
      return;
    }
    s.settle();
  }
  make_ready(s);
}

void Connection::reset(http::Stream& stream, ErrorCode code) {
  Stream& s = own(stream);
  if (s.closed_) return;
  if (s.id_ != 0 && !failed_ && !(s.end_sent_ && s.remote_ended_))
    emit_rst(s.id_, code, s.end_sent_);
  close(s);
}

void Connection::reset_after_output(http::Stream& stream, ErrorCode code) {
  Stream& s = own(stream);
  if (s.closed_) return;
  s.owner_ = nullptr;
  s.reset_after_output_ = true;
  s.reset_code_ = static_cast<uint32_t>(code);
  after_output(s);
}

void Connection::consumed(http::Stream& stream, uint32_t n) {
  Stream& s = own(stream);
  if (failed_ || s.closed_ || s.remote_ended_ || s.id_ == 0) return;
  if (s.window_.took(n)) announce(s);
}

void Connection::announce(Stream& s) {
  const bool grows = windows_grow();
  if (grows) {
    const Duration now = handler_.round_trip();
    if (round_trip_ == Duration{} || now < round_trip_) round_trip_ = now;
  }
  const uint32_t before = s.window_.size();
  const uint32_t n = s.window_.announce({.now = now_,
                                         .round_trip = round_trip_,
                                         .least = config_.initial_stream_window,
                                         .most = config_.max_stream_window,
                                         .room = grows && memory_.ample()});
  if (s.window_.size() > before) {
    ++stats_.windows_grown;
    // Leaves room for two streams as fast as this one. DATA is credited on receipt, so the streams'
    // windows alone bound the bytes in memory.
    const auto both =
        static_cast<uint32_t>(std::min<int64_t>(2 * int64_t{s.window_.size()}, kMaxWindow));
    if (const uint32_t more = receive_window_.grow(both); more > 0) emit_window_update(0, more);
  }
  if (n == 0 || failed_) return;
  s.receive_window_ += n;
  emit_window_update(s.id_, n);
}

Connection::Held Connection::held() const {
  Held held{output_.end() - stream_.acknowledged(), stream_.buffers()};
  const auto add = [&held](const Stream& s) {
    held.bytes += s.queued();
    held.buffers += s.queued_buffers();
  };
  for (uint32_t i = 0; i < table_.capacity(); ++i)
    if (const Stream* s = table_.cell(i)) add(*s);
  for (const Stream* s : unnumbered_) add(*s);
  return held;
}

bool Connection::ping(uint64_t opaque) {
  if (failed_) return true;  // nothing may follow the GOAWAY of an error
  if (role_ == Role::kServer && reader_.before_first_frame()) greet();  // SETTINGS come first (3.4)
  uint8_t payload[8];
  store_be64(payload, opaque);
  emit(FrameType::kPing, 0, 0, payload);
  return true;
}

bool Connection::announce_drain(uint64_t opaque) {
  goaway(kMaxStreamId, ErrorCode::kNoError);
  return ping(opaque);
}

void Connection::drain() {
  goaway(last_peer_id_, ErrorCode::kNoError);
  refuse_new_streams();
}

void Connection::for_each_stream(FunctionRef<void(http::Stream&)> fn) {
  if (open_ == 0) return;  // as at the end of most connections
  const std::vector<Stream*> unnumbered(unnumbered_.begin(), unnumbered_.end());
  for (Stream* s : unnumbered)
    if (s->owner() != nullptr) fn(*s);
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < table_.capacity(); ++i)
    if (Stream* s = table_.cell(i)) ids.push_back(s->id());
  for (const uint32_t id : ids)
    if (Stream* s = table_.find(id); s != nullptr && s->owner() != nullptr) fn(*s);
}

void Connection::goaway(uint32_t last_stream_id, ErrorCode code, std::string_view debug) {
  if (failed_) return;
  if (role_ == Role::kServer && reader_.before_first_frame()) greet();  // SETTINGS come first (3.4)
  uint8_t payload[8 + 128];
  store_be32(payload, last_stream_id);
  store_be32(payload + 4, static_cast<uint32_t>(code));
  const size_t n = std::min<size_t>(debug.size(), sizeof payload - 8);
  if (n > 0) std::memcpy(payload + 8, debug.data(), n);
  emit(FrameType::kGoaway, 0, 0, {payload, 8 + n});
  ++stats_.goaways_out;
}

void Connection::close(Stream& s) {
  detach(s);
  slab_.destroy(&s);
}

void Connection::detach(Stream& s) {
  s.closed_ = true;
  if (s.charged()) [[unlikely]]
    s.give_back();
  s.unlink();
  --open_;
  if (s.share_ != nullptr) [[unlikely]] {
    send_window_.shares()->leave(s);
    ready_.splice_back(share_blocked_);
  }
  if (s.id_ != 0) {
    table_.erase(s);
    ready_.splice_back(limit_blocked_);
  } else {
    unnumbered_.remove(s);
  }
}

// 5.4.2. When a pod breaks the protocol, the client of the call cannot know it.
void Connection::stream_error(Stream& s, ErrorCode code, const char* what) {
  if (role_ == Role::kClient) {
    ++stats_.broken_answers;
    note(Note::kBroken, what);
  }
  stream_error(s, code, EndedBy::kProtocol);
}

void Connection::stream_error(Stream& s, ErrorCode code, EndedBy by) {
  ++stats_.stream_errors;
  if (s.id_ != 0) emit_rst(s.id_, code, s.end_sent_);
  if (!failed_ && code != ErrorCode::kEnhanceYourCalm) provoked();
  detach(s);
  if (s.owner_ != nullptr) handler_.on_reset(s, reason_of(code), by);
  slab_.destroy(&s);
}

}  // namespace sluice::http2
