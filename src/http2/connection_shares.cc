// The send window of http2::Connection and the payers' shares of it.

#include <algorithm>

#include "http2/connection.h"

namespace sluice::http2 {

// The window is short, now or already before, and the stream has used some of it.
void Connection::charge(Stream& s) {
  if (send_window_.shares() == nullptr) {
    WindowShares& shares = send_window_.begin_shares();
    for (uint32_t i = 0; i < table_.capacity(); ++i)
      if (Stream* other = table_.cell(i)) shares.update(*other);
  }
  send_window_.shares()->update(s);
}

bool Connection::held_by_share(const Stream& s) const {
  if (send_window_.shares() == nullptr || s.data_.empty()) return false;
  const auto size = static_cast<int64_t>(s.data_.size());
  return send_window_.room(s) < std::min(size, WindowShares::kLeastPiece);
}

// The peer has credited bytes of the connection's window.
void Connection::on_credit() {
  WindowShares* shares = send_window_.shares();
  if (shares == nullptr) return;
  if (send_window_.ample()) {
    for (uint32_t i = 0; i < table_.capacity(); ++i)
      if (Stream* s = table_.cell(i)) shares->leave(*s);
    send_window_.end_shares();
  }
  ready_.splice_back(share_blocked_);
}

// The stream now has less of the window.
void Connection::on_share_change(Stream& s) {
  send_window_.shares()->update(s);
  ready_.splice_back(share_blocked_);
}

Connection::WindowFor Connection::look_for_window(uint64_t payer) const {
  // Enough to go on with: half of what a receiver takes in one frame of full size; or a sixteenth
  // of the window, which is left for each of seven payers that all have their share.
  const int64_t left = send_window_.left();
  const int64_t most = send_window_.most();
  const int64_t enough = std::min<int64_t>(most / 16, kDefaultMaxFrameSize / 2);
  if (send_window_.shares()->room(payer, left, most) >= enough) return WindowFor::kEnough;
  const int64_t newcomers =
      left * WindowShares::kNumerator / (WindowShares::kNumerator + WindowShares::kDenominator);
  return newcomers >= enough ? WindowFor::kNotThisPayer : WindowFor::kNobody;
}

}  // namespace sluice::http2
