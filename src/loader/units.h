#pragma once
// Quantities in the notation of configuration files.

#include <optional>
#include <string_view>

#include "base/chrono.h"

namespace sluice::loader {

// A whole number and a unit: "250us", "100ms", "5s", "2m", "1h". nullopt for anything else,
// including signs and durations above a year.
std::optional<Duration> parse_duration(std::string_view text);

inline constexpr std::string_view kDurationForm =
    "a whole number with us, ms, s, m or h, like \"5s\" or \"100ms\"";

}  // namespace sluice::loader
