#pragma once
// OpenSSL's library contexts, one for each lane. Threads that share one wait for each other, since
// OpenSSL 3.0 locks the context in every fetch of an algorithm. A lane belongs to one thread that
// makes handshakes.

#include <cstddef>

#include <openssl/types.h>

namespace sluice::tls {

inline constexpr size_t kMaxLanes = 64;

// Made at the first call for a lane, and kept until the process ends. nullptr without memory. For
// the control thread.
OSSL_LIB_CTX* library_of(size_t lane);

}  // namespace sluice::tls
