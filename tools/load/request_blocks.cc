#include "request_blocks.h"

#include <fstream>
#include <stdexcept>

#include "expected_block.h"
#include "http/fields.h"
#include "http2/hpack/decoder.h"
#include "http2/hpack/huffman.h"

namespace sluice::load {

namespace {

constexpr size_t kRing = 256;  // entries; a table of 4,096 bytes has 128 at most
constexpr uint32_t kStaticEntries = 61;

std::vector<uint8_t> from_hex(const std::string& line) {
  std::vector<uint8_t> block;
  for (size_t i = 0; i + 1 < line.size(); i += 2)
    block.push_back(static_cast<uint8_t>(std::stoi(line.substr(i, 2), nullptr, 16)));
  return block;
}

// h2load says how long its body is, and was recorded with 5 bytes.
void replace_content_length(std::vector<uint8_t>& block, uint32_t bytes) {
  const std::vector<uint8_t> recorded{0x0f, 0x0d, 0x01, '5'};
  if (block.size() < recorded.size() ||
      !std::equal(recorded.begin(), recorded.end(), block.end() - 4))
    return;
  const std::string digits = std::to_string(bytes);
  block.resize(block.size() - 2);
  block.push_back(static_cast<uint8_t>(digits.size()));
  block.insert(block.end(), digits.begin(), digits.end());
}

// The end of the representation that begins at p.
const uint8_t* next_field(const uint8_t* p, const uint8_t* end) {
  using http2::hpack::read_integer;
  uint32_t n = 0;
  const bool indexed = (*p & 0x80) != 0;
  const bool entering = !indexed && (*p & 0x40) != 0;
  bool good = indexed ? read_integer<7>(p, end, n)
                      : (entering ? read_integer<6>(p, end, n) : read_integer<4>(p, end, n));
  for (int strings = indexed ? 0 : (n == 0 ? 2 : 1); good && strings > 0; --strings) {
    good = p < end && read_integer<7>(p, end, n) && n <= static_cast<size_t>(end - p);
    if (good) p += n;
  }
  if (!good) throw std::runtime_error("a recorded block is malformed");
  return p;
}

}  // namespace

Recording::Recording(const std::string& file, uint32_t body_bytes) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    blocks.push_back(from_hex(line));
    replace_content_length(blocks.back(), body_bytes);
  }
  if (blocks.size() < 2) throw std::runtime_error("not two recorded blocks in " + file);
  fresh_deadlines = changes_table(blocks.back());
  if (!fresh_deadlines) return;

  stats::Http2 unread;
  http2::hpack::Shared shared(unread, SipKey{1, 2});
  http2::hpack::Decoder decoder(shared);
  http::FieldList list;
  if (decoder.decode(first(), kMaxFieldBytes, list) != http2::hpack::Decoder::Result::kOk)
    throw std::runtime_error("the first block of " + file + " does not decode");
  const uint8_t* p = first().data();
  const uint8_t* end = p + first().size();
  for (size_t i = 0; p < end; ++i) {
    const uint8_t* next = next_field(p, end);
    const http::Field f = list[i];
    const bool enters = (*p & 0xc0) == 0x40;
    fields.push_back(
        {{p, next}, enters ? static_cast<uint32_t>(f.name.size() + f.value.size() + 32) : 0});
    p = next;
  }
  if (list[list.count() - 1].id != http::Name::kGrpcTimeout)
    throw std::runtime_error("the last field in " + file + " is not grpc-timeout");
}

void RequestBlocks::enter(uint32_t table_size) {
  sizes_[++newest_ % kRing] = table_size;
  table_bytes_ += table_size;
  while (table_bytes_ > kTableBytes) table_bytes_ -= sizes_[oldest_++ % kRing];
}

buf::View RequestBlocks::next_with_deadline() {
  using http2::hpack::write_integer;
  const auto& fields = recording_.fields;
  if (entered_.empty()) {
    entered_.resize(fields.size());
    sizes_.resize(kRing);
  }
  block_.clear();
  uint8_t number[http2::hpack::kMaxIntegerSize];
  const auto index_of = [this](uint64_t entry) {
    return static_cast<uint32_t>(kStaticEntries + 1 + (newest_ - entry));
  };
  for (size_t i = 0; i + 1 < fields.size(); ++i) {
    const Recording::Field& f = fields[i];
    if (f.table_size != 0 && entered_[i] >= oldest_) {
      block_.insert(block_.end(), number, write_integer<7>(number, 0x80, index_of(entered_[i])));
      continue;
    }
    block_.insert(block_.end(), f.bytes.begin(), f.bytes.end());
    if (f.table_size == 0) continue;
    enter(f.table_size);
    entered_[i] = newest_;
  }

  const std::string value = std::to_string(timeout_) + "u";
  if (--timeout_ < kLastTimeout) timeout_ = kFirstTimeout;
  if (entered_.back() >= oldest_) {
    block_.insert(block_.end(), number, write_integer<6>(number, 0x40, index_of(entered_.back())));
  } else {
    static constexpr std::string_view kName = "grpc-timeout";
    uint8_t name[kName.size() + 4];
    block_.push_back(0x40);
    block_.push_back(static_cast<uint8_t>(0x80 | http2::hpack::huffman_size(kName)));
    block_.insert(block_.end(), name, http2::hpack::huffman_encode(kName, name));
  }
  uint8_t digits[16 + 4];
  block_.push_back(static_cast<uint8_t>(0x80 | http2::hpack::huffman_size(value)));
  block_.insert(block_.end(), digits, http2::hpack::huffman_encode(value, digits));
  enter(static_cast<uint32_t>(std::string_view("grpc-timeout").size() + value.size() + 32));
  entered_.back() = newest_;
  return block_;
}

}  // namespace sluice::load
