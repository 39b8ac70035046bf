// What a module is made of.

#include "cutter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Support/xxhash.h"

namespace mgenjit {

static bool isDeduplicated(const GlobalValue *G) {
  const Comdat *Group = G->getComdat();
  return Group && Group->getSelectionKind() != Comdat::NoDeduplicate;
}

// Whether every use of it has to be in its own piece: as a symbol of the object it would not do.
static bool isPinned(const GlobalValue *G) {
  if (isa<GlobalIFunc>(G))
    return G->hasLocalLinkage() || !G->hasDefaultVisibility();
  return G->hasLocalLinkage() && isDeduplicated(G);
}

static void forEachToken(StringRef Text, function_ref<void(StringRef)> Visit) {
  auto Is = [](char C) { return isAlnum(C) || C == '_' || C == '.' || C == '$'; };
  for (size_t At = 0; At < Text.size();) {
    size_t End = At;
    while (End < Text.size() && Is(Text[End]))
      ++End;
    if (End > At)
      Visit(Text.slice(At, End));
    At = End + 1;
  }
}

void Cutter::collect() {
  auto Add = [this](GlobalValue &G) {
    Indices[&G] = Values.size();
    Values.push_back(&G);
  };
  for (Function &F : M)
    Add(F);
  for (GlobalVariable &G : M.globals()) {
    if (G.hasAppendingLinkage()) {
      StringRef Name = G.getName();
      bool IsKnown = Name == "llvm.used" || Name == "llvm.compiler.used" || Name == "llvm.global_ctors" ||
                     Name == "llvm.global_dtors" || Name == "llvm.global.annotations";
      if (!IsKnown)
        Refusal = "a variable of the module is one that linkers append to";
      continue;
    }
    Add(G);
  }
  for (GlobalAlias &A : M.aliases())
    Add(A);
  for (GlobalIFunc &I : M.ifuncs())
    Add(I);
  Globals.resize(Values.size());
  SeenBy.assign(Values.size(), ~0u);
  PlaceOf.assign(Values.size(), 0);

  for (int Compiler = 0; Compiler < 2; ++Compiler) {
    auto *List = M.getNamedGlobal(Compiler ? "llvm.compiler.used" : "llvm.used");
    if (!List || !List->hasInitializer())
      continue;
    for (Value *Member : cast<Constant>(List->getInitializer())->operand_values()) {
      UsedMembers[Compiler].emplace_back(cast<Constant>(Member));
      if (auto *G = dyn_cast<GlobalValue>(Member->stripPointerCasts()))
        Globals[Indices[G]].Flags |= Used;
    }
  }
}

void Cutter::together(uint32_t A, const GlobalValue *B) {
  auto Found = Indices.find(B);
  if (Found != Indices.end() && Found->second != A)
    Together.push_back({A, Found->second});
}

void Cutter::refer(const GlobalValue *G, bool IsCalled) {
  auto Found = Indices.find(G);
  if (Found == Indices.end())
    return;
  uint32_t Target = Found->second;
  if (isPinned(G) && Target != Current) {
    Together.push_back({Current, Target});
    IsMovable = false;
  }
  if (SeenBy[Target] != Current) {
    SeenBy[Target] = Current;
    PlaceOf[Target] = References.size();
    References.push_back({Target, IsCalled});
  } else if (uint32_t &Called = References[PlaceOf[Target]].Called; IsCalled || Called) {
    Called = 2;
  }
}

// The globals that an expression names.
static void findGlobals(const Value *V, SmallVectorImpl<const GlobalValue *> &Found) {
  if (auto *G = dyn_cast<GlobalValue>(V))
    Found.push_back(G);
  else if (auto *Expression = dyn_cast<ConstantExpr>(V))
    for (const Value *Operand : Expression->operand_values())
      findGlobals(Operand, Found);
}

// Notes what an operand refers to.
void Cutter::walk(const Value *V, bool IsCalled) {
  if (auto *G = dyn_cast<GlobalValue>(V))
    return refer(G, IsCalled);
  if (auto *Text = dyn_cast<InlineAsm>(V)) {
    HasInlineAssembly = true;
    forEachToken(Text->getAsmString(), [this](StringRef Token) { AssemblyTokens.insert(Token); });
    return;
  }
  if (auto *Wrapped = dyn_cast<MetadataAsValue>(V))
    return walkMetadata(Wrapped->getMetadata());
  auto *C = dyn_cast<Constant>(V);
  if (!C || isa<ConstantData>(C) || !SeenConstants.insert(C).second)
    return;
  if (auto *Address = dyn_cast<BlockAddress>(C)) {
    together(Current, Address->getFunction());
    IsMovable = false;
  }
  if (auto *Expression = dyn_cast<ConstantExpr>(C); Expression && Expression->getOpcode() == Instruction::Sub) {
    // An assembler knows the distance of two symbols in the object that defines both. The distance from the place
    // where it is written is another matter.
    SmallVector<const GlobalValue *, 2> From, To;
    findGlobals(Expression->getOperand(1), From);
    findGlobals(Expression->getOperand(0), To);
    if (any_of(From, [this](const GlobalValue *G) { return Current >= Values.size() || G != Values[Current]; })) {
      for (const GlobalValue *G : concat<const GlobalValue *>(From, To))
        together(Current, G);
      IsMovable = false;
    }
  }
  for (const Value *Operand : C->operand_values())
    if (!isa<BasicBlock>(Operand))
      walk(Operand);
}

void Cutter::describe(uint32_t Index) {
  GlobalValue &G = *Values[Index];
  Global &Fact = Globals[Index];
  Current = Index;
  SeenConstants.clear();
  IsMovable = true;
  StringRef Name = G.getName();
  Fact.Name = Name.data();
  Fact.NameLength = Name.size();
  Fact.FirstReference = References.size();
  bool IsBorrowed = G.hasAvailableExternallyLinkage();
  if (IsBorrowed)
    Fact.Flags |= Borrowed;
  else if (!G.isDeclaration())
    Fact.Flags |= Defined;
  if (G.hasLocalLinkage())
    Fact.Flags |= Local;
  // The verifier wants what is listed as used to have a name.
  if (G.hasPrivateLinkage() && !G.getComdat() && !(Fact.Flags & Used) && !Name.starts_with("llvm.") &&
      !Name.starts_with("\1"))
    Fact.Flags |= Nameless;
  if (G.isStrongDefinitionForLinker() && G.hasExternalLinkage() && G.isDSOLocal() && !isDeduplicated(&G) &&
      !isa<GlobalIFunc>(G) && !IsBorrowed)
    Fact.Flags |= Direct;
  if (G.hasLinkOnceLinkage())
    Fact.Flags |= Droppable;

  if (auto *Object = dyn_cast<GlobalObject>(&G)) {
    if (Object->hasMetadata() && !Tainted.empty()) {
      SmallVector<std::pair<unsigned, MDNode *>, 4> All;
      Object->getAllMetadata(All);
      for (auto &[Kind, Node] : All)
        walkMetadata(Node);
    }
    if (const MDNode *Node = Object->getMetadata(LLVMContext::MD_associated)) {
      IsMovable = false;
      if (Node->getNumOperands() > 0)
        if (auto *Other = dyn_cast_or_null<ValueAsMetadata>(Node->getOperand(0)))
          if (auto *Target = dyn_cast<GlobalValue>(Other->getValue()->stripPointerCasts()))
            together(Index, Target);
    }
  }
  if (auto *F = dyn_cast<Function>(&G)) {
    Fact.Kind = KindFunction;
    if (!F->isDeclaration())
      describeFunction(*F, Fact);
  } else if (auto *V = dyn_cast<GlobalVariable>(&G)) {
    Fact.Kind = KindVariable;
    describeVariable(*V, Fact);
  } else {
    Fact.Kind = isa<GlobalAlias>(G) ? KindAlias : KindIfunc;
    const Constant *Target = isa<GlobalAlias>(G) ? cast<GlobalAlias>(G).getAliasee() : cast<GlobalIFunc>(G).getResolver();
    walk(Target);
    for (uint32_t At = Fact.FirstReference; At < References.size(); ++At)
      Together.push_back({Index, References[At].Target});
  }
  if (!IsMovable)
    Fact.Flags &= ~(Importable | Copyable);
  Fact.References = References.size() - Fact.FirstReference;
}

// What the inliner would count for an instruction, with 5 for a call and 1 for each argument. Front ends leave in what
// is gone by then: variables are in memory.
static uint32_t weigh(const Instruction &I) {
  auto IsVariable = [](const Value *Pointer) { return isa<AllocaInst>(Pointer); };
  if (auto *Call = dyn_cast<CallBase>(&I)) {
    if (auto *Known = dyn_cast<IntrinsicInst>(&I))
      return !Known->isLifetimeStartOrEnd() && !Known->isAssumeLikeIntrinsic();
    return 6 + Call->arg_size();
  }
  if (auto *Load = dyn_cast<LoadInst>(&I))
    return !IsVariable(Load->getPointerOperand());
  if (auto *Store = dyn_cast<StoreInst>(&I))
    return !IsVariable(Store->getPointerOperand());
  if (auto *Place = dyn_cast<GetElementPtrInst>(&I))
    return !Place->hasAllConstantIndices();
  if (auto *Cast = dyn_cast<CastInst>(&I))
    return !Cast->isNoopCast(I.getDataLayout());
  return !isa<AllocaInst, PHINode, ReturnInst>(I) && !(isa<BranchInst>(I) && I.getNumSuccessors() == 1);
}

// Of what a profile calls hot, the inliner takes much more: other pieces get such functions, too. Nobody inlines what never ran.
static uint32_t weighByProfile(const Function &F, ProfileSummaryInfo &Profile, uint32_t Weight) {
  if (!Profile.hasProfileSummary() || !F.getEntryCount())
    return Weight;
  if (Profile.isFunctionEntryHot(&F))
    return Weight / 10;
  return F.getEntryCount()->getCount() == 0 ? Weight * 10 : Weight;
}

void Cutter::describeFunction(Function &F, Global &Fact) {
  bool CanMove = !F.isInterposable() && !F.hasFnAttribute(Attribute::NoInline) &&
                 !F.hasFnAttribute(Attribute::OptimizeNone) && !F.hasFnAttribute(Attribute::ReturnsTwice) &&
                 !F.hasFnAttribute(Attribute::Naked) && !F.hasPrefixData() && !F.hasPrologueData();
  bool HasMetadata = !Tainted.empty();
  for (BasicBlock &B : F) {
    if (B.hasAddressTaken())
      CanMove = false;
    for (Instruction &I : B) {
      ++Fact.Instructions;
      Fact.Weight += weigh(I);
      auto *Call = dyn_cast<CallBase>(&I);
      if (Call && (Call->hasFnAttr(Attribute::ReturnsTwice) || Call->getIntrinsicID() == Intrinsic::vastart))
        CanMove = false;
      for (const Use &Operand : I.operands()) {
        const Value *V = Operand.get();
        if (isa<Constant>(V) || isa<MetadataAsValue>(V) || isa<InlineAsm>(V))
          walk(V, Call && Call->isCallee(&Operand));
      }
    }
  }
  Fact.Weight = weighByProfile(F, Profile, Fact.Weight);
  for (const Value *Operand : F.operand_values())
    walk(Operand);
  if (HasMetadata)
    forEachMetadata(F, [this](const Metadata *Node) { walkMetadata(Node); });
  if (CanMove)
    Fact.Flags |= Importable;
  if (F.hasFnAttribute(Attribute::AlwaysInline))
    Fact.Flags |= AlwaysInline;
  if (F.hasFnAttribute(Attribute::OptimizeNone))
    Fact.Flags |= NeverInlines;
}

void Cutter::describeVariable(GlobalVariable &G, Global &Fact) {
  Fact.Bytes = M.getDataLayout().getTypeAllocSize(G.getValueType());
  if (!G.hasInitializer())
    return;
  const Constant *Value = G.getInitializer();
  walk(Value);
  if (!G.isConstant() || G.isThreadLocal() || G.isExternallyInitialized() || G.getComdat() ||
      (G.hasSection() && G.getSection() != "llvm.metadata"))
    return;
  if (auto *Data = dyn_cast<ConstantDataSequential>(Value))
    Fact.Content = xxh3_64bits(Data->getRawDataValues());
  if (G.hasLocalLinkage() && G.hasGlobalUnnamedAddr() && !(Fact.Flags & Used))
    Fact.Flags |= Copyable;
  else if (G.hasDefinitiveInitializer() && References.size() == Fact.FirstReference)
    Fact.Flags |= Importable;
}

// Variables in a section of their own choice keep their order, and COMDAT groups their members. Each entry of the lists
// of constructors and destructors is a global of its own.
void Cutter::describeEntries() {
  StringMap<uint32_t> Sections;
  DenseMap<const Comdat *, uint32_t> Groups;
  for (uint32_t Index = 0; Index < Values.size(); ++Index) {
    auto *Object = dyn_cast<GlobalObject>(Values[Index]);
    if (!Object || !(Globals[Index].Flags & Defined))
      continue;
    if (auto *G = dyn_cast<GlobalVariable>(Object); G && G->hasSection() && G->getSection() != "llvm.metadata")
      Together.push_back({Index, Sections.try_emplace(G->getSection(), Index).first->second});
    if (const Comdat *Group = Object->getComdat())
      Together.push_back({Index, Groups.try_emplace(Group, Index).first->second});
  }
  for (int Destructors = 0; Destructors < 2; ++Destructors) {
    auto *List = M.getNamedGlobal(Destructors ? "llvm.global_dtors" : "llvm.global_ctors");
    auto *Array = List && List->hasInitializer() ? dyn_cast<ConstantArray>(List->getInitializer()) : nullptr;
    if (!Array)
      continue;
    for (Value *Operand : Array->operand_values()) {
      auto *Entry = cast<Constant>(Operand);
      uint32_t Index = Globals.size();
      Global Fact = {};
      Fact.Name = "";
      Fact.Kind = Destructors ? KindDestructor : KindConstructor;
      Fact.Flags = Defined;
      Fact.FirstReference = References.size();
      if (auto *Struct = dyn_cast<ConstantStruct>(Entry)) {
        if (auto *Priority = dyn_cast<ConstantInt>(Struct->getOperand(0)))
          Fact.Priority = Priority->getLimitedValue(UINT32_MAX);
        // The entry lies in the group of what its third member names.
        if (Struct->getNumOperands() > 2)
          if (auto *Key = dyn_cast<GlobalValue>(Struct->getOperand(2)->stripPointerCasts()))
            if (!Key->isDeclaration())
              together(Index, Key);
      }
      Current = Index;
      SeenConstants.clear();
      walk(Entry);
      Fact.References = References.size() - Fact.FirstReference;
      Globals.push_back(Fact);
      Entries.emplace_back(Entry);
    }
  }
}

// A symbol that assembly names must be one of the object.
void Cutter::checkAssembly() {
  StringRef Text = M.getModuleInlineAsm();
  if (!Text.empty() && HasInlineAssembly) {
    Refusal = "the module has assembly both in and outside of functions";
    return;
  }
  forEachToken(Text, [this](StringRef Token) { AssemblyTokens.insert(Token); });
  for (uint32_t Index = 0; Index < Values.size(); ++Index) {
    uint32_t Flags = Globals[Index].Flags;
    StringRef Name = Values[Index]->getName();
    Name.consume_front("\1");
    bool MayBeLost = (Flags & Local) || (!(Flags & Defined) && !Text.empty());
    if (MayBeLost && !Name.empty() && AssemblyTokens.contains(Name))
      Refusal = "the module's assembly names what only the module itself can see";
    if (!(Flags & Nameless) && Name.starts_with("__unnamed_"))
      Refusal = "a symbol has a name such as LLVM gives what has none";
  }
}

} // namespace mgenjit
