#pragma once
// Tells systemd how far the daemon is (sd_notify(3)), for units of Type=notify. Outside of systemd
// each call does nothing.

namespace sluice::control {

// Traffic is served: units that wait for Sluice may start.
void notify_serving();
// The end has begun. A drain may take as long as `drain_timeout` says; TimeoutStopSec of the unit
// must be longer.
void notify_stopping();

}  // namespace sluice::control
