#include "worker/whereabouts.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string_view>
#include <thread>

namespace sluice::worker {
namespace {

constexpr int kFrames = 12;
constexpr int kOwnFrames = 2;  // of the handler, and of the return from it
constexpr std::chrono::milliseconds kPatience{20};

std::array<void*, kFrames> frames;
std::atomic<int> count{0};
std::atomic<int> asked{0};  // the thread that shall answer

int number() {
  return SIGRTMIN + 3;
}

void write_down(int) {
  const int before = errno;
  if (asked.load() == static_cast<int>(::syscall(SYS_gettid)))
    count.store(::backtrace(frames.data(), kFrames));
  errno = before;
}

std::string name_of(void* address) {
  Dl_info info{};
  std::array<char, 64> text{};
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
    std::snprintf(text.data(), text.size(), "0x%lx", static_cast<unsigned long>(at));
    return text.data();
  }
  const std::string_view file(info.dli_fname);
  std::snprintf(text.data(), text.size(), "+0x%lx",
                static_cast<unsigned long>(at - reinterpret_cast<uintptr_t>(info.dli_fbase)));
  return std::string(file.substr(file.rfind('/') + 1)) + text.data();
}

}  // namespace

void prepare_whereabouts() {
  // The first call loads a library, which a handler must not do.
  std::array<void*, 1> once{};
  ::backtrace(once.data(), 1);
  struct sigaction action {};
  action.sa_handler = write_down;
  action.sa_flags = SA_RESTART;
  ::sigaction(number(), &action, nullptr);
}

std::string whereabouts(int thread) {
  count.store(0);
  asked.store(thread);
  if (::syscall(SYS_tgkill, ::getpid(), thread, number()) != 0) return "no such thread";
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (count.load() == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  asked.store(0);
  if (count.load() == 0) return "in the kernel";
  std::string text;
  for (int i = kOwnFrames; i < count.load(); ++i)
    text += (text.empty() ? "" : " ") + name_of(frames[static_cast<size_t>(i)]);
  return text;
}

}  // namespace sluice::worker
