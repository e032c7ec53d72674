#pragma once
// A port's device that is a TAP interface of the kernel: "tun:north".

#include <string>
#include <vector>

#include "loader/document.h"

namespace sluice::loader {

// Whether the device is a TAP interface; then the mistakes in its name are noted.
bool check_tun_device(Table& port, const std::string& device);

// A TAP interface has a queue for each worker, so a port has one of it and nothing else.
void check_single_tun(Table& port, const std::vector<std::string>& devices);

}  // namespace sluice::loader
