#include "load.h"

#include <array>

namespace sluice::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxMessageBytes = 64 << 20;

std::unique_ptr<Echo::Stub> connect(const std::string& target, const Security& security) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // Without this, channels to the same target share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetLoadBalancingPolicyName("pick_first");
  return Echo::NewStub(make_channel(target, security, arguments));
}

}  // namespace

const char* status_name(grpc::StatusCode code) {
  static constexpr std::array kNames = {"OK",
                                        "CANCELLED",
                                        "UNKNOWN",
                                        "INVALID_ARGUMENT",
                                        "DEADLINE_EXCEEDED",
                                        "NOT_FOUND",
                                        "ALREADY_EXISTS",
                                        "PERMISSION_DENIED",
                                        "RESOURCE_EXHAUSTED",
                                        "FAILED_PRECONDITION",
                                        "ABORTED",
                                        "OUT_OF_RANGE",
                                        "UNIMPLEMENTED",
                                        "INTERNAL",
                                        "UNAVAILABLE",
                                        "DATA_LOSS",
                                        "UNAUTHENTICATED"};
  return code >= 0 && static_cast<std::size_t>(code) < kNames.size() ? kNames[code] : "?";
}

struct Load::Call {
  std::size_t channel = 0;
  grpc::ClientContext context;
  EchoReply reply;
  Clock::time_point began = Clock::now();
};

// A bidirectional stream on which a message goes out when the echo of the one before is in.
class Load::Stream final : public grpc::ClientBidiReactor<EchoRequest, EchoReply> {
 public:
  Stream(Load& load, Echo::Stub& stub) : load_(load) {
    if (load_.plan_.deadline.count() > 0)
      context_.set_deadline(std::chrono::system_clock::now() + load_.plan_.deadline);
    stub.async()->Bidi(&context_, this);
    next();
    StartCall();
  }
  void OnWriteDone(bool ok) override {
    if (ok) StartRead(&reply_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    load_.answered(reply_, Clock::now() - began_);
    load_.running_ ? next() : StartWritesDone();
  }
  void OnDone(const grpc::Status& status) override {
    load_.end(status);
    delete this;
  }

 private:
  void next() {
    began_ = Clock::now();
    StartWrite(&load_.plan_.request);
  }

  Load& load_;
  grpc::ClientContext context_;
  EchoReply reply_;
  Clock::time_point began_;
};

Load::Load(const Plan& plan) : plan_(plan) {
  for (std::uint64_t i = 0; i < plan_.channels; ++i)
    stubs_.push_back(connect(plan_.target, plan_.security));
}

Load::~Load() {
  running_ = false;
  if (pacer_.joinable()) pacer_.join();
}

void Load::start() {
  running_ = true;
  if (plan_.rate > 0) {
    pacer_ = std::thread([this] { pace(); });
    return;
  }
  for (std::size_t channel = 0; channel < stubs_.size(); ++channel) {
    for (std::uint64_t i = 0; i < plan_.in_flight; ++i) begin(channel);
  }
}

bool Load::stop(std::chrono::milliseconds patience) {
  running_ = false;
  if (pacer_.joinable()) pacer_.join();
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, patience, [this] { return report_.in_flight == 0; });
}

LoadReport Load::report() {
  const std::lock_guard lock(mutex_);
  LoadReport result = report_;
  report_.latencies_us.clear();
  return result;
}

void Load::begin(std::size_t channel) {
  if (plan_.bidi) {
    {
      const std::lock_guard lock(mutex_);
      ++report_.in_flight;
    }
    new Stream(*this, *stubs_[channel]);  // deletes itself
    return;
  }
  auto call = std::make_unique<Call>();
  call->channel = channel;
  if (plan_.deadline.count() > 0)
    call->context.set_deadline(std::chrono::system_clock::now() + plan_.deadline);
  {
    const std::lock_guard lock(mutex_);
    ++report_.in_flight;
  }
  Call* raw = call.release();
  stubs_[channel]->async()->Unary(
      &raw->context, &plan_.request, &raw->reply,
      [this, raw](grpc::Status status) { finish(std::unique_ptr<Call>(raw), status); });
}

void Load::finish(std::unique_ptr<Call> call, const grpc::Status& status) {
  const auto took = Clock::now() - call->began;
  if (running_ && plan_.rate == 0) begin(call->channel);
  if (status.ok()) answered(call->reply, took);
  call.reset();
  end(status);
}

void Load::answered(const EchoReply& reply, std::chrono::nanoseconds took) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  const std::lock_guard lock(mutex_);
  ++report_.calls[reply.pod()];
  report_.latencies_us.push_back(static_cast<std::uint32_t>(us));
}

void Load::end(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (!status.ok()) {
    ++report_.failed[status_name(status.error_code())];
    report_.last_error = status.error_message();
  }
  if (--report_.in_flight == 0) idle_.notify_all();
}

void Load::pace() {
  const auto began = Clock::now();
  for (std::uint64_t n = 0; running_; ++n) {
    std::this_thread::sleep_until(began + std::chrono::nanoseconds(std::chrono::seconds(1)) * n /
                                              plan_.rate);
    begin(n % stubs_.size());
  }
}

}  // namespace sluice::lab
