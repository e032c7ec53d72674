#include "nic/driver_log.h"

#include <bpf/libbpf.h>
#include <rte_log.h>
#include <xdp/libxdp.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace sluice::nic {

namespace {

using Sink = void (*)(DriverLine, const std::string&);
std::atomic<Sink> sink{nullptr};

void each_line(DriverLine kind, std::string_view text) {
  const Sink to = sink.load(std::memory_order_acquire);
  if (to == nullptr) return;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) to(kind, std::string(line));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
}

// rte_vlog() flushes its stream after each message, in the thread whose level it has recorded.
ssize_t write_dpdk(void*, const char* text, size_t size) {
  const int level = rte_log_cur_msg_loglevel();
  const DriverLine kind = level >= 0 && level <= static_cast<int>(RTE_LOG_ERR) ? DriverLine::kError
                          : level == static_cast<int>(RTE_LOG_WARNING) ? DriverLine::kWarning
                                                                       : DriverLine::kDetail;
  each_line(kind, {text, size});
  return static_cast<ssize_t>(size);
}

void print(const char* format, va_list values) {
  char text[1024];
  const int n = std::vsnprintf(text, sizeof text, format, values);
  if (n > 0)
    each_line(DriverLine::kDetail, {text, std::min(static_cast<size_t>(n), sizeof text - 1)});
}

int print_libbpf(libbpf_print_level level, const char* format, va_list values) {
  if (level != LIBBPF_DEBUG) print(format, values);
  return 0;
}

int print_libxdp(libxdp_print_level level, const char* format, va_list values) {
  if (level != LIBXDP_DEBUG) print(format, values);
  return 0;
}

}  // namespace

void capture_driver_lines(Sink to) {
  sink.store(to, std::memory_order_release);
  static FILE* const stream = fopencookie(nullptr, "w", {.write = write_dpdk});
  if (stream != nullptr) {
    std::setvbuf(stream, nullptr, _IOLBF, 0);
    rte_openlog_stream(stream);
  }
  libbpf_set_print(print_libbpf);
  libxdp_set_print(print_libxdp);
}

}  // namespace sluice::nic
