#pragma once
// Metrics as text, in the format of Prometheus (exposition format 0.0.4).

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::admin {

class Exposition {
 public:
  enum class Type : uint8_t { kCounter, kGauge, kHistogram };
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  struct Family {
    std::string name;
    Type type;
    std::string help;
    std::string labels;  // their names, with commas between; of the first sample
  };

  // Begins a family. All its samples follow, since they have to stand together. A counter's name
  // ends in _total, and every name has its base unit: seconds, bytes, ratio.
  void family(std::string_view name, Type type, std::string_view help);
  void sample(Labels labels, uint64_t value) { sample("", labels, std::to_string(value)); }
  void sample(Labels labels, double value);
  // With a suffix behind the family's name: _bucket, _sum, _count.
  void sample(std::string_view suffix, Labels labels, std::string_view value);

  const std::vector<Family>& families() const { return families_; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::vector<Family> families_;
};

std::string_view text_of(Exposition::Type type);

}  // namespace sluice::admin
