#pragma once
// One question to the daemon over its Unix socket.

#include <stdexcept>
#include <string>

#include <boost/json/object.hpp>

namespace sluicectl {

// What went wrong, and what one can do about it.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The document that the daemon answers to `command`, as text. keys: further keys of the request.
// Throws Error: nobody listens, no answer within kPatience seconds.
std::string ask(const std::string& socket, const std::string& command,
                boost::json::object keys = {});

inline constexpr int kPatience = 5;

}  // namespace sluicectl
