// sluice-churn: a new connection for every call. So many slots each connect, send one pre-encoded
// request, read the answer to its END_STREAM, close first, and begin again; one JSON line tells
// what became of them. One thread, no HTTP/2 library: what it costs is small beside what it
// measures.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "options.h"

namespace {

using Clock = std::chrono::steady_clock;

// RFC 9113, 6
constexpr std::uint8_t kData = 0, kHeaders = 1, kRstStream = 3, kSettings = 4, kGoaway = 7;
constexpr std::uint8_t kAck = 1, kEndStream = 1, kEndHeaders = 4;
constexpr std::size_t kFrameHeader = 9;
constexpr std::size_t kReadSize = 65536;
// A call that takes longer is counted as failed, so that a lost one does not end the run.
constexpr std::chrono::seconds kPatience{5};

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint8_t stream,
                  const std::string& payload) {
  std::string f;
  for (const int shift : {16, 8, 0}) f += static_cast<char>(payload.size() >> shift);
  f += static_cast<char>(type);
  f += static_cast<char>(flags);
  f += std::string(3, '\0') + static_cast<char>(stream);
  return f + payload;
}

std::string text(const std::string& value) {
  return static_cast<char>(value.size()) + value;
}

// A POST of `bytes` bytes, its fields as literals that are not indexed (RFC 7541, 6.2.2).
std::string request(const std::string& path, const std::string& authority, std::size_t bytes) {
  const std::string block = "\x83\x86" + ('\x04' + text(path)) + ('\x01' + text(authority)) +
                            "\x0f\x10" + text("application/grpc") + std::string(1, '\0') +
                            text("te") + text("trailers");
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, "") +
         frame(kHeaders, kEndHeaders, 1, block) +
         frame(kData, kEndStream, 1, std::string(bytes, 'x'));
}

struct Slot {
  int fd = -1;
  bool connected = false;
  bool answered = false;
  bool acknowledged = false;
  std::string in;  // bytes of a frame that is not complete yet
  Clock::time_point began;
};

class Churn {
 public:
  Churn(const sockaddr_in& target, std::string request, std::size_t slots)
      : target_(target),
        request_(std::move(request)),
        epoll_(::epoll_create1(0)),
        slots_(slots),
        buffer_(kReadSize) {}

  void run(Clock::time_point until) {
    until_ = until;
    for (Slot& s : slots_) connect(s);
    std::array<epoll_event, 64> events;
    auto look_at = Clock::now() + kPatience;
    while (open_ > 0) {
      const int n =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100 /* ms */);
      for (int i = 0; i < n; ++i) step(*static_cast<Slot*>(events[i].data.ptr), events[i].events);
      if (Clock::now() < look_at) continue;
      look_at = Clock::now() + std::chrono::seconds(1);
      for (Slot& s : slots_)
        if (s.fd >= 0 && Clock::now() - s.began > kPatience) end(s, false);
    }
  }

  std::uint64_t calls = 0, failed = 0;
  std::vector<std::uint32_t> latencies_us;

 private:
  void connect(Slot& s) {
    s = Slot{};
    s.began = Clock::now();
    s.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++open_;
    const auto* address = reinterpret_cast<const sockaddr*>(&target_);
    if (::connect(s.fd, address, sizeof target_) != 0 && errno != EINPROGRESS) return end(s, false);
    epoll_event e{};
    e.events = EPOLLOUT;
    e.data.ptr = &s;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, s.fd, &e);
  }

  void step(Slot& s, std::uint32_t events) {
    if (s.fd < 0) return;  // ended by an earlier event of the same round
    if (!s.connected) {
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end(s, false);
      s.connected = true;
      if (!send(s, request_)) return end(s, false);
      epoll_event e{};
      e.events = EPOLLIN;
      e.data.ptr = &s;
      ::epoll_ctl(epoll_, EPOLL_CTL_MOD, s.fd, &e);
      return;
    }
    const ssize_t n = ::recv(s.fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return end(s, n == 0 && s.answered);
    if (s.answered) return;
    s.in.append(buffer_.data(), static_cast<std::size_t>(n));
    if (!frames(s)) end(s, false);
  }

  // False when the answer cannot come any more.
  bool frames(Slot& s) {
    bool settings = false;
    std::size_t at = 0;
    while (s.in.size() - at >= kFrameHeader) {
      const auto* f = reinterpret_cast<const std::uint8_t*>(s.in.data()) + at;
      const std::size_t length = (std::size_t{f[0]} << 16) | (std::size_t{f[1]} << 8) | f[2];
      if (s.in.size() - at < kFrameHeader + length) break;
      at += kFrameHeader + length;
      if (f[3] == kSettings && (f[4] & kAck) == 0) settings = true;
      if (f[3] == kRstStream || f[3] == kGoaway) return false;
      if ((f[3] == kData || f[3] == kHeaders) && (f[4] & kEndStream) != 0) s.answered = true;
    }
    s.in.erase(0, at);
    if (!s.answered)
      return !settings || s.acknowledged ||
             (s.acknowledged = send(s, frame(kSettings, kAck, 0, "")));
    const auto took = Clock::now() - s.began;
    latencies_us.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    // Closes first, and reads what may still come: a close with unread bytes would be a reset.
    ::shutdown(s.fd, SHUT_WR);
    return true;
  }

  static bool send(const Slot& s, const std::string& bytes) {
    return ::send(s.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  void end(Slot& s, bool well) {
    ::close(s.fd);
    s.fd = -1;
    --open_;
    ++(well ? calls : failed);
    // Where every connection fails at once, the run still ends at its time.
    if (Clock::now() < until_) connect(s);
  }

  const sockaddr_in target_;
  const std::string request_;
  const int epoll_;
  std::vector<Slot> slots_;
  std::vector<char> buffer_;
  Clock::time_point until_;
  std::size_t open_ = 0;
};

std::uint32_t percentile(std::vector<std::uint32_t>& values, double share) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * share);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

int main(int argc, char** argv) {
  const sluice::lab::Options options(argc, argv,
                                     "sluice-churn: one call a connection, over and over",
                                     {{"address", "198.18.0.10", "to connect to"},
                                      {"port", "50051", ""},
                                      {"path", "/", "of the request"},
                                      {"slots", "32", "connections at once"},
                                      {"payload", "100", "bytes in each request"},
                                      {"duration", "2000", "milliseconds to run"}});
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<std::uint16_t>(options.number("port")));
  if (::inet_pton(AF_INET, options.text("address").c_str(), &target.sin_addr) != 1) {
    std::cerr << options.text("address") << " is not an IPv4 address\n";
    return 2;
  }
  const std::string authority = options.text("address") + ":" + options.text("port");
  Churn churn(target, request(options.text("path"), authority, options.number("payload")),
              options.number("slots"));
  const auto began = Clock::now();
  churn.run(began + std::chrono::milliseconds(options.number("duration")));
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::cout << "{\"seconds\": " << seconds << ", \"calls\": " << churn.calls
            << ", \"failed\": " << churn.failed
            << ", \"p50_us\": " << percentile(churn.latencies_us, 0.5)
            << ", \"p99_us\": " << percentile(churn.latencies_us, 0.99)
            << ", \"p999_us\": " << percentile(churn.latencies_us, 0.999) << "}" << std::endl;
  return 0;
}
