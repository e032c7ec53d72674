#include "impairment.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace sluice::wire {
namespace {

constexpr uint32_t kEthernetHeader = 14;

[[noreturn]] void refuse(std::string_view key, std::string_view value, const char* expected) {
  throw SpecError(std::string(key) + "=" + std::string(value) + ": " + expected + " was expected");
}

// The number at the start of `value`, and the unit behind it.
double number(std::string_view key, std::string_view value, std::string_view& unit,
              const char* expected) {
  double n = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
  if (error != std::errc() || n < 0) refuse(key, value, expected);
  unit = value.substr(static_cast<size_t>(end - value.data()));
  return n;
}

double share(std::string_view key, std::string_view value) {
  constexpr const char* kExpected = "a share like 1% or 0.01";
  std::string_view unit;
  double n = number(key, value, unit, kExpected);
  if (unit == "%") n /= 100;
  if ((unit != "%" && !unit.empty()) || n > 1) refuse(key, value, kExpected);
  return n;
}

Duration duration(std::string_view key, std::string_view value) {
  constexpr const char* kExpected = "a time like 250us, 10ms or 1s";
  std::string_view unit;
  const double n = number(key, value, unit, kExpected);
  const double scale = unit == "us" ? 1e3 : unit == "ms" ? 1e6 : unit == "s" ? 1e9 : 0;
  if (scale == 0 || n * scale > 1e11) refuse(key, value, kExpected);
  return Duration(static_cast<int64_t>(n * scale));
}

uint64_t rate(std::string_view key, std::string_view value) {
  constexpr const char* kExpected = "a rate like 500kbit, 100mbit or 1gbit";
  std::string_view unit;
  const double n = number(key, value, unit, kExpected);
  const double scale = unit == "kbit" ? 1e3 : unit == "mbit" ? 1e6 : unit == "gbit" ? 1e9 : 0;
  if (scale == 0 || n * scale > 1e12) refuse(key, value, kExpected);
  return static_cast<uint64_t>(n * scale);
}

uint64_t count(std::string_view key, std::string_view value) {
  uint64_t n = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
  if (error != std::errc() || end != value.data() + value.size())
    refuse(key, value, "a whole number");
  return n;
}

// False: there is no such key.
bool set(Impairment& m, std::string_view key, std::string_view value) {
  if (key == "loss") {
    m.loss = share(key, value);
  } else if (key == "burst") {
    const size_t slash = value.find('/');
    m.burst_begin = share(key, value.substr(0, slash));
    if (slash != value.npos) m.burst_end = share(key, value.substr(slash + 1));
  } else if (key == "delay") {
    m.delay = duration(key, value);
  } else if (key == "jitter") {
    m.jitter = duration(key, value);
  } else if (key == "reorder") {
    m.reorder = share(key, value);
  } else if (key == "reorder_by") {
    m.reorder_by = duration(key, value);
  } else if (key == "duplicate") {
    m.duplicate = share(key, value);
  } else if (key == "corrupt") {
    m.corrupt = share(key, value);
  } else if (key == "rate") {
    m.rate = rate(key, value);
  } else if (key == "queue") {
    m.queue = static_cast<uint32_t>(std::min<uint64_t>(count(key, value), UINT32_MAX));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Spec parse_spec(std::string_view text) {
  Spec spec;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    const size_t equals = item.find('=');
    if (equals == item.npos) throw SpecError(std::string(item) + ": KEY=VALUE was expected");
    std::string_view key = item.substr(0, equals);
    const std::string_view value = item.substr(equals + 1);
    bool known = true;
    if (key == "seed") {
      spec.seed = count(key, value);
    } else if (key.starts_with("up.")) {
      known = set(spec.up, key.substr(3), value);
    } else if (key.starts_with("down.")) {
      known = set(spec.down, key.substr(5), value);
    } else {
      known = set(spec.up, key, value) && set(spec.down, key, value);
    }
    if (!known)
      throw SpecError(std::string(key) +
                      ": there are loss, burst, delay, jitter, reorder, reorder_by, duplicate, "
                      "corrupt, rate, queue and seed, with up. or down. for one direction");
  }
  return spec;
}

Direction::Fate Direction::decide(uint32_t size, bool ip, Time now) {
  ++counters_.frames;
  Fate fate;
  bad_ = bad_ ? !random_.chance(model_.burst_end) : random_.chance(model_.burst_begin);
  if (bad_ || random_.chance(model_.loss)) {
    ++counters_.lost;
    return fate;
  }
  Time leaves = after_queue(size, now);
  if (leaves == kNever) {
    ++counters_.queue_full;
    return fate;
  }
  leaves += model_.delay;
  if (model_.jitter > Duration::zero())
    leaves += Duration(
        static_cast<int64_t>(random_.below(static_cast<uint64_t>(model_.jitter.count()) + 1)));
  if (random_.chance(model_.reorder)) {
    ++counters_.reordered;
    leaves += model_.reorder_by;
  } else {
    leaves = last_ = std::max(leaves, last_);
  }
  fate.leaves[fate.copies++] = leaves;
  if (random_.chance(model_.duplicate)) {
    ++counters_.duplicated;
    fate.leaves[fate.copies++] = leaves;
  }
  if (ip && size > kEthernetHeader && random_.chance(model_.corrupt)) {
    ++counters_.corrupted;
    const uint64_t bits = uint64_t{size - kEthernetHeader} * 8;
    fate.flip = static_cast<uint32_t>(kEthernetHeader * 8 + random_.below(bits));
  }
  return fate;
}

// When the last bit is on a line of the model's rate; kNever: too many wait already.
Time Direction::after_queue(uint32_t size, Time now) {
  if (model_.rate == 0) return now;
  const auto time = [&](uint64_t bytes) {
    return Duration(static_cast<int64_t>(bytes * 8 * 1'000'000'000 / model_.rate));
  };
  // Frames of full size are what fills a queue.
  constexpr uint64_t kFullFrame = 1514;
  const Time begin = std::max(line_free_, now);
  if (begin - now > time(kFullFrame * model_.queue)) return kNever;
  line_free_ = begin + time(size);
  return line_free_;
}

}  // namespace sluice::wire
