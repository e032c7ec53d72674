#include "buf/chain.h"

#include <algorithm>

namespace sluice::buf {

void Chain::load_front() {
  rte_mbuf* m = rest_;
  rest_ = std::exchange(m->next, nullptr);
  m->nb_segs = 1;
  const uint32_t n = std::min<uint32_t>(m->data_len, rest_size_);
  rest_size_ -= n;
  front_ = Slice(m, rte_pktmbuf_mtod(m, const uint8_t*), n);
  if (rest_size_ == 0) free_rest();
  skip_empty();
}

void Chain::skip_empty() {
  while (front_.size() == 0 && rest_ != nullptr) load_front();
}

void Chain::drop_front_buffers(uint32_t n) {
  assert(n <= size());
  while (rest_ != nullptr && n >= front_.size()) {
    n -= front_.size();
    load_front();
  }
  front_.drop_front(n);
}

void Chain::drop_back_buffers(uint32_t n) {
  assert(n <= size());
  if (n < rest_size_) {
    rest_size_ -= n;
    return;
  }
  n -= std::exchange(rest_size_, 0);
  free_rest();
  front_.drop_back(n);
}

}  // namespace sluice::buf
