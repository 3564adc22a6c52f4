// The version of this build.
#pragma once

namespace engram::server {

inline constexpr char kVersion[] = "0.1.0";
// Short hash of the commit it was built from; "unknown" outside of a checkout.
const char* BuildCommit();

}  // namespace engram::server
