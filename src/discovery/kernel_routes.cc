#include "discovery/kernel_routes.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace sluice::discovery {
namespace {

// A structure at the beginning of the bytes; nullopt when they are too few.
template <class T>
std::optional<T> take(std::span<const uint8_t> bytes) {
  T out;
  if (bytes.size() < sizeof out) return std::nullopt;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

std::optional<Address> address_of(std::span<const uint8_t> bytes, bool v4) {
  if (bytes.size() != (v4 ? 4u : 16u)) return std::nullopt;
  if (v4)
    return Address::v4(uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 |
                       uint32_t{bytes[2]} << 8 | bytes[3]);
  Address a;
  std::copy(bytes.begin(), bytes.end(), a.bytes.begin());
  return a;
}

// fn(type, payload) for each attribute (struct rtattr). False: the bytes are not attributes.
template <class Fn>
bool for_each_attribute(std::span<const uint8_t> bytes, Fn&& fn) {
  while (bytes.size() >= sizeof(rtattr)) {
    const rtattr head = *take<rtattr>(bytes);
    if (head.rta_len < sizeof(rtattr) || head.rta_len > bytes.size()) return false;
    fn(head.rta_type & NLA_TYPE_MASK, bytes.subspan(sizeof(rtattr), head.rta_len - sizeof(rtattr)));
    bytes = bytes.subspan(std::min<size_t>(RTA_ALIGN(head.rta_len), bytes.size()));
  }
  return true;
}

// For people; an error of netlink is a negative number of errno(3), whatever else comes is shown.
std::string reason_of(int32_t error) {
  return error > -4096 && error < 0 ? std::generic_category().message(-error)
                                    : fmt::format("error {}", error);
}

// The gateway of the first way of a route with several.
std::optional<Address> first_gateway(std::span<const uint8_t> ways, bool v4) {
  const auto way = take<rtnexthop>(ways);
  if (!way || way->rtnh_len < sizeof(rtnexthop) || way->rtnh_len > ways.size()) return std::nullopt;
  std::optional<Address> gateway;
  for_each_attribute(ways.subspan(sizeof(rtnexthop), way->rtnh_len - sizeof(rtnexthop)),
                     [&](int type, std::span<const uint8_t> payload) {
                       if (type == RTA_GATEWAY) gateway = address_of(payload, v4);
                     });
  return gateway;
}

}  // namespace

void RouteDump::begin(uint32_t sequence) {
  sequence_ = sequence;
  state_ = State::kUnderWay;
  why_.clear();
  changed_ = interrupted_ = false;
  found_.clear();
  left_out_ = 0;
}

void RouteDump::fail(std::string why) {
  state_ = State::kFailed;
  why_ = std::move(why);
}

void RouteDump::read(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto head = take<nlmsghdr>(bytes);
    if (!head || head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > bytes.size()) {
      fail("the kernel's answer is no message of netlink");
      return;
    }
    const auto body = bytes.subspan(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr));
    bytes = bytes.subspan(std::min<size_t>(NLMSG_ALIGN(head->nlmsg_len), bytes.size()));
    const bool route = head->nlmsg_type == RTM_NEWROUTE || head->nlmsg_type == RTM_DELROUTE;
    if (route && (head->nlmsg_flags & NLM_F_MULTI) == 0) {
      changed_ = true;
      continue;
    }
    if (head->nlmsg_seq != sequence_ || state_ != State::kUnderWay) continue;
    // The table changed under the dump, which may have routes twice, or not at all.
    if ((head->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted_ = changed_ = true;
    if (head->nlmsg_type == RTM_NEWROUTE) {
      read_route(body);
    } else if (head->nlmsg_type == NLMSG_DONE) {
      // The end carries the number of an error, where the kernel could not go on.
      const int error = take<int32_t>(body).value_or(0);
      if (error < 0) {
        fail(fmt::format("the kernel cannot list its routes: {}", reason_of(error)));
      } else {
        state_ = State::kComplete;
      }
    } else if (head->nlmsg_type == NLMSG_ERROR) {
      const auto error = take<nlmsgerr>(body);
      fail(fmt::format("the kernel refuses to list its routes: {}",
                       error ? reason_of(error->error) : "no reason"));
    }
  }
}

void RouteDump::read_route(std::span<const uint8_t> message) {
  const auto head = take<rtmsg>(message);
  if (!head) return;
  const bool v4 = head->rtm_family == AF_INET;
  if ((!v4 && head->rtm_family != AF_INET6) || head->rtm_type != RTN_UNICAST ||
      (head->rtm_flags & RTM_F_CLONED) != 0)
    return;
  uint32_t table = head->rtm_table;
  uint32_t metric = 0;
  std::optional<Address> to, via;
  const bool readable = for_each_attribute(message.subspan(NLMSG_ALIGN(sizeof(rtmsg))),
                                           [&](int type, std::span<const uint8_t> payload) {
                                             if (type == RTA_TABLE)
                                               table = take<uint32_t>(payload).value_or(table);
                                             if (type == RTA_PRIORITY)
                                               metric = take<uint32_t>(payload).value_or(0);
                                             if (type == RTA_DST) to = address_of(payload, v4);
                                             if (type == RTA_GATEWAY) via = address_of(payload, v4);
                                             if (type == RTA_MULTIPATH && !via)
                                               via = first_gateway(payload, v4);
                                           });
  if (!readable || table != RT_TABLE_MAIN || !via) return;
  // An IPv4 address in the form of IPv6 is no address on a wire.
  if (via->is_v4() != v4 || (to && to->is_v4() != v4)) return;
  const unsigned most = v4 ? 32 : 128;
  if (head->rtm_dst_len > most || (head->rtm_dst_len > 0 && !to)) return;
  if (found_.size() >= kMostRoutes) {
    ++left_out_;
    return;
  }
  Prefix prefix{to.value_or(v4 ? Address::v4(uint32_t{0}) : Address{}),
                static_cast<uint8_t>(128 - most + head->rtm_dst_len)};
  found_.push_back({{prefix, *via}, metric});
}

std::vector<GatewayRoute> RouteDump::routes() const {
  std::vector<Found> all = found_;
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) {
    return std::tie(a.route.to, a.metric, a.route.via) <
           std::tie(b.route.to, b.metric, b.route.via);
  });
  std::vector<GatewayRoute> out;
  for (const Found& f : all)
    if (out.empty() || out.back() != f.route) out.push_back(f.route);
  return out;
}

KernelRoutes::KernelRoutes(boost::asio::io_context& io, OnChange on_change)
    : on_change_(std::move(on_change)), socket_(io), timer_(io) {
  ask_after(std::chrono::milliseconds(0));
}

void KernelRoutes::open() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "netlink");
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  own.nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    const int error = errno;
    ::close(fd);
    throw std::system_error(error, std::generic_category(), "netlink");
  }
  socket_.assign(fd);
  receive();
}

void KernelRoutes::ask_after(std::chrono::milliseconds wait) {
  if (std::exchange(due_, true)) return;
  timer_.expires_after(wait);
  timer_.async_wait([this](const boost::system::error_code& e) {
    if (e) return;
    due_ = false;
    try {
      if (!socket_.is_open()) open();
      ask();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  });
}

void KernelRoutes::ask() {
  struct {
    nlmsghdr head{};
    rtmsg body{};
  } request;
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = RTM_GETROUTE;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.head.nlmsg_seq = ++sequence_;
  request.body.rtm_family = AF_UNSPEC;
  dump_.begin(sequence_);
  if (::send(socket_.native_handle(), &request, sizeof request, 0) < 0)
    throw std::system_error(errno, std::generic_category(), "netlink");
}

void KernelRoutes::receive() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& e) {
                       if (e) return;
                       read_all();
                       if (socket_.is_open()) receive();
                     });
}

void KernelRoutes::read_all() {
  // Bounded, so that other work of the thread has its turn.
  constexpr int kDatagrams = 64;
  for (int i = 0; i < kDatagrams; ++i) {
    const ssize_t n = ::recv(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    // ENOBUFS: the kernel has dropped messages, perhaps of the dump.
    if (n <= 0 || static_cast<size_t>(n) > buffer_.size()) {
      if (n < 0 && errno == ENOBUFS) {
        ask_after(kSettle);
      } else {
        fail(n < 0 ? std::generic_category().message(errno) : "a message of netlink is too long");
      }
      return;
    }
    const bool under_way = dump_.state() == RouteDump::State::kUnderWay;
    dump_.read({buffer_.data(), static_cast<size_t>(n)});
    if (under_way && dump_.state() == RouteDump::State::kFailed) {
      fail(dump_.why());
      return;
    }
    if (under_way && dump_.state() == RouteDump::State::kComplete) finish_if_whole();
    if (dump_.state() == RouteDump::State::kComplete && dump_.changed()) ask_after(kSettle);
  }
}

// A daemon that changes routes all the time may interrupt each dump: after a few, one is taken.
void KernelRoutes::finish_if_whole() {
  if (dump_.interrupted() && ++interruptions_ < kMostInterruptions) return;
  interruptions_ = 0;
  finish();
}

void KernelRoutes::finish() {
  auto next = dump_.routes();
  std::string error = dump_.left_out() == 0
                          ? std::string()
                          : fmt::format(
                                "the kernel has {} route(s) with a gateway more than the {} "
                                "that are used",
                                dump_.left_out(), kMostRoutes);
  if (listed_ && next == routes_ && error == error_) return;
  listed_ = true;
  routes_ = std::move(next);
  error_ = std::move(error);
  on_change_();
}

void KernelRoutes::fail(std::string why) {
  boost::system::error_code ignored;
  socket_.close(ignored);
  ask_after(kRetry);
  why = fmt::format("the kernel's routes cannot be read: {}", why);
  if (why == error_) return;
  error_ = std::move(why);
  on_change_();
}

}  // namespace sluice::discovery
