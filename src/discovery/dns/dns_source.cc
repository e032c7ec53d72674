#include "discovery/dns/dns_source.h"

#include <utility>

namespace sluice::discovery::dns {
namespace {

Time now() {
  return Time(std::chrono::duration_cast<Duration>(Source::Clock::now().time_since_epoch()));
}

}  // namespace

DnsSource::DnsSource(boost::asio::io_context& io, std::shared_ptr<Resolver> resolver,
                     Duration max_ttl, Target target, EndpointSet first, Clock::duration age)
    : Source(std::move(first), age),
      resolver_(std::move(resolver)),
      target_(std::move(target)),
      watch_(target_, max_ttl),
      timer_(io) {}

void DnsSource::start(Deliver deliver) {
  deliver_ = std::move(deliver);
  ask();
}

void DnsSource::ask() {
  for (const NameWatch::Question& q : watch_.due(now()))
    resolver_->ask(q.first, q.second, [weak = std::weak_ptr(self_), q](const Result& result) {
      if (const auto self = weak.lock()) (*self)->answered(q, result);
    });
  const Time next = watch_.next();
  if (next == kNever) return;
  timer_.expires_at(Source::Clock::time_point(
      std::chrono::duration_cast<Source::Clock::duration>(next.time_since_epoch())));
  timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) ask();
  });
}

void DnsSource::answered(const NameWatch::Question& question, const Result& result) {
  watch_.answer(now(), question, result);
  ask();
  Update update;
  update.endpoints = watch_.endpoints();
  if (!update.endpoints) return;
  const bool changed = *update.endpoints != endpoints();
  // An answer that failed, or that has no records, confirms nothing.
  if (changed || result.kind == Result::Kind::kRecords) take(update);
  if (changed) deliver_(update);
}

void DnsSource::on_connect_failure() {
  watch_.doubt(now());
  ask();
}

}  // namespace sluice::discovery::dns
