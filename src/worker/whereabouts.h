#pragma once
// Where a thread of the process is: its return addresses, which the thread itself writes down when
// a signal interrupts it. For a worker that stands still.

#include <string>

namespace sluice::worker {

// Once, before asking. Takes the real-time signal SIGRTMIN + 3 for it.
void prepare_whereabouts();

// The innermost frames as "sluiced+0x1234 sluiced+0x2345", for addr2line; "in the kernel" when the
// thread does not answer within 20 ms. thread: the kernel's id. One caller at a time.
std::string whereabouts(int thread);

}  // namespace sluice::worker
