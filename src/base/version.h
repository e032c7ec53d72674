#pragma once
// The version of this build, for --version, the log and reports: the project's version, and in
// brackets the commit of the build, with "-dirty" behind it if files had changed since. A library
// of its own (version_dep), so that a new commit recompiles only one small file.

namespace sluice {

extern const char* const kVersion;  // lives as long as the process

}  // namespace sluice
