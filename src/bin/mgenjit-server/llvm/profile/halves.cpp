// A standard pipeline in two halves, between which a module is cut.
//
// The first half is what must see all of the module: counts are matched by what functions look like when others have been inlined
// into them, and indirect calls are made direct ones. All that it leaves of the profile is metadata of the functions. So a
// piece has what the profile says of its own functions, and that alone is in its key.

#include "profile.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/PassManager.h"

namespace mgenjit {

// A module flag, because all pieces have these.
static const char *const Flag = "mgenjit.profiled";

Halves::Halves(OptimizationLevel Level, Action Which)
    // Where nothing is optimised, nothing comes behind the profile.
    : LastOfFirst(Level == OptimizationLevel::O0 ? "" : "PGOIndirectCallPromotion"), Which(Which) {}

void Halves::registerCallbacks(PassInstrumentationCallbacks &Callbacks) {
  if (Which == Annotate)
    Callbacks.registerAfterPassCallback([this](StringRef Pass, Any, const PreservedAnalyses &) {
      if (Pass == LastOfFirst)
        IsBehind = true;
    });
  // Passes that LLVM has to run, such as those that lower what no code can be generated for, find nothing to do the second time.
  Callbacks.registerShouldRunOptionalPassCallback([this](StringRef Pass, Any) {
    if (Which == Annotate)
      return !IsBehind;
    if (Which != Finish || IsBehind)
      return true;
    if (Pass == LastOfFirst)
      IsBehind = true;
    return false;
  });
}

void note(Module &M, PGOOptions::PGOAction Kind) { M.addModuleFlag(Module::Override, Flag, Kind); }

PGOOptions::PGOAction noted(const Module &M) {
  auto *Kind = mdconst::dyn_extract_or_null<ConstantInt>(M.getModuleFlag(Flag));
  if (Kind && Kind->equalsInt(PGOOptions::SampleUse))
    return PGOOptions::SampleUse;
  return Kind && Kind->equalsInt(PGOOptions::IRUse) ? PGOOptions::IRUse : PGOOptions::NoAction;
}

} // namespace mgenjit
