#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "loader/reading.h"

namespace sluice::loader {
namespace {

// gRPC's status codes, by number.
constexpr std::array<std::string_view, 17> kGrpcStatuses{
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

void read_grpc_statuses(Table& t, config::Retry& retry) {
  std::vector<std::string> names;
  t.strings("grpc_statuses", names);
  for (const std::string& name : names) {
    const auto it = std::find(kGrpcStatuses.begin() + 1, kGrpcStatuses.end(), name);
    if (it == kGrpcStatuses.end()) {
      t.mistake("grpc_statuses",
                fmt::format("grpc_statuses contains \"{}\"; allowed: {}", name,
                            fmt::join(kGrpcStatuses.begin() + 1, kGrpcStatuses.end(), ", ")));
      continue;
    }
    retry.grpc_statuses.set(static_cast<size_t>(it - kGrpcStatuses.begin()));
  }
}

}  // namespace

void read_retry(Table& service, config::Retry& retry) {
  auto t = service.table("retry");
  if (!t) return;
  read_grpc_statuses(*t, retry);
  std::vector<uint32_t> http;
  t->integers("http_statuses", http, 400, 599);
  for (const uint32_t status : http) retry.http_statuses.set(status);
  t->boolean("resets", retry.resets);
  t->boolean("idempotent", retry.idempotent);
  t->duration("per_try_timeout", retry.per_try_timeout, 0s, 24h);
  t->integer("attempts", retry.attempts, 2, 10);
  t->duration("backoff", retry.backoff, 1ms, 1min);
  t->duration("backoff_max", retry.backoff_max, 1ms, 10min);
  t->integer("budget_percent", retry.budget_percent, 0, 100);
  t->integer("budget_per_second", retry.budget_per_second, 0, 1'000'000);
  if (retry.backoff_max < retry.backoff)
    t->mistake("backoff_max", "backoff_max is shorter than backoff");
  if (!retry.any())
    t->mistake(
        "[service.retry] says nothing to try again for: grpc_statuses, http_statuses, resets or "
        "per_try_timeout");
  t->finish();
}

}  // namespace sluice::loader
