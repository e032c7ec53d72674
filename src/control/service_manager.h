#pragma once
// Reports the state of the daemon to systemd (sd_notify(3)), for units of Type=notify. Without
// systemd each call does nothing.

namespace sluice::control {

// Sluice serves traffic: units that wait for Sluice may start.
void notify_serving();
// The end has begun. A drain may take as long as `drain_timeout`; TimeoutStopSec of the unit must
// be longer.
void notify_stopping();

}  // namespace sluice::control
