#pragma once
// The result of a question to DNS.

#include <string>
#include <vector>

#include "discovery/dns/answer.h"

namespace sluice::discovery::dns {

struct Result {
  enum class Kind {
    kRecords,
    kNone,     // the name does not exist, or has no record of the type
    kFailure,  // SERVFAIL, no answer, no answer of DNS
  };
  Kind kind = Kind::kFailure;
  std::vector<Record> records;  // of kRecords, at least one
  std::string why;              // unless kRecords
};

}  // namespace sluice::discovery::dns
