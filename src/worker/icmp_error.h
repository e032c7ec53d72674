#pragma once
// ICMP errors on their way from IP to TCP: finds out which segment of ours one is about.

#include "base/chrono.h"
#include "ip/host.h"
#include "tcp/stack.h"

namespace sluice::worker {

// in.kind is kIcmpError. False when it is about no TCP segment, or of a type that TCP has no use
// for; whether the connection exists is TCP's to count.
bool deliver_icmp_error(const ip::Input& in, tcp::Stack& tcp, Time now);

}  // namespace sluice::worker
