#pragma once
// Client role: the shares of payers in a connection's send window. Many payers (a load balancer's
// clients) share one window. A peer whose handler does not read an upload gives nothing back, so
// one payer could use up the window for all others. While the window is short, a payer may
// therefore have no more uncredited bytes than in proportion to what is left (a dynamic threshold,
// as switches use it for buffers that their ports share: Choudhury and Hahne, 1998). Whatever the
// first payers use, the next one finds a part of the rest.

#include <cstdint>
#include <unordered_map>

namespace sluice::http2 {

class Stream;

class WindowShares {
 public:
  // The ratio of a payer's uncredited bytes to what is left of the window. It is above one, since
  // receivers credit when half of the window was used (the rule of nghttp2, Netty and hyper), and a
  // payer that is alone must be able to reach that half: it gets five ninths of the window.
  static constexpr int64_t kNumerator = 5;
  static constexpr int64_t kDenominator = 4;
  // Bytes. A stream waits rather than send less, unless it has no more to send.
  static constexpr int64_t kLeastPiece = 64;

  struct Share {
    int64_t uploading = 0;  // uncredited bytes of requests that the peer has yet to answer or read
    // Uncredited bytes of requests that are sent to their end and are being answered. Few peers
    // credit these on the stream, so the connection has credited most of them already.
    int64_t answered = 0;
    uint32_t streams = 0;
  };

  // The bytes that the payer may send now, with `left` of the `whole` window left.
  int64_t room(uint64_t payer, int64_t left, int64_t whole) const;
  int64_t room(const Stream& s, int64_t left, int64_t whole) const;
  // The stream's windows or its state have changed.
  void update(Stream& s);
  // The stream ends. Its unread bytes are for the peer to credit (RFC 9113, 6.9).
  void leave(Stream& s);

 private:
  int64_t room(const Share& share, int64_t left, int64_t whole) const;
  void discharge(Stream& s);

  std::unordered_map<uint64_t, Share> shares_;
  int64_t uploading_ = 0;  // of all payers
};

}  // namespace sluice::http2
