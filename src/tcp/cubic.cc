#include "tcp/cubic.h"

#include <algorithm>
#include <cmath>

namespace sluice::tcp {

namespace {
constexpr double kC = 0.4;                               // RFC 9438, 5: segments / s^3
constexpr double kBeta = 0.7;                            // multiplicative decrease
constexpr double kReno = 3 * (1 - kBeta) / (1 + kBeta);  // alpha_cubic: as fair as Reno at beta 0.7
constexpr uint32_t kMinSegments = 2;                     // RFC 9438, 4.6: ssthresh at least this

double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}
}  // namespace

void Cubic::start(uint32_t mss, uint32_t initial_window) {
  *this = Cubic();
  mss_ = mss;
  cwnd_ = initial_window;
}

void Cubic::on_ack(const AckSample& ack) {
  // RFC 9438, 5.8 and RFC 7661: a window that was not used must not grow.
  if (!ack.window_used) return;
  if (slow_start()) {
    uint32_t growth = ack.delivered;
    if (ssthresh_ == UINT32_MAX) {
      constexpr uint32_t kConservativeDivisor = 4;  // RFC 9406, 4.3
      switch (hystart_.on_ack(ack.acknowledged, ack.sent, ack.rtt)) {
        case HyStart::Verdict::kGrow:
          break;
        case HyStart::Verdict::kConservative:
          growth /= kConservativeDivisor;
          break;
        case HyStart::Verdict::kLeave:
          ssthresh_ = cwnd_;
          return;
      }
    }
    cwnd_ += std::min(growth, ssthresh_ - cwnd_);
    return;
  }
  avoid(ack);
}

void Cubic::avoid(const AckSample& ack) {
  const double cwnd = cwnd_;
  if (epoch_ == kNever) {
    epoch_ = ack.now;
    w_est_ = cwnd;
    origin_ = std::max<double>(w_max_, cwnd);
    k_ = std::cbrt((origin_ - cwnd) / mss_ / kC);
  } else {
    // 4.2 and 5.8: time in which the application was the limit does not count. The ACKs of a window
    // in use are at most a round trip apart.
    epoch_ += std::max(ack.now - used_at_ - ack.smoothed_rtt, Duration::zero());
  }
  used_at_ = ack.now;
  const double t = seconds(ack.now - epoch_ + ack.smoothed_rtt) - k_;
  double target = origin_ + kC * t * t * t * mss_;
  target = std::clamp(target, cwnd, 1.5 * cwnd);  // RFC 9438, 4.2

  const double alpha = w_est_ < friendly_until_ ? kReno : 1.0;  // 4.3
  w_est_ += alpha * ack.delivered * mss_ / cwnd;
  const double goal = std::max(target, w_est_);
  // (target - cwnd) / cwnd for each acknowledged byte. Only whole segments; the rest is carried
  // over.
  const double grow = (goal - cwnd) / cwnd * ack.delivered;
  fraction_ += std::max(grow, 0.0);
  if (fraction_ >= mss_) {
    const uint32_t whole = static_cast<uint32_t>(fraction_) / mss_ * mss_;
    cwnd_ += whole;
    fraction_ -= whole;
  }
}

void Cubic::remember() {
  saved_ = {cwnd_, ssthresh_, w_max_, friendly_until_};
}

void Cubic::reduce() {
  // Fast convergence (4.7): a flow that lost ground releases more of its window.
  w_max_ = cwnd_ < w_max_ ? static_cast<uint32_t>(cwnd_ * (1 + kBeta) / 2) : cwnd_;
  friendly_until_ = w_max_;
  ssthresh_ = std::max(static_cast<uint32_t>(cwnd_ * kBeta), kMinSegments * mss_);
  epoch_ = kNever;
  fraction_ = 0;
}

void Cubic::on_congestion(Time, uint32_t) {
  remember();
  reduce();
  cwnd_ = std::min(cwnd_, ssthresh_);
}

void Cubic::on_timeout(Time, uint32_t) {
  remember();
  reduce();
  cwnd_ = mss_;
  w_max_ = 0;  // 4.8: the curve begins at the window that slow start ends with
}

void Cubic::undo() {
  cwnd_ = std::max(cwnd_, saved_.cwnd);
  ssthresh_ = saved_.ssthresh;
  w_max_ = saved_.w_max;
  friendly_until_ = saved_.friendly_until;
  epoch_ = kNever;
}

void Cubic::on_idle(Time, uint32_t restart_window) {
  // The threshold remembers the capacity of the path (RFC 7661 keeps three quarters).
  if (cwnd_ <= restart_window) return;
  ssthresh_ = std::max(ssthresh_, cwnd_ / 4 * 3);
  cwnd_ = restart_window;
  epoch_ = kNever;
}

}  // namespace sluice::tcp
