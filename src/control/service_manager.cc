#include "control/service_manager.h"

#include <systemd/sd-daemon.h>

namespace sluice::control {

void notify_serving() {
  ::sd_notify(0, "READY=1\nSTATUS=serving");
}

void notify_stopping() {
  ::sd_notify(0, "STOPPING=1\nSTATUS=draining");
}

}  // namespace sluice::control
