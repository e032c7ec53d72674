#pragma once
// Random keys from the operating system.

#include "base/hash.h"

namespace sluice::worker {

// Throws std::system_error when the operating system gives none.
SipKey random_key();

}  // namespace sluice::worker
