#include "http2/window_shares.h"

#include <algorithm>

#include "http2/stream.h"

namespace sluice::http2 {

int64_t WindowShares::room(const Share& share, int64_t left, int64_t whole) const {
  // The streams' windows tell the uncredited bytes of each payer; the connection's window tells
  // their sum. Bytes of the sum that no upload explains belong to requests that are being answered.
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

}  // namespace sluice::http2
