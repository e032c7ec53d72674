#pragma once
// Messages of DNS, as servers write them.

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "discovery/dns/answer.h"

namespace sluice::discovery::dns {

using Bytes = std::vector<uint8_t>;

inline void put16(Bytes& out, unsigned n) {
  out.push_back(static_cast<uint8_t>(n >> 8));
  out.push_back(static_cast<uint8_t>(n));
}

inline void put_name(Bytes& out, const std::string& name) {
  for (size_t at = 0; at < name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    out.push_back(static_cast<uint8_t>(dot - at));
    out.insert(out.end(), name.begin() + static_cast<ptrdiff_t>(at),
               name.begin() + static_cast<ptrdiff_t>(dot));
    at = dot + 1;
  }
  out.push_back(0);
}

// An answer, built record by record.
class Message {
 public:
  static constexpr unsigned kResponse = 0x8180;
  static constexpr unsigned kTruncated = 0x0200;

  Message(const std::string& name, Type type, unsigned flags = kResponse, unsigned id = 0) {
    for (const unsigned n : {id, flags, 1U, 0U, 0U, 0U}) put16(bytes_, n);
    put_name(bytes_, name);
    put16(bytes_, static_cast<unsigned>(type));
    put16(bytes_, 1);
  }
  Message& a(const std::string& name, const std::string& address, unsigned ttl = 60) {
    const Address a = *Address::parse(address);
    return add(name, Type::kA, ttl, Bytes(a.v4_bytes(), a.v4_bytes() + 4));
  }
  Message& aaaa(const std::string& name, const std::string& address, unsigned ttl = 60) {
    const Address a = *Address::parse(address);
    return add(name, Type::kAaaa, ttl, Bytes(a.bytes.begin(), a.bytes.end()));
  }
  Message& cname(const std::string& name, const std::string& target, unsigned ttl = 60) {
    Bytes data;
    put_name(data, target);
    return add(name, Type::kCname, ttl, data);
  }
  Message& srv(const std::string& name, unsigned priority, unsigned weight, unsigned port,
               const std::string& target, unsigned ttl = 60) {
    Bytes data;
    for (const unsigned n : {priority, weight, port}) put16(data, n);
    put_name(data, target);
    return add(name, Type::kSrv, ttl, data);
  }
  Message& add(const std::string& name, Type type, unsigned ttl, const Bytes& data) {
    put_name(bytes_, name);
    put16(bytes_, static_cast<unsigned>(type));
    put16(bytes_, 1);
    put16(bytes_, ttl >> 16);
    put16(bytes_, ttl);
    put16(bytes_, static_cast<unsigned>(data.size()));
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    ++bytes_[7];  // ANCOUNT
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace sluice::discovery::dns
