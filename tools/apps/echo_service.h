// The pod's side of sluice.lab.Echo, on gRPC's callback interface: a delayed call holds a timer and
// no thread, so that one pod can have thousands of calls in flight.
#pragma once

#include <string>

#include "echo.grpc.pb.h"
#include "ledger.h"

namespace sluice::lab {

class EchoService final : public Echo::CallbackService {
 public:
  EchoService(std::string pod, Ledger& ledger) : pod_(std::move(pod)), ledger_(ledger) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const EchoRequest* request,
                                  EchoReply* reply) override;
  grpc::ServerWriteReactor<EchoReply>* ServerStream(grpc::CallbackServerContext* context,
                                                    const EchoRequest* request) override;
  grpc::ServerReadReactor<EchoRequest>* ClientStream(grpc::CallbackServerContext* context,
                                                     EchoReply* reply) override;
  grpc::ServerBidiReactor<EchoRequest, EchoReply>* Bidi(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Seen(grpc::CallbackServerContext* context, const SeenRequest* request,
                                 SeenReply* reply) override;

 private:
  const std::string pod_;
  Ledger& ledger_;
};

}  // namespace sluice::lab
