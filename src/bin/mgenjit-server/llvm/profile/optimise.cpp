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
#include "llvm/Support/VirtualFileSystem.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm-c/TargetMachine.h"

namespace mgenjit {

// What LLVM is told that the profile is called. Its messages begin with it.
static const char *const Path = "/profile";

// Of a function, what a profile calls it.
static const char *const OwnName = "mgenjit.profile";

static TargetMachine *unwrap(LLVMTargetMachineRef Machine) { return reinterpret_cast<TargetMachine *>(Machine); }

static OptimizationLevel level(uint32_t Level) {
  const OptimizationLevel Levels[] = {OptimizationLevel::O0, OptimizationLevel::O1, OptimizationLevel::O2,
                                      OptimizationLevel::O3, OptimizationLevel::Os, OptimizationLevel::Oz};
  return Levels[Level < 6 ? Level : 2];
}

// A profile as LLVM is to find it, and what kind it is.
struct Prepared {
  PGOOptions::PGOAction Action = PGOOptions::NoAction;
  std::unique_ptr<MemoryBuffer> Buffer;
};

// Checks a profile before the pipeline sees it, for which one that cannot be read is an error.
static Expected<Prepared> prepare(const Bytes &Profile) {
  Prepared P;
  P.Buffer = MemoryBuffer::getMemBufferCopy(Profile.str(), Path);
  auto wrong = [](const Twine &Why) { return createStringError(Why); };
  if (sampleprof::SampleProfileReaderRawBinary::hasFormat(*P.Buffer) ||
      sampleprof::SampleProfileReaderExtBinary::hasFormat(*P.Buffer) ||
      (!IndexedInstrProfReader::hasFormat(*P.Buffer) && sampleprof::SampleProfileReaderText::hasFormat(*P.Buffer))) {
    auto FS = makeIntrusiveRefCnt<vfs::InMemoryFileSystem>();
    FS->addFile(Path, 0, MemoryBuffer::getMemBufferCopy(Profile.str(), Path));
    // What the reader says is said below.
    LLVMContext Silent;
    Silent.setDiagnosticHandlerCallBack([](const DiagnosticInfo *, void *) {});
    auto Reader = sampleprof::SampleProfileReader::create(Path, Silent, *FS);
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

  static bool matches(StringRef Pass) {
    return Pass == "PGOInstrumentationUse" || Pass == "PGOInstrumentationGen" || Pass == "PGOIndirectCallPromotion";
  }

public:
  void begin(StringRef Pass, Module &M) {
    if (!matches(Pass))
      return;
    for (Function &F : M) {
      MDNode *Name = F.getMetadata(OwnName);
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

// Reads the profile. What is returned has none if it cannot be used.
static std::optional<PGOOptions> use(Module &M, const Plan &Plan, vfs::InMemoryFileSystem &Files,
                                     function_ref<void(const std::string &)> Warn) {
  auto Prepared = prepare(Plan.Profile);
  if (!Prepared) {
    Warn("the profile is not used: " + toString(Prepared.takeError()));
    return std::nullopt;
  }
  if (Prepared->Action == PGOOptions::SampleUse)
    // As clang does, so that the others know that nothing is known of them.
    for (Function &F : M)
      if (!F.isDeclaration())
        F.addFnAttr("use-sample-profile");
  Files.addFile(Path, 0, std::move(Prepared->Buffer));
  return PGOOptions(Path, "", "", "", Prepared->Action);
}

static void run(Module &M, TargetMachine *Machine, const Plan &Plan, Sink Warn, void *Argument) {
  auto warn = [&](const std::string &Text) { Warn(Argument, Text.data(), Text.size()); };
  auto Does = static_cast<Action>(Plan.Action);
  std::optional<PGOOptions> Options;
  IntrusiveRefCntPtr<vfs::InMemoryFileSystem> Files = makeIntrusiveRefCnt<vfs::InMemoryFileSystem>();
  if (Does == Generate)
    Options.emplace("", "", "", "", PGOOptions::IRInstr);
  else if (Does == Finish && noted(M) != PGOOptions::NoAction)
    Options.emplace(Path, "", "", "", noted(M));
  else if (Does != Finish)
    Options = use(M, Plan, *Files, warn);
  // Without a profile, there are no halves: the pieces get all of it.
  if (Does == Annotate && !Options)
    return;
  if (Does == Finish && !Options)
    Does = Use;
  bool IsCounted = Options && Options->Action == PGOOptions::IRUse && Does != Finish;

  PipelineTuningOptions Tuning;
  Tuning.LoopVectorization = Plan.Vectorise;
  Tuning.LoopInterleaving = Plan.Vectorise;
  Tuning.SLPVectorization = Plan.Slp;
  OptimizationLevel Level = level(Plan.Level);
  PassInstrumentationCallbacks Callbacks;
  OwnNames Names;
  Halves Halves(Level, Does);
  Halves.registerCallbacks(Callbacks);
  size_t Known = 0, Defined = 0;
  Callbacks.registerBeforeNonSkippedPassCallback([&](StringRef Pass, Any) { Names.begin(Pass, M); });
  Callbacks.registerAfterPassCallback([&](StringRef Pass, Any, const PreservedAnalyses &) {
    Names.end(Pass);
    if (Pass == "InstrProfilingLoweringPass")
      countValues(M);
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

  ModulePassManager Passes = Level == OptimizationLevel::O0 ? Builder.buildO0DefaultPipeline(Level)
                                                            : Builder.buildPerModuleDefaultPipeline(Level);
  Passes.run(M, Modules);
  if (Does == Generate)
    addTable(M);
  if (Does == Annotate) {
    note(M, Options->Action);
    for (Function &F : M)
      F.setMetadata(OwnName, nullptr);
  }
  if (IsCounted && Known == 0 && Defined > 0)
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
      F.setMetadata(OwnName, MDNode::get(Context, MDString::get(Context, getIRPGOFuncName(F))));
}

// Whether a module is a piece of one that was annotated.
bool mgenjit_profile_is_annotated(LLVMModuleRef M) { return noted(*llvm::unwrap(M)) != PGOOptions::NoAction; }

// Whether a diagnostic is about a profile.
bool mgenjit_profile_is_about(LLVMDiagnosticInfoRef Info) {
  int Kind = reinterpret_cast<DiagnosticInfo *>(Info)->getKind();
  return Kind == DK_PGOProfile || Kind == DK_SampleProfile;
}

} // extern "C"
