#pragma once
// All certificates of a snapshot, with their users.

#include <string>

#include "config/snapshot.h"

namespace sluice::config {

// fn(const std::string& kind, const std::string& name, const Certificate&): "listener" or
// "service", and its name.
template <class Fn>
void for_each_certificate(const Snapshot& snapshot, Fn&& fn) {
  for (const Listener& l : snapshot.listeners)
    for (const Certificate& c : l.tls.certificates) fn("listener", l.name, c);
  for (const Service& s : snapshot.services)
    for (const Certificate& c : s.tls.certificates) fn("service", s.name, c);
}

}  // namespace sluice::config
