// The half of profile-guided optimisation that needs LLVM's C++ interface: LLVM's C API runs its standard pipelines
// without a profile only, and neither reads profiles nor writes them.
//
// `optimise.cpp` runs a standard pipeline that counts, or that uses a profile, `halves.cpp` lets a module be cut in the middle of
// it, `values.cpp` has values counted without a run-time library, `table.cpp` leaves for the loader where the counters are, and
// `merge.cpp` makes an indexed profile of others. A profile is bytes in memory: LLVM is shown a file system that has nothing
// else. The structures below are those of `raw.rs`.

#ifndef MGENJIT_PROFILE_H
#define MGENJIT_PROFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassInstrumentation.h"
#include "llvm/Passes/OptimizationLevel.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/PGOOptions.h"
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

// What a pipeline does with a profile. `Annotate` is its first half, up to where all that a profile says is in the module, and
// `Finish` the rest, for a piece of such a module. The numbers are those of `raw.rs`.
enum Action : uint32_t { Generate = 0, Use = 1, Annotate = 2, Finish = 3 };

struct Plan {
  uint32_t Level; // As in OptLevel: O0 to O3, Os, Oz.
  uint32_t Action;
  Bytes Profile; // What is used.
  bool Vectorise;
  bool Slp;
};

// Reads all of any profile of counters and makes an indexed one of it and of the others. An error names the one at fault.
Expected<std::unique_ptr<MemoryBuffer>> merge(const Bytes *Profiles, size_t Count, size_t &AtFault);

// Has a pipeline run one of its halves only.
class Halves {
  StringRef LastOfFirst;
  Action Which;
  bool IsBehind = false;

public:
  Halves(OptimizationLevel Level, Action Which);
  void registerCallbacks(PassInstrumentationCallbacks &Callbacks);
};

// What kind of profile a module that was annotated has got, as it is noted in the module, and thus in its pieces.
void note(Module &M, PGOOptions::PGOAction Kind);
PGOOptions::PGOAction noted(const Module &M);

// Has a module that has just been instrumented count values by itself.
void countValues(Module &M);

// Where a function's values are, and in how many places it meets some: 16 bits for each kind.
struct CountedValues {
  Constant *Room;
  uint64_t Sites;
};

// Takes these out of what LLVM keeps of a function: compiler-rt, which may be in an exported program, has its values elsewhere.
CountedValues takeValues(GlobalVariable &Data);

// Leaves a table of what counts in a module that has just been instrumented.
void addTable(Module &M);

} // namespace mgenjit

#endif
