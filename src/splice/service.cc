#include "splice/service.h"

#include <algorithm>
#include <unordered_map>

namespace sluice::splice {

namespace {

std::unique_ptr<balance::Picker> make_picker(Context& context, config::Balance policy) {
  return balance::make_picker(policy, context.random,
                              {.self = static_cast<uint32_t>(context.self),
                               .workers = static_cast<uint32_t>(context.workers.size()),
                               .seed = context.seed});
}

bool is_among(std::span<const uint32_t> slots, Backend& b) {
  return std::find(slots.begin(), slots.end(), b.pod().slot()) != slots.end();
}

}  // namespace

Service::Service(Context& context, const config::Service& config, bool alone)
    : context_(context), config_(config), picker_(make_picker(context, config.balance)) {
  adopt(config, alone);
}

void Service::adopt(const config::Service& config, bool alone) {
  if (config.balance != config_.balance) picker_ = make_picker(context_, config.balance);
  config_ = config;
  forget_gone();
  std::unordered_map<uint32_t, std::unique_ptr<Backend>*> by_slot;
  by_slot.reserve(backends_.size());
  for (auto& b : backends_) by_slot.emplace(b->pod().slot(), &b);
  std::vector<std::unique_ptr<Backend>> next;
  for (const config::Pod& pod : config_.pods) {
    const auto found = by_slot.find(pod.slot);
    std::unique_ptr<Backend>* same = found == by_slot.end() ? nullptr : found->second;
    if (same == nullptr || *same == nullptr || (*same)->pod().id() != pod.id ||
        (*same)->pod().address() != pod.endpoint) {
      next.push_back(std::make_unique<Backend>(context_, pod));
    } else {
      (*same)->pod().set_weight(pod.weight);
      next.push_back(std::move(*same));
    }
    next.back()->pod().set_draining(false);
    next.back()->set_shows_state(alone);
  }
  for (auto& b : backends_) {
    if (b == nullptr) continue;
    b->pod().set_draining(true);
    next.push_back(std::move(b));
  }
  backends_ = std::move(next);
  forget_gone();
  rebuild();
}

void Service::retire() {
  config_.pods.clear();
  for (auto& b : backends_) b->pod().set_draining(true);
  forget_gone();
  rebuild();
}

void Service::forget_gone() {
  std::erase_if(backends_, [](const auto& b) { return b->pod().draining() && b->unused(); });
}

void Service::rebuild() {
  usable_.clear();
  usable_pods_.clear();
  rebuild_at_ = kNever;
  for (const auto& b : backends_) {
    if (b->pod().draining()) continue;
    if (b->retry_at() > context_.now) {
      rebuild_at_ = std::min(rebuild_at_, b->retry_at());
      continue;
    }
    usable_.push_back(b.get());
    usable_pods_.push_back(&b->pod());
  }
  picker_->update(usable_pods_);
}

Backend* Service::pick(std::span<const uint32_t> tried) {
  if (context_.now >= rebuild_at_) rebuild();
  if (const size_t n = usable_.size(); n > 0) {
    const size_t first = picker_->pick();
    for (size_t i = 0; i < n; ++i)
      if (Backend* b = usable_[(first + i) % n]; !is_among(tried, *b)) return b;
  }
  // The pod that may be back first.
  Backend* best = nullptr;
  for (const auto& b : backends_)
    if (!b->pod().draining() && !is_among(tried, *b) &&
        (best == nullptr || b->retry_at() < best->retry_at()))
      best = b.get();
  return best;
}

void Service::give_back(Backend& backend) {
  backend.end();
  if (backend.pod().draining()) forget_gone();
}

void Service::on_connect_failed(Backend& backend, const char* why) {
  backend.on_connect_failed(why);
  if (!backend.pod().draining()) rebuild();
}

}  // namespace sluice::splice
