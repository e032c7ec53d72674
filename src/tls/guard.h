#pragma once
// The guards of a TLS connection: behaviour of a peer that costs Sluice more than the peer.

#include <cstdint>

#include "stats/tls.h"

namespace sluice::tls {

enum class Guard : uint8_t {
  kNone,
  kTimeout,
  kSize,
  kRecords,
  kRenegotiation,
  kKeyUpdates,
  kEmptyRecords,
  kTinyRecords,
  kWarningAlerts,
  kTickets,
  kWaiting,
  kRecordTimeout,
};

struct GuardInfo {
  const char* name;  // as `sluicectl guards` calls it
  const char* what;  // for the log
  stats::Counter stats::Tls::*count;
};

// Not of kNone.
inline const GuardInfo& info_of(Guard guard) {
  using T = stats::Tls;
  static constexpr GuardInfo kInfo[] = {
      {"handshake_timeout", "did not complete its TLS handshake in time", &T::failed_timeout},
      {"handshake_size", "sent too many bytes before the end of its TLS handshake",
       &T::failed_size},
      {"handshake_records", "sent its TLS handshake in too many records",
       &T::guard_handshake_records},
      {"renegotiation", "wanted to negotiate TLS again", &T::guard_renegotiation},
      {"key_updates", "sent too many KeyUpdate", &T::guard_key_updates},
      {"empty_records", "sent too many empty TLS records", &T::guard_empty_records},
      {"tiny_records", "sent too many TLS records of a few bytes", &T::guard_tiny_records},
      {"warning_alerts", "sent too many warning alerts", &T::guard_warning_alerts},
      {"pod_tickets", "sent too many session tickets", &T::guard_pod_tickets},
      {"waiting_handshakes", "began a TLS handshake while too many waited", &T::failed_waiting},
      {"record_timeout", "began a TLS record and did not end it in time", &T::guard_record_timeout},
  };
  return kInfo[static_cast<size_t>(guard) - 1];
}

}  // namespace sluice::tls
