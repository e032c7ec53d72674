#pragma once
// The pods: answer every request with 200, a body and grpc-status 0, and check what they were sent.

#include <cstdint>
#include <memory>
#include <vector>

#include "body.h"
#include "buf/memory.h"
#include "clients.h"
#include "http2/hpack/decoder.h"
#include "tcp/stack.h"

namespace sluice::load {

class Pods final : public tcp::Acceptor {
 public:
  // Everything referred to outlives it. Listens on this port of every address.
  Pods(const Plan& plan, tcp::Stack& tcp, buf::Memory& memory, uint16_t port);
  ~Pods();

  tcp::User* on_accept(tcp::Connection& c) override;

  uint64_t errors() const { return errors_; }

 private:
  class Connection;

  const Plan plan_;
  buf::Memory& memory_;
  const Body request_{plan_.request_bytes};
  const Body answer_{plan_.answer_bytes};
  buf::Slice period_;  // bytes of large answers, shared by all frames: whole periods of the body
  stats::Http2 hpack_stats_;
  http2::hpack::Shared hpack_{hpack_stats_, SipKey{5, 6}};
  std::vector<std::unique_ptr<Connection>> connections_;
  uint64_t errors_ = 0;
  uint32_t sample_ = 0;
  http::FieldList fields_;
  Complaints complaints_;
};

}  // namespace sluice::load
