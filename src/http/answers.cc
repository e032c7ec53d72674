#include "http/answers.h"

namespace sluice::http {
namespace {

void bare(std::string_view status, FieldList& out) {
  out.add(Name::kStatus, status);
  out.add(Name::kContentLength, "0");
}

}  // namespace

bool is_grpc(const FieldList& request) {
  constexpr std::string_view kType = "application/grpc";
  const std::string_view type = request.find(Name::kContentType).value_or("");
  if (!type.starts_with(kType)) return false;
  return type.size() == kType.size() || type[kType.size()] == '+' || type[kType.size()] == ';';
}

void answer_too_large(const FieldList& request, FieldList& out) {
  if (!is_grpc(request)) {
    bare("431", out);
    return;
  }
  out.add(Name::kStatus, "200");
  out.add(Name::kContentType, "application/grpc");
  out.add(Name::kGrpcStatus, "8");
  out.add(Name::kGrpcMessage, "metadata larger than the load balancer takes");
}

void answer_misdirected(FieldList& out) {
  bare("421", out);
}

void answer_unknown_host(FieldList& out) {
  bare("404", out);
}

void answer_connect(FieldList& out) {
  bare("501", out);
}

}  // namespace sluice::http
