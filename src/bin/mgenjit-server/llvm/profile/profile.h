// The half of profile-guided optimisation that needs LLVM's C++ interface: LLVM's C API runs its standard pipelines
// without a profile only, and neither reads profiles nor writes them.
//
// `optimise.cpp` runs a standard pipeline that counts, or that uses a profile, `table.cpp` leaves for the loader where the
// counters are, and `merge.cpp` makes an indexed profile of others. A profile is bytes in memory: LLVM is shown a file
// system that has nothing else. The structures below are those of `raw.rs`.

#ifndef MGENJIT_PROFILE_H
#define MGENJIT_PROFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>

namespace mgenjit {

using namespace llvm;

struct Bytes {
  const char *Start;
  size_t Length;

  StringRef str() const { return StringRef(Start, Length); }
};

// Takes a text or bytes over, before it returns.
using Sink = void (*)(void *Argument, const char *Start, size_t Length);

// What a pipeline does with a profile. The numbers are those of `raw.rs`.
enum Action : uint32_t { Generate = 0, Use = 1 };

struct Plan {
  uint32_t Level; // As in OptLevel: O0 to O3, Os, Oz.
  uint32_t Action;
  Bytes Profile; // What is used.
  bool Vectorise;
  bool Slp;
};

// Reads all of any profile of counters and makes an indexed one of it and of the others. An error names the one at fault.
Expected<std::unique_ptr<MemoryBuffer>> merge(const Bytes *Profiles, size_t Count, size_t &AtFault);

// Leaves a table of what counts in a module that has just been instrumented.
void addTable(Module &M);

} // namespace mgenjit

#endif
