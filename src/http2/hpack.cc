#include "http2/hpack.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <new>

namespace sluice::http2 {

void HpackDecoder::Free::operator()(nghttp2_hd_inflater* p) const {
  nghttp2_hd_inflate_del(p);
}
void HpackEncoder::Free::operator()(nghttp2_hd_deflater* p) const {
  nghttp2_hd_deflate_del(p);
}

HpackDecoder::HpackDecoder(uint32_t table_size) {
  nghttp2_hd_inflater* p = nullptr;
  if (nghttp2_hd_inflate_new(&p) != 0) throw std::bad_alloc();
  inflater_.reset(p);
  nghttp2_hd_inflate_change_table_size(p, table_size);
}

HpackDecoder::Result HpackDecoder::decode(buf::View block, uint32_t max_size, FieldList& out) {
  const uint8_t* in = block.data();
  size_t left = block.size();
  bool too_large = false;
  for (;;) {
    nghttp2_nv nv;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_.get(), &nv, &flags, in, left, 1);
    if (used < 0) return Result::kCompressionError;
    in += used;
    left -= static_cast<size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      const std::string_view name(reinterpret_cast<const char*>(nv.name), nv.namelen);
      const std::string_view value(reinterpret_cast<const char*>(nv.value), nv.valuelen);
      if (out.size() + name.size() + value.size() + 32 > max_size) {
        too_large = true;
      } else {
        out.add(name, value, name_of(name), (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
      }
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
  }
  nghttp2_hd_inflate_end_headers(inflater_.get());
  return too_large ? Result::kTooLarge : Result::kOk;
}

HpackEncoder::HpackEncoder(uint32_t table_size) : max_table_size_(table_size) {
  nghttp2_hd_deflater* p = nullptr;
  if (nghttp2_hd_deflate_new(&p, table_size) != 0) throw std::bad_alloc();
  deflater_.reset(p);
}

void HpackEncoder::set_table_size(uint32_t bytes) {
  nghttp2_hd_deflate_change_table_size(deflater_.get(), std::min(bytes, max_table_size_));
}

bool HpackEncoder::encode(const FieldList& fields, std::vector<uint8_t>& out) {
  thread_local std::vector<nghttp2_nv> nva;
  nva.clear();
  for (const Field f : fields) {
    // A deadline is fresh at every call: in the table it would only push useful entries out.
    const bool literal = f.never_indexed || f.id == Name::kGrpcTimeout;
    const int flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                      (literal ? NGHTTP2_NV_FLAG_NO_INDEX : 0);
    nva.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(f.name.data())),
                   reinterpret_cast<uint8_t*>(const_cast<char*>(f.value.data())), f.name.size(),
                   f.value.size(), static_cast<uint8_t>(flags)});
  }
  out.resize(nghttp2_hd_deflate_bound(deflater_.get(), nva.data(), nva.size()));
  const ssize_t n =
      nghttp2_hd_deflate_hd(deflater_.get(), out.data(), out.size(), nva.data(), nva.size());
  if (n < 0) return false;
  out.resize(static_cast<size_t>(n));
  return true;
}

}  // namespace sluice::http2
