#pragma once
// A table from names to small numbers, built at compile time. A look-up takes one multiplication
// and, nearly always, one comparison.

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::http {

// kCells: a power of two, at least twice the names. 0 means "none".
template <unsigned kCells>
class NameIndex {
 public:
  constexpr void insert(std::string_view name, uint8_t number) {
    unsigned c = cell(name);
    while (cells_[c] != 0) c = (c + 1) % kCells;
    cells_[c] = number;
  }
  // text_of(number): the name that was inserted with the number.
  template <class Fn>
  constexpr uint8_t find(std::string_view name, Fn&& text_of) const {
    if (name.empty()) return 0;
    for (unsigned c = cell(name); cells_[c] != 0; c = (c + 1) % kCells)
      if (text_of(cells_[c]) == name) return cells_[c];
    return 0;
  }

 private:
  // Length and three characters tell nearly all names apart. An attacker who chooses names finds at
  // worst the longest run of cells.
  static constexpr unsigned cell(std::string_view s) {
    const auto at = [&](size_t i) { return uint32_t{static_cast<uint8_t>(s[i])}; };
    const uint32_t key = static_cast<uint32_t>(s.size()) ^ at(0) << 8 ^ at(s.size() / 2) << 16 ^
                         at(s.size() - 1) << 24;
    return (key * 0x9e3779b1u) >> 16 & (kCells - 1);
  }
  std::array<uint8_t, kCells> cells_{};
};

}  // namespace sluice::http
