#pragma once
// Counts the records and alerts of a connection, and holds the guards against those that cost
// Sluice more than the peer.

#include <cstdint>

#include "base/chrono.h"
#include "config/guards.h"
#include "stats/tls.h"
#include "tls/guard.h"
#include "tls/rate_limit.h"

namespace sluice::tls {

class RecordWatch {
 public:
  // All outlive it. of_pod: the peer is a pod. A pod's records carry the answers to many clients,
  // which would lose them; so its small records are only counted.
  RecordWatch(const Time& now, const config::Guards& guards, stats::Tls& stats, bool of_pod)
      : now_(now), guards_(guards), stats_(stats), of_pod_(of_pod) {}

  void sent() { ++stats_.records_out; }
  void received() { ++stats_.records_in; }
  void alert_sent() { ++stats_.alerts_out; }
  void alert_received() { ++stats_.alerts_in; }

  // A record of application data with so many bytes in it, padding included.
  void on_data(int content) {
    if (of_pod_) return;
    if (content <= 0) {
      take(empty_records_, guards_.empty_records, Guard::kEmptyRecords);
    } else if (content < static_cast<int>(config::kTinyRecord)) {
      take(tiny_records_, guards_.tiny_records, Guard::kTinyRecords);
    }
  }
  void on_key_update() { take(key_updates_, guards_.key_updates, Guard::kKeyUpdates); }
  // An alert that ends nothing.
  void on_warning() { take(warning_alerts_, guards_.warning_alerts, Guard::kWarningAlerts); }
  // A session ticket of a pod.
  void on_ticket() { take(tickets_, guards_.pod_tickets, Guard::kTickets); }
  void on_renegotiation() { tripped_ = Guard::kRenegotiation; }

  bool tripped() const { return tripped_ != Guard::kNone; }
  Guard guard() const { return tripped_; }

 private:
  void take(RateLimit& limit, const config::Rate& rate, Guard guard) {
    if (!limit.take(rate, now_)) tripped_ = guard;
  }

  const Time& now_;
  const config::Guards& guards_;
  stats::Tls& stats_;
  const bool of_pod_;
  Guard tripped_ = Guard::kNone;
  RateLimit key_updates_;
  RateLimit empty_records_;
  RateLimit tiny_records_;
  RateLimit warning_alerts_;
  RateLimit tickets_;
};

}  // namespace sluice::tls
