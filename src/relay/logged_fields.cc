#include "relay/logged_fields.h"

#include <algorithm>
#include <cstring>

namespace sluice::relay {

namespace {

using Text = stats::Access::Text;
using Sizes = std::array<uint16_t, stats::Access::kTexts>;

}  // namespace

LoggedFields LoggedFields::of(const http::FieldList& request) {
  LoggedFields fields;
  const auto value = [&](Text which) -> std::string_view& {
    return fields.values[static_cast<size_t>(which)];
  };
  value(Text::kMethod) = request.find(http::Name::kMethod).value_or("");
  std::string_view& host = value(Text::kAuthority);
  host = request.find(http::Name::kAuthority).value_or("");
  if (host.empty()) host = request.find(http::Name::kHost).value_or("");
  value(Text::kPath) = request.find(http::Name::kPath).value_or("");
  for (const http::Field f : request) {
    if (f.id != http::Name::kOther) continue;
    if (f.name == "x-request-id") value(Text::kRequestId) = f.value;
    if (f.name == "traceparent") value(Text::kTraceParent) = f.value;
    if (f.name == "user-agent") value(Text::kUserAgent) = f.value;
  }
  return fields;
}

void LoggedFields::note(stats::Access& to) const {
  for (size_t i = 0; i < values.size(); ++i) to.set(static_cast<Text>(i), values[i]);
}

LoggedFieldsCopy::LoggedFieldsCopy(const LoggedFields& fields) {
  Sizes sizes{};
  size_t all = sizeof sizes;
  for (size_t i = 0; i < sizes.size(); ++i) {
    sizes[i] = static_cast<uint16_t>(std::min(fields.values[i].size(), stats::Access::kMost[i]));
    all += sizes[i];
  }
  block_ = std::make_unique_for_overwrite<char[]>(all);
  std::memcpy(block_.get(), sizes.data(), sizeof sizes);
  char* to = block_.get() + sizeof sizes;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > 0) std::memcpy(to, fields.values[i].data(), sizes[i]);
    to += sizes[i];
  }
}

LoggedFields LoggedFieldsCopy::view() const {
  Sizes sizes;
  std::memcpy(sizes.data(), block_.get(), sizeof sizes);
  LoggedFields fields;
  const char* at = block_.get() + sizeof sizes;
  for (size_t i = 0; i < sizes.size(); ++i) {
    fields.values[i] = {at, sizes[i]};
    at += sizes[i];
  }
  return fields;
}

size_t LoggedFieldsCopy::heap() const {
  const LoggedFields fields = view();
  size_t all = sizeof(Sizes);
  for (const std::string_view value : fields.values) all += value.size();
  return all;
}

}  // namespace sluice::relay
