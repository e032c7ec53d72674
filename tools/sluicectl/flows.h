#pragma once
// The commands about L4 flows. They print as pages come, since there may be millions of flows.

#include <string>

namespace sluicectl {

struct FlowFilter {
  std::string listener;  // empty: all
  std::string pod;
};

// Throws Error.
void print_flows(const std::string& socket, const FlowFilter& filter, bool as_json);
void flush_pod(const std::string& socket, const std::string& pod);

}  // namespace sluicectl
