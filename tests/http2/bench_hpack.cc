// What HPACK costs: cycles to decode a client's block and encode it for a pod, for the recorded
// blocks of real clients (record_patterns.py), beside nghttp2's in the same run. A benchmark, not a
// test: prints, judges nothing.
//
//   bench_hpack [ROUNDS]

#include <nghttp2/nghttp2.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "http2/hpack/decoder.h"
#include "http2/hpack/encoder.h"

using namespace sluice;
using namespace sluice::http2;

namespace {

// A connection warms up over so many blocks before they are timed.
constexpr size_t kWarm = 8;
constexpr uint32_t kMaxList = 16'384;

std::vector<std::vector<uint8_t>> read_blocks(const std::string& name) {
  std::ifstream in(std::string(HPACK_PATTERNS) + "/" + name + ".txt");
  std::vector<std::vector<uint8_t>> blocks;
  for (std::string line; std::getline(in, line);) {
    std::vector<uint8_t> block;
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      block.push_back(static_cast<uint8_t>(std::stoi(line.substr(i, 2), nullptr, 16)));
    blocks.push_back(std::move(block));
  }
  if (blocks.empty()) {
    std::fprintf(stderr, "no pattern %s in %s\n", name.c_str(), HPACK_PATTERNS);
    std::exit(1);
  }
  return blocks;
}

class Ours {
 public:
  class Client {
   public:
    explicit Client(Ours& o) : decoder_(o.shared_) {}
    void decode(buf::View block, FieldList& out) { decoder_.decode(block, kMaxList, out); }
    uint32_t memory() const { return decoder_.table().memory(); }

   private:
    hpack::Decoder decoder_;
  };
  size_t encode(const FieldList& fields) { return pod_.encode(fields).size(); }
  const stats::Http2& stats() const { return stats_; }

 private:
  stats::Http2 stats_;
  hpack::Shared shared_{stats_, SipKey{1, 2}};
  hpack::Encoder pod_{shared_, 4096};
};

// As a proxy would use it: fields into a FieldList, and from there.
class Nghttp2 {
 public:
  class Client {
   public:
    explicit Client(Nghttp2&) { nghttp2_hd_inflate_new(&inflater_); }
    ~Client() { nghttp2_hd_inflate_del(inflater_); }
    Client(const Client&) = delete;
    void decode(buf::View block, FieldList& out) {
      const uint8_t* in = block.data();
      size_t left = block.size();
      for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, in, left, 1);
        if (used < 0) std::abort();
        in += used;
        left -= static_cast<size_t>(used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
          const std::string_view name(reinterpret_cast<const char*>(nv.name), nv.namelen);
          const std::string_view value(reinterpret_cast<const char*>(nv.value), nv.valuelen);
          out.add(name, value, name_of(name), (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
      }
      nghttp2_hd_inflate_end_headers(inflater_);
    }
    uint32_t memory() const { return 0; }

   private:
    nghttp2_hd_inflater* inflater_ = nullptr;
  };

  Nghttp2() { nghttp2_hd_deflate_new(&deflater_, 4096); }
  ~Nghttp2() { nghttp2_hd_deflate_del(deflater_); }
  Nghttp2(const Nghttp2&) = delete;
  size_t encode(const FieldList& fields) {
    nva_.clear();
    for (const Field f : fields) {
      const bool literal = f.never_indexed || f.id == Name::kGrpcTimeout;
      const int flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                        (literal ? NGHTTP2_NV_FLAG_NO_INDEX : 0);
      nva_.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(f.name.data())),
                      reinterpret_cast<uint8_t*>(const_cast<char*>(f.value.data())), f.name.size(),
                      f.value.size(), static_cast<uint8_t>(flags)});
    }
    out_.resize(nghttp2_hd_deflate_bound(deflater_, nva_.data(), nva_.size()));
    const ssize_t n =
        nghttp2_hd_deflate_hd(deflater_, out_.data(), out_.size(), nva_.data(), nva_.size());
    if (n < 0) std::abort();
    return static_cast<size_t>(n);
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
  std::vector<nghttp2_nv> nva_;
  std::vector<uint8_t> out_;
};

struct Cost {
  double in = 0;  // cycles a block
  double out = 0;
  double bytes = 0;  // a block, as the pod receives it
  uint32_t memory = 0;
};

// The median over rounds; in each a new client connection says all its blocks to the same pod.
template <class Codec>
Cost measure(Codec& codec, const std::vector<std::vector<uint8_t>>& blocks, int rounds) {
  std::vector<double> in, both;
  Cost cost;
  const auto timed = static_cast<double>(blocks.size() - kWarm);
  FieldList fields;
  for (int r = 0; r < rounds; ++r) {
    uint64_t bytes = 0;
    const auto round = [&](bool encode) {
      typename Codec::Client client(codec);
      uint64_t began = 0;
      for (size_t i = 0; i < blocks.size(); ++i) {
        if (i == kWarm) {
          began = __rdtsc();
          bytes = 0;
        }
        fields.clear();
        client.decode(blocks[i], fields);
        if (encode) bytes += codec.encode(fields);
      }
      const uint64_t ended = __rdtsc();
      cost.memory = client.memory();
      return static_cast<double>(ended - began) / timed;
    };
    in.push_back(round(false));
    both.push_back(round(true));
    cost.bytes = static_cast<double>(bytes) / timed;
  }
  const auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + static_cast<ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  cost.in = median(in);
  cost.out = median(both) - cost.in;
  return cost;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 2000;
  std::printf("%-20s %30s %8s %8s %8s   %22s\n", "", "Sluice: cycles a block", "bytes", "indexed",
              "table", "nghttp2: cycles");
  std::printf("%-20s %9s %9s %10s %8s %8s %8s   %7s %7s %7s %6s\n", "client", "in", "out", "in+out",
              "out", "out", "memory", "in", "out", "in+out", "bytes");
  for (const char* name : {"grpc_go_requests", "grpc_cpp_requests", "grpc_cpp_responses",
                           "grpc_python_requests", "h2load_requests"}) {
    const auto blocks = read_blocks(name);
    Ours ours;
    const Cost a = measure(ours, blocks, rounds);
    const double indexed = static_cast<double>(ours.stats().hpack_indexed_out.get()) /
                           static_cast<double>(ours.stats().hpack_fields_out.get());
    Nghttp2 nghttp2;
    const Cost b = measure(nghttp2, blocks, rounds);
    std::printf("%-20s %9.0f %9.0f %10.0f %8.1f %7.1f%% %6u B   %7.0f %7.0f %7.0f %6.1f\n", name,
                a.in, a.out, a.in + a.out, a.bytes, 100 * indexed, a.memory, b.in, b.out,
                b.in + b.out, b.bytes);
  }
  return 0;
}
