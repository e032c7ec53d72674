#pragma once
// The fields of a request that the access log names, and their copy for calls that last: a tunnel
// keeps nothing else of its request.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "http/fields.h"
#include "stats/access.h"

namespace sluice::relay {

// Views of the fields' values.
struct LoggedFields {
  using Text = stats::Access::Text;

  // They are valid as long as those of `request` are.
  static LoggedFields of(const http::FieldList& request);

  void note(stats::Access& to) const;

  // By Text. That of the handshake is not a field, and is empty.
  std::array<std::string_view, stats::Access::kTexts> values;
};

// The same fields in one block of memory, as far as the access log keeps them.
class LoggedFieldsCopy {
 public:
  explicit LoggedFieldsCopy(const LoggedFields& fields);

  // Valid as long as the copy lives.
  LoggedFields view() const;
  size_t heap() const;  // bytes

 private:
  std::unique_ptr<char[]> block_;  // the sizes, then the texts
};

}  // namespace sluice::relay
