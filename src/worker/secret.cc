#include "worker/secret.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace sluice::worker {

SipKey random_key() {
  SipKey key;
  // Up to 256 bytes come whole or not at all (getrandom(2)).
  if (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key))
    throw std::system_error(errno, std::generic_category(), "no random numbers: getrandom");
  return key;
}

}  // namespace sluice::worker
