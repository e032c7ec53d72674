#pragma once
// The counters of TCP: one line each in stats/tcp.h, where control and its tools read them.

#include "stats/tcp.h"

namespace sluice::tcp {

using Counters = stats::Tcp;

}  // namespace sluice::tcp
