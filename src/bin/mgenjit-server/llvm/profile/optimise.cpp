// LLVM's standard pipelines, as clang runs them with -fprofile-generate, -fprofile-use and -fprofile-sample-use.

#include "profile.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Passes/StandardInstrumentations.h"
#include "llvm/ProfileData/InstrProfReader.h"
#include "llvm/ProfileData/SampleProfReader.h"
#include "llvm/Support/CBindingWrapping.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/PGOOptions.h"
#include "llvm/Support/VirtualFileSystem.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm-c/TargetMachine.h"

namespace mgenjit {

// What LLVM is told that the profile is called. Its messages begin with it.
static const char *const Path = "/profile";

static TargetMachine *unwrap(LLVMTargetMachineRef Machine) { return reinterpret_cast<TargetMachine *>(Machine); }

static OptimizationLevel level(uint32_t Level) {
  const OptimizationLevel Levels[] = {OptimizationLevel::O0, OptimizationLevel::O1, OptimizationLevel::O2,
                                      OptimizationLevel::O3, OptimizationLevel::Os, OptimizationLevel::Oz};
  return Levels[Level < 6 ? Level : 2];
}

// Values, such as where indirect calls lead, are counted by compiler-rt, which nobody linked. LLVM has no other way to say so
// than this option, which also decides whether the values in a profile are used.
static void countValues(bool On) {
  auto &Options = cl::getRegisteredOptions();
  auto Found = Options.find("disable-vp");
  if (Found != Options.end())
    static_cast<cl::opt<bool> *>(Found->second)->setValue(!On);
}

// A profile as LLVM is to find it, and what kind it is.
struct Prepared {
  PGOOptions::PGOAction Action = PGOOptions::NoAction;
  std::unique_ptr<MemoryBuffer> Buffer;
};

// Checks a profile before the pipeline sees it, for which one that cannot be read is an error.
static Expected<Prepared> prepare(const Bytes &Profile, LLVMContext &Context) {
  Prepared P;
  P.Buffer = MemoryBuffer::getMemBufferCopy(Profile.str(), Path);
  auto wrong = [](const Twine &Why) { return createStringError(Why); };
  if (sampleprof::SampleProfileReaderRawBinary::hasFormat(*P.Buffer) ||
      sampleprof::SampleProfileReaderExtBinary::hasFormat(*P.Buffer) ||
      (!IndexedInstrProfReader::hasFormat(*P.Buffer) && sampleprof::SampleProfileReaderText::hasFormat(*P.Buffer))) {
    auto FS = makeIntrusiveRefCnt<vfs::InMemoryFileSystem>();
    FS->addFile(Path, 0, MemoryBuffer::getMemBufferCopy(Profile.str(), Path));
    auto Reader = sampleprof::SampleProfileReader::create(Path, Context, *FS);
    if (!Reader)
      return wrong(Reader.getError().message());
    if (std::error_code Why = (*Reader)->read())
      return wrong(Why.message());
    P.Action = PGOOptions::SampleUse;
    return P;
  }
  // All of it is read and written anew: the pipeline trusts what is in an indexed profile.
  size_t AtFault;
  auto Merged = merge(&Profile, 1, AtFault);
  if (!Merged)
    return Merged.takeError();
  P.Buffer = std::move(*Merged);
  auto Reader = IndexedInstrProfReader::create(MemoryBuffer::getMemBuffer(P.Buffer->getMemBufferRef(), false));
  if (!Reader)
    return Reader.takeError();
  if (!(*Reader)->isIRLevelProfile())
    return wrong("it counts what is in the source (clang's -fprofile-instr-generate), not what is in the IR "
                 "(-fprofile-generate)");
  P.Action = PGOOptions::IRUse;
  return P;
}

// Calls a function by the name that it had in its own module while counters are matched: LLVM calls a local one
// "file;name", and knows one file only of a module that was linked of several.
class OwnNames {
  struct Renamed {
    Function *F;
    std::string Name;
    GlobalValue::LinkageTypes Linkage;
  };
  std::vector<Renamed> All;

  static bool matches(StringRef Pass) { return Pass == "PGOInstrumentationUse" || Pass == "PGOInstrumentationGen"; }

public:
  void begin(StringRef Pass, Module &M) {
    if (!matches(Pass))
      return;
    for (Function &F : M) {
      MDNode *Name = F.getMetadata("mgenjit.profile");
      if (!Name || !F.hasLocalLinkage())
        continue;
      All.push_back({&F, F.getName().str(), F.getLinkage()});
      F.setLinkage(GlobalValue::ExternalLinkage);
      F.setName(cast<MDString>(Name->getOperand(0))->getString());
    }
  }

  void end(StringRef Pass) {
    if (!matches(Pass))
      return;
    for (Renamed &R : All) {
      R.F->setLinkage(R.Linkage);
      R.F->setName(R.Name);
    }
    All.clear();
  }
};

static void run(Module &M, TargetMachine *Machine, const Plan &Plan, Sink Warn, void *Argument) {
  auto warn = [&](const std::string &Text) { Warn(Argument, Text.data(), Text.size()); };
  std::optional<PGOOptions> Options;
  IntrusiveRefCntPtr<vfs::InMemoryFileSystem> Files = makeIntrusiveRefCnt<vfs::InMemoryFileSystem>();
  bool IsUse = false;
  if (Plan.Action == Generate) {
    Options.emplace("", "", "", "", PGOOptions::IRInstr);
  } else {
    auto Prepared = prepare(Plan.Profile, M.getContext());
    if (!Prepared) {
      warn("the profile is not used: " + toString(Prepared.takeError()));
    } else {
      if (Prepared->Action == PGOOptions::SampleUse)
        // As clang does, so that the others know that nothing is known of them.
        for (Function &F : M)
          if (!F.isDeclaration())
            F.addFnAttr("use-sample-profile");
      IsUse = Prepared->Action == PGOOptions::IRUse;
      Files->addFile(Path, 0, std::move(Prepared->Buffer));
      Options.emplace(Path, "", "", "", Prepared->Action);
    }
  }
  countValues(Plan.Action != Generate);

  PipelineTuningOptions Tuning;
  Tuning.LoopVectorization = Plan.Vectorise;
  Tuning.LoopInterleaving = Plan.Vectorise;
  Tuning.SLPVectorization = Plan.Slp;
  PassInstrumentationCallbacks Callbacks;
  OwnNames Names;
  size_t Known = 0, Defined = 0;
  Callbacks.registerBeforeNonSkippedPassCallback([&](StringRef Pass, Any) { Names.begin(Pass, M); });
  Callbacks.registerAfterPassCallback([&](StringRef Pass, Any, const PreservedAnalyses &) {
    Names.end(Pass);
    if (Pass != "PGOInstrumentationUse")
      return;
    for (Function &F : M) {
      Defined += !F.isDeclaration();
      Known += !F.isDeclaration() && F.hasProfileData();
    }
  });
  PassBuilder Builder(Machine, Tuning, Options, &Callbacks, Files);
  LoopAnalysisManager Loops;
  FunctionAnalysisManager Functions;
  CGSCCAnalysisManager Groups;
  ModuleAnalysisManager Modules;
  Builder.registerLoopAnalyses(Loops);
  Builder.registerFunctionAnalyses(Functions);
  Builder.registerCGSCCAnalyses(Groups);
  Builder.registerModuleAnalyses(Modules);
  Builder.crossRegisterProxies(Loops, Functions, Groups, Modules);
  StandardInstrumentations Standard(M.getContext(), false);
  Standard.registerCallbacks(Callbacks, &Modules);

  OptimizationLevel Level = level(Plan.Level);
  ModulePassManager Passes = Level == OptimizationLevel::O0 ? Builder.buildO0DefaultPipeline(Level)
                                                            : Builder.buildPerModuleDefaultPipeline(Level);
  Passes.run(M, Modules);
  if (Plan.Action == Generate)
    addTable(M);
  if (IsUse && Known == 0 && Defined > 0)
    warn("the profile knows none of the functions of the module");
}

} // namespace mgenjit

using namespace mgenjit;

extern "C" {

// Optimises a verified module. `Warn` gets what is wrong with the profile, which is then used as far as it goes.
void mgenjit_profile_optimise(LLVMModuleRef M, LLVMTargetMachineRef Machine, const Plan *Plan, Sink Warn, void *Argument) {
  run(*llvm::unwrap(M), mgenjit::unwrap(Machine), *Plan, Warn, Argument);
}

// Notes what functions are called in a profile, before the module is linked to others.
void mgenjit_profile_note_names(LLVMModuleRef M) {
  Module &Own = *llvm::unwrap(M);
  LLVMContext &Context = Own.getContext();
  for (Function &F : Own)
    if (F.hasLocalLinkage() && !F.isDeclaration())
      F.setMetadata("mgenjit.profile", MDNode::get(Context, MDString::get(Context, getIRPGOFuncName(F))));
}

// Whether a diagnostic is about a profile.
bool mgenjit_profile_is_about(LLVMDiagnosticInfoRef Info) {
  int Kind = reinterpret_cast<DiagnosticInfo *>(Info)->getKind();
  return Kind == DK_PGOProfile || Kind == DK_SampleProfile;
}

} // extern "C"
