#include "http2/window_shares.h"

#include <algorithm>

#include "http2/connection.h"

namespace sluice::http2 {

int64_t WindowShares::room(const Share& share, int64_t left, int64_t whole) const {
  // Stream windows tell who has what, the connection's tells how much it is in all. Bytes that no
  // upload explains belong to requests that are being answered.
  const int64_t uncredited = std::max<int64_t>(whole - left, 0);
  const int64_t unexplained = std::max<int64_t>(uncredited - uploading_, 0);
  const int64_t has = std::min(share.uploading + std::min(share.answered, unexplained), uncredited);
  // The most n for which has + n <= (left - n) * kNumerator / kDenominator.
  return (kNumerator * left - kDenominator * has) / (kNumerator + kDenominator);
}

int64_t WindowShares::room(uint64_t payer, int64_t left, int64_t whole) const {
  if (payer == 0) return left;
  const auto it = shares_.find(payer);
  return room(it == shares_.end() ? Share{} : it->second, left, whole);
}

int64_t WindowShares::room(const Stream& s, int64_t left, int64_t whole) const {
  return s.share_ == nullptr ? room(s.payer_, left, whole) : room(*s.share_, left, whole);
}

void WindowShares::discharge(Stream& s) {
  if (s.charged_as_answered_) {
    s.share_->answered -= s.charged_;
  } else {
    s.share_->uploading -= s.charged_;
    uploading_ -= s.charged_;
  }
}

void WindowShares::update(Stream& s) {
  if (s.payer_ == 0) return;
  if (s.share_ == nullptr) {
    s.share_ = &shares_[s.payer_];
    ++s.share_->streams;
    s.charged_ = 0;
  }
  discharge(s);
  s.charged_ = s.send_window_top_ - s.send_window_;
  s.charged_as_answered_ = s.end_sent_ && s.response_seen_;
  if (s.charged_as_answered_) {
    s.share_->answered += s.charged_;
  } else {
    s.share_->uploading += s.charged_;
    uploading_ += s.charged_;
  }
}

void WindowShares::leave(Stream& s) {
  if (s.share_ == nullptr) return;
  discharge(s);
  if (--s.share_->streams == 0) shares_.erase(s.payer_);
  s.share_ = nullptr;
}

// --- The connection's side ---

// The window has become short, or is, and the stream has used some of it.
void Connection::charge(Stream& s) {
  if (shares_ == nullptr) {
    shares_ = std::make_unique<WindowShares>();
    share_below_ = INT64_MAX;
    for (uint32_t i = 0; i < table_.capacity(); ++i)
      if (Stream* other = table_.cell(i)) shares_->update(*other);
  }
  shares_->update(s);
}

bool Connection::held_by_share(const Stream& s) const {
  if (shares_ == nullptr || s.data_.empty()) return false;
  const auto size = static_cast<int64_t>(s.data_.size());
  return shares_->room(s, send_window_, send_window_top_) <
         std::min(size, WindowShares::kLeastPiece);
}

// The peer has given back something of the connection's window.
void Connection::on_credit() {
  send_window_top_ = std::max(send_window_top_, send_window_);
  if (role_ != Role::kClient) return;
  if (shares_ == nullptr) {
    share_below_ = send_window_top_ / 2;
    return;
  }
  // Well above where shares begin to count, so that they do not come and go with each frame.
  if (send_window_ >= send_window_top_ / 4 * 3) {
    for (uint32_t i = 0; i < table_.capacity(); ++i)
      if (Stream* s = table_.cell(i)) shares_->leave(*s);
    shares_.reset();
    share_below_ = send_window_top_ / 2;
  }
  ready_.splice_back(share_blocked_);
}

// What the stream has of the window became less.
void Connection::on_share_change(Stream& s) {
  shares_->update(s);
  ready_.splice_back(share_blocked_);
}

Connection::WindowFor Connection::look_for_window(uint64_t payer) const {
  // Half of what a receiver takes in one frame of full size is enough to go on with, or what is
  // left for each of seven payers that all have their share.
  const int64_t enough = std::min<int64_t>(send_window_top_ / 16, kDefaultMaxFrameSize / 2);
  if (shares_->room(payer, send_window_, send_window_top_) >= enough) return WindowFor::kEnough;
  const int64_t newcomers = send_window_ * WindowShares::kNumerator /
                            (WindowShares::kNumerator + WindowShares::kDenominator);
  return newcomers >= enough ? WindowFor::kNotThisPayer : WindowFor::kNobody;
}

}  // namespace sluice::http2
