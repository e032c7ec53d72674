#pragma once
// HPACK as nghttp2 does it: what ours is compared with.

#include <nghttp2/nghttp2.h>

#include <string>
#include <vector>

#include "buf/slice.h"
#include "http2/http.h"

namespace sluice::http2 {

struct PlainField {
  std::string name;
  std::string value;
  bool never_indexed = false;
  bool operator==(const PlainField&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const PlainField& f) {
  return out << f.name << ": " << f.value << (f.never_indexed ? " (never indexed)" : "");
}
using PlainFields = std::vector<PlainField>;

inline PlainFields plain(const FieldList& fields) {
  PlainFields out;
  for (const Field f : fields)
    out.push_back({std::string(f.name), std::string(f.value), f.never_indexed});
  return out;
}
inline FieldList field_list(const PlainFields& fields) {
  FieldList out;
  for (const PlainField& f : fields) out.add(f.name, f.value, name_of(f.name), f.never_indexed);
  return out;
}

class OracleDecoder {
 public:
  OracleDecoder() { nghttp2_hd_inflate_new(&inflater_); }
  ~OracleDecoder() { nghttp2_hd_inflate_del(inflater_); }
  OracleDecoder(const OracleDecoder&) = delete;

  void set_limit(uint32_t bytes) { nghttp2_hd_inflate_change_table_size(inflater_, bytes); }
  // False: COMPRESSION_ERROR.
  bool decode(buf::View block, PlainFields& out) {
    const uint8_t* in = block.data();
    size_t left = block.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, in, left, 1);
      if (used < 0) return false;
      in += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
        out.push_back({std::string(reinterpret_cast<const char*>(nv.name), nv.namelen),
                       std::string(reinterpret_cast<const char*>(nv.value), nv.valuelen),
                       (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0});
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return true;
  }
  size_t table_size() const { return nghttp2_hd_inflate_get_dynamic_table_size(inflater_); }
  size_t table_max_size() const { return nghttp2_hd_inflate_get_max_dynamic_table_size(inflater_); }
  size_t entries() const { return nghttp2_hd_inflate_get_num_table_entries(inflater_) - 61; }
  bool table_has(std::string_view name) const {
    for (size_t i = 62; i < 62 + entries(); ++i) {
      const nghttp2_nv* nv = nghttp2_hd_inflate_get_table_entry(inflater_, i);
      if (std::string_view(reinterpret_cast<const char*>(nv->name), nv->namelen) == name)
        return true;
    }
    return false;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

class OracleEncoder {
 public:
  explicit OracleEncoder(size_t table_size = 4096) {
    nghttp2_hd_deflate_new(&deflater_, table_size);
  }
  ~OracleEncoder() { nghttp2_hd_deflate_del(deflater_); }
  OracleEncoder(const OracleEncoder&) = delete;

  void set_table_size(size_t bytes) { nghttp2_hd_deflate_change_table_size(deflater_, bytes); }
  std::vector<uint8_t> encode(const PlainFields& fields) {
    std::vector<nghttp2_nv> nva;
    for (const PlainField& f : fields)
      nva.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(f.name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(f.value.data())), f.name.size(),
                     f.value.size(),
                     static_cast<uint8_t>(f.never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX : 0)});
    std::vector<uint8_t> out(nghttp2_hd_deflate_bound(deflater_, nva.data(), nva.size()));
    const ssize_t n =
        nghttp2_hd_deflate_hd(deflater_, out.data(), out.size(), nva.data(), nva.size());
    out.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return out;
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

}  // namespace sluice::http2
