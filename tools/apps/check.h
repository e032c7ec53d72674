// What an unmodified gRPC C++ client expects of a server, checked call by call.
#pragma once

#include <string>

#include "channel.h"

namespace sluice::lab {

// Prints one JSON line a check: {"check": NAME, "ok": BOOL, "why": TEXT}. Returns the number that
// failed.
int run_checks(const std::string& target, const Security& security);

}  // namespace sluice::lab
