#pragma once
// The string code of HPACK (RFC 7541, 5.2 and appendix B).

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::http2::hpack {

// The most bytes that `n` encoded bytes can stand for: the shortest code has five bits.
constexpr size_t huffman_decoded_bound(size_t n) {
  return n * 8 / 5;
}

// Bytes behind the decoded text that huffman_decode may overwrite.
inline constexpr size_t kHuffmanSlack = 2;

inline constexpr size_t kHuffmanError = SIZE_MAX;
// Decodes [from, from + n) to `to`, which has room for huffman_decoded_bound(n) + kHuffmanSlack.
// Returns the number of bytes; kHuffmanError for EOS, and for padding of a byte or more, or that is
// not the beginning of EOS.
size_t huffman_decode(const uint8_t* from, size_t n, char* to);

// Encoded size in bytes, padding included.
size_t huffman_size(std::string_view s);
// Writes huffman_size(s) bytes, and up to three more. Returns the end of the encoded text.
uint8_t* huffman_encode(std::string_view s, uint8_t* to);

}  // namespace sluice::http2::hpack
