#pragma once
// Client role: who has how much of a connection's send window. Many payers (a load balancer's
// clients) share one window, and a peer whose handler does not read an upload gives nothing back:
// one payer could keep the window from all others. So while the window is short, a payer may have
// no more bytes that were not credited than in proportion to what is left (a dynamic threshold, as
// switches use it for the buffers that their ports share: Choudhury and Hahne, 1998). Whatever the
// first ones hold, the next one finds a part of the rest.

#include <cstdint>
#include <unordered_map>

namespace sluice::http2 {

class Stream;

class WindowShares {
 public:
  // What a payer may have in uncredited bytes, over what is left of the window. More than one,
  // since receivers credit when half of the window was used (the rule of nghttp2, Netty and hyper),
  // and a payer that is alone must be able to reach that half: it gets five ninths of the window.
  static constexpr int64_t kNumerator = 5;
  static constexpr int64_t kDenominator = 4;
  // Bytes. A stream waits rather than send less, unless it has no more.
  static constexpr int64_t kLeastPiece = 64;

  struct Share {
    int64_t uploading = 0;  // uncredited bytes of requests that the peer has yet to answer or read
    // The same of requests that are sent to their end and are being answered. Few peers credit
    // these on the stream, so most of it is credited on the connection already.
    int64_t answered = 0;
    uint32_t streams = 0;
  };

  // `left` of the `whole` window: bytes that the payer may send now.
  int64_t room(uint64_t payer, int64_t left, int64_t whole) const;
  int64_t room(const Stream& s, int64_t left, int64_t whole) const;
  // The stream's windows or its state have changed.
  void update(Stream& s);
  // The stream ends: what its peer did not read is the peer's to credit (RFC 9113, 6.9).
  void leave(Stream& s);

 private:
  int64_t room(const Share& share, int64_t left, int64_t whole) const;
  void discharge(Stream& s);

  std::unordered_map<uint64_t, Share> shares_;
  int64_t uploading_ = 0;  // of all
};

}  // namespace sluice::http2
