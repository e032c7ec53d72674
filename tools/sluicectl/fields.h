#pragma once
// Fields of an answer, for the tables. They throw boost::system::system_error when a field is
// missing or of another type.

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include "sluicectl/text.h"

namespace sluicectl {

inline std::string text(const boost::json::value& row, std::string_view key) {
  return std::string(row.at(key).as_string());
}

inline std::string dash_if_empty(std::string s) {
  return s.empty() ? "-" : s;
}

inline uint64_t number(const boost::json::value& row, std::string_view key) {
  return row.at(key).to_number<uint64_t>();
}

inline double real(const boost::json::value& row, std::string_view key) {
  return row.at(key).to_number<double>();
}

// The numbers of an object that are not zero, three to a line; "all zero" when there are none.
inline std::string nonzero(const boost::json::object& group, std::string_view indent) {
  constexpr size_t kPerLine = 3;
  std::string out;
  size_t n = 0;
  for (const auto& [key, value] : group) {
    const auto v = value.to_number<uint64_t>();
    if (v == 0) continue;
    if (n % kPerLine == 0) out += fmt::format("{}{}", n == 0 ? "" : "\n", indent);
    out += fmt::format("{:<20} {:>15}   ", std::string_view(key), count(v));
    ++n;
  }
  if (n == 0) return fmt::format("{}all zero\n", indent);
  return out + "\n";
}

}  // namespace sluicectl
