#pragma once
// Numbers of ICMP (RFC 792) and ICMPv6 (RFC 4443) messages.

#include <cstdint>

namespace sluice::ip {

namespace icmp {
inline constexpr uint32_t kHeaderSize = 8;  // bytes, of both families
inline constexpr uint8_t kEchoReply = 0;
inline constexpr uint8_t kUnreachable = 3;
inline constexpr uint8_t kFragmentationNeeded = 4;  // code of kUnreachable
inline constexpr uint8_t kEchoRequest = 8;
inline constexpr uint8_t kTimeExceeded = 11;
inline constexpr uint8_t kParameterProblem = 12;
}  // namespace icmp

namespace icmp6 {
inline constexpr uint8_t kUnreachable = 1;
inline constexpr uint8_t kPacketTooBig = 2;
inline constexpr uint8_t kTimeExceeded = 3;
inline constexpr uint8_t kParameterProblem = 4;
inline constexpr uint8_t kEchoRequest = 128;
inline constexpr uint8_t kEchoReply = 129;
}  // namespace icmp6

}  // namespace sluice::ip
