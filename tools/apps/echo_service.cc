#include "echo_service.h"

#include <grpcpp/alarm.h>
#include <zlib.h>

#include <chrono>
#include <functional>
#include <utility>

#include "pattern.h"

namespace sluice::lab {
namespace {

grpc::Status status_of(const EchoRequest& request) {
  if (request.fail_code() == 0) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(request.fail_code()), request.fail_message()};
}

void echo_metadata(grpc::CallbackServerContext& context) {
  for (const auto& [name, value] : context.client_metadata()) {
    const std::string key(name.data(), name.size());
    if (key.rfind("x-", 0) != 0) continue;
    const std::string text(value.data(), value.size());
    context.AddInitialMetadata(key, text);
    context.AddTrailingMetadata("t-" + key, text);
  }
}

// What is the same in every kind of call. Begun in its constructor, ended in its destructor.
class Call {
 public:
  Call(grpc::CallbackServerContext& context, const std::string& pod, Ledger& ledger)
      : context_(context), pod_(pod), ledger_(ledger) {}
  ~Call() {
    if (begun_) ledger_.end();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Takes one request in; the first one of a call names the call.
  void take(const EchoRequest& request) {
    if (!begun_) {
      begun_ = true;
      tag_ = request.tag();
      ledger_.begin(tag_);
      if (request.echo_metadata()) echo_metadata(context_);
    }
    const std::string& bytes = request.payload();
    crc_ =
        crc32(crc_, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    ++messages_;
    bytes_ += bytes.size();
  }

  void fill(const EchoRequest& request, EchoReply& reply) {
    reply.set_pod(pod_);
    reply.set_payload(request.reply_bytes() > 0 ? pattern(request.reply_bytes())
                                                : request.payload());
    reply.set_sequence(sequence_++);
    reply.set_received_messages(messages_);
    reply.set_received_bytes(bytes_);
    reply.set_received_crc(static_cast<std::uint32_t>(crc_));
  }

  // Runs `next` after the delay that the request asks for, at once when it asks for none or when
  // cancel() comes first.
  void after_delay(const EchoRequest& request, std::function<void()> next) {
    if (request.delay_ms() == 0) return next();
    alarm_.Set(std::chrono::system_clock::now() + std::chrono::milliseconds(request.delay_ms()),
               [next = std::move(next)](bool) { next(); });
    if (context_.IsCancelled()) alarm_.Cancel();
  }

  void cancel() {
    ledger_.cancel(tag_);
    alarm_.Cancel();
  }

  bool cancelled() const { return context_.IsCancelled(); }
  std::uint32_t replies_sent() const { return sequence_; }

 private:
  grpc::CallbackServerContext& context_;
  const std::string& pod_;
  Ledger& ledger_;
  grpc::Alarm alarm_;
  std::string tag_;
  bool begun_ = false;
  uLong crc_ = crc32(0, nullptr, 0);
  std::uint32_t sequence_ = 0;
  std::uint32_t messages_ = 0;
  std::uint64_t bytes_ = 0;
};

class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(grpc::CallbackServerContext& context, const std::string& pod, Ledger& ledger,
            const EchoRequest& request, EchoReply& reply)
      : call_(context, pod, ledger) {
    call_.take(request);
    call_.fill(request, reply);
    call_.after_delay(request, [this, &context, &request] {
      if (request.cancel()) context.TryCancel();
      Finish(status_of(request));
    });
  }
  void OnCancel() override { call_.cancel(); }
  void OnDone() override { delete this; }

 private:
  Call call_;
};

class ServerStreamCall final : public grpc::ServerWriteReactor<EchoReply> {
 public:
  ServerStreamCall(grpc::CallbackServerContext& context, const std::string& pod, Ledger& ledger,
                   const EchoRequest& request)
      : call_(context, pod, ledger), request_(request) {
    call_.take(request);
    next();
  }
  void OnWriteDone(bool ok) override { ok ? next() : Finish(grpc::Status::CANCELLED); }
  void OnCancel() override { call_.cancel(); }
  void OnDone() override { delete this; }

 private:
  void next() {
    const std::uint32_t wanted = request_.replies() == 0 ? 1 : request_.replies();
    if (call_.replies_sent() == wanted) return Finish(status_of(request_));
    call_.after_delay(request_, [this] {
      if (call_.cancelled()) return Finish(grpc::Status::CANCELLED);
      call_.fill(request_, reply_);
      StartWrite(&reply_);
    });
  }

  Call call_;
  const EchoRequest& request_;
  EchoReply reply_;
};

class ClientStreamCall final : public grpc::ServerReadReactor<EchoRequest> {
 public:
  ClientStreamCall(grpc::CallbackServerContext& context, const std::string& pod, Ledger& ledger,
                   EchoReply& reply)
      : call_(context, pod, ledger), reply_(reply) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      call_.take(request_);
      last_.CopyFrom(request_);
      return StartRead(&request_);
    }
    if (call_.cancelled()) return Finish(grpc::Status::CANCELLED);
    call_.fill(last_, reply_);
    call_.after_delay(last_, [this] { Finish(status_of(last_)); });
  }
  void OnCancel() override { call_.cancel(); }
  void OnDone() override { delete this; }

 private:
  Call call_;
  EchoRequest request_;
  EchoRequest last_;
  EchoReply& reply_;
};

// One reply for each request, in order.
class BidiCall final : public grpc::ServerBidiReactor<EchoRequest, EchoReply> {
 public:
  BidiCall(grpc::CallbackServerContext& context, const std::string& pod, Ledger& ledger)
      : call_(context, pod, ledger) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(call_.cancelled() ? grpc::Status::CANCELLED : status_of(request_));
    call_.take(request_);
    call_.after_delay(request_, [this] {
      if (call_.cancelled()) return Finish(grpc::Status::CANCELLED);
      if (request_.fail_code() != 0) return Finish(status_of(request_));
      call_.fill(request_, reply_);
      StartWrite(&reply_);
    });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnCancel() override { call_.cancel(); }
  void OnDone() override { delete this; }

 private:
  Call call_;
  EchoRequest request_;
  EchoReply reply_;
};

}  // namespace

grpc::ServerUnaryReactor* EchoService::Unary(grpc::CallbackServerContext* context,
                                             const EchoRequest* request, EchoReply* reply) {
  return new UnaryCall(*context, pod_, ledger_, *request, *reply);
}

grpc::ServerWriteReactor<EchoReply>* EchoService::ServerStream(grpc::CallbackServerContext* context,
                                                               const EchoRequest* request) {
  return new ServerStreamCall(*context, pod_, ledger_, *request);
}

grpc::ServerReadReactor<EchoRequest>* EchoService::ClientStream(
    grpc::CallbackServerContext* context, EchoReply* reply) {
  return new ClientStreamCall(*context, pod_, ledger_, *reply);
}

grpc::ServerBidiReactor<EchoRequest, EchoReply>* EchoService::Bidi(
    grpc::CallbackServerContext* context) {
  return new BidiCall(*context, pod_, ledger_);
}

grpc::ServerUnaryReactor* EchoService::Seen(grpc::CallbackServerContext* context,
                                            const SeenRequest* request, SeenReply* reply) {
  const Ledger::Sighting sighting = ledger_.sighting(request->tag());
  reply->set_pod(pod_);
  reply->set_seen(sighting.seen);
  reply->set_cancelled(sighting.cancelled);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace sluice::lab
