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
      switch (this->growth().hystart.on_ack(ack.acknowledged, ack.sent, ack.rtt)) {
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
  Growth& g = growth();
  if (g.epoch == kNever) {
    g.epoch = ack.now;
    g.w_est = cwnd;
    g.origin = std::max<double>(w_max_, cwnd);
    g.k = std::cbrt((g.origin - cwnd) / mss_ / kC);
  } else {
    // 4.2 and 5.8: time in which the application was the limit does not count. The ACKs of a window
    // in use are at most a round trip apart.
    g.epoch += std::max(ack.now - g.used_at - ack.smoothed_rtt, Duration::zero());
  }
  g.used_at = ack.now;
  const double t = seconds(ack.now - g.epoch + ack.smoothed_rtt) - g.k;
  double target = g.origin + kC * t * t * t * mss_;
  target = std::clamp(target, cwnd, 1.5 * cwnd);  // RFC 9438, 4.2

  const double alpha = g.w_est < friendly_until_ ? kReno : 1.0;  // 4.3
  g.w_est += alpha * ack.delivered * mss_ / cwnd;
  const double goal = std::max(target, g.w_est);
  // (target - cwnd) / cwnd for each acknowledged byte. Only whole segments; the rest is carried
  // over.
  const double grow = (goal - cwnd) / cwnd * ack.delivered;
  g.fraction += std::max(grow, 0.0);
  if (g.fraction >= mss_) {
    const uint32_t whole = static_cast<uint32_t>(g.fraction) / mss_ * mss_;
    cwnd_ += whole;
    g.fraction -= whole;
  }
}

void Cubic::remember() {
  growth().saved = {cwnd_, ssthresh_, w_max_, friendly_until_};
}

void Cubic::reduce() {
  // Fast convergence (4.7): a flow that lost ground releases more of its window.
  w_max_ = cwnd_ < w_max_ ? static_cast<uint32_t>(cwnd_ * (1 + kBeta) / 2) : cwnd_;
  friendly_until_ = w_max_;
  ssthresh_ = std::max(static_cast<uint32_t>(cwnd_ * kBeta), kMinSegments * mss_);
  growth().epoch = kNever;
  growth().fraction = 0;
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
  const auto& saved = growth().saved;
  cwnd_ = std::max(cwnd_, saved.cwnd);
  ssthresh_ = saved.ssthresh;
  w_max_ = saved.w_max;
  friendly_until_ = saved.friendly_until;
  growth().epoch = kNever;
}

void Cubic::on_idle(Time, uint32_t restart_window) {
  // The threshold remembers the capacity of the path (RFC 7661 keeps three quarters).
  if (cwnd_ <= restart_window) return;
  ssthresh_ = std::max(ssthresh_, cwnd_ / 4 * 3);
  cwnd_ = restart_window;
  if (growth_ != nullptr) growth_->epoch = kNever;
}

// The next epoch begins anew, as on_idle() has it.
void Cubic::rest() {
  growth_.reset();
}

}  // namespace sluice::tcp
