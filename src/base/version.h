#pragma once
// The version of this build, for --version, the log and reports: the project's version, and in
// brackets the commit that it was built from, with "-dirty" behind it if files had changed since.
// A library of its own (version_dep), so that a commit compiles one small file anew.

namespace sluice {

extern const char* const kVersion;  // lives for ever

}  // namespace sluice
