// Puts what a piece needs into a module, writes that as bitcode, and takes it out again.

#include "cutter.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/CBindingWrapping.h"

namespace mgenjit {

void Cutter::takeApart() {
  // Their numbers, such as those of %struct.anon.7, change with what else there is.
  for (StructType *Type : M.getIdentifiedStructTypes())
    if (Type->hasName())
      Type->setName("");
  for (uint32_t Index = 0; Index < Values.size(); ++Index) {
    GlobalValue *G = Values[Index];
    Original &O = Originals.emplace_back();
    O.Name = G->getName();
    O.Linkage = G->getLinkage();
    O.Visibility = G->getVisibility();
    O.IsDSOLocal = G->isDSOLocal();
    if (auto *F = dyn_cast<Function>(G)) {
      F->removeFromParent();
      if (!F->empty())
        O.Aside = Function::Create(F->getFunctionType(), GlobalValue::InternalLinkage, F->getAddressSpace());
      if (F->hasPersonalityFn())
        O.Constants[0] = F->getPersonalityFn();
      if (F->hasPrefixData())
        O.Constants[1] = F->getPrefixData();
      if (F->hasPrologueData())
        O.Constants[2] = F->getPrologueData();
    } else if (auto *V = dyn_cast<GlobalVariable>(G)) {
      M.removeGlobalVariable(V);
      if (V->hasInitializer())
        O.Constants[0] = V->getInitializer();
    } else if (auto *A = dyn_cast<GlobalAlias>(G)) {
      M.removeAlias(A);
    } else {
      M.removeIFunc(cast<GlobalIFunc>(G));
    }
    if (auto *Object = dyn_cast<GlobalObject>(G); Object && !Object->isDeclaration()) {
      O.Group = Object->getComdat();
      SmallVector<std::pair<unsigned, MDNode *>, 4> All;
      Object->getAllMetadata(All);
      for (auto &[Kind, Node] : All)
        O.Attachments.emplace_back(Kind, Node);
    }
    putAside(Index);
  }
}

// Makes a declaration of a definition.
void Cutter::putAside(uint32_t Index) {
  Original &O = Originals[Index];
  auto *Object = dyn_cast<GlobalObject>(Values[Index]);
  if (!Object || isa<GlobalIFunc>(Object) || Object->isDeclaration())
    return;
  Object->setComdat(nullptr);
  Object->clearMetadata();
  // A declaration has it too: callers that check types go by it.
  for (auto &[Kind, Node] : O.Attachments)
    if (Kind == LLVMContext::MD_kcfi_type)
      Object->addMetadata(Kind, *Node);
  if (auto *F = dyn_cast<Function>(Object)) {
    O.Aside->splice(O.Aside->end(), F);
    F->setPersonalityFn(nullptr);
    F->setPrefixData(nullptr);
    F->setPrologueData(nullptr);
  } else {
    cast<GlobalVariable>(Object)->setInitializer(nullptr);
  }
}

// Makes the definition again.
void Cutter::restore(uint32_t Index) {
  Original &O = Originals[Index];
  auto *Object = dyn_cast<GlobalObject>(Values[Index]);
  if (auto *F = dyn_cast_or_null<Function>(Object)) {
    if (O.Aside)
      F->splice(F->end(), O.Aside);
    if (O.Constants[0])
      F->setPersonalityFn(O.Constants[0]);
    if (O.Constants[1])
      F->setPrefixData(O.Constants[1]);
    if (O.Constants[2])
      F->setPrologueData(O.Constants[2]);
  } else if (auto *V = dyn_cast_or_null<GlobalVariable>(Object)) {
    if (O.Constants[0])
      V->setInitializer(O.Constants[0]);
  } else {
    return;
  }
  if (Object->isDeclaration())
    return;
  Object->clearMetadata();
  for (auto &[Kind, Node] : O.Attachments)
    Object->addMetadata(Kind, *Node);
  Object->setComdat(O.Group);
}

// What can be declared in the place of an alias or ifunc, which cannot.
GlobalValue *Cutter::standIn(uint32_t Index) {
  Original &O = Originals[Index];
  if (O.StandIn)
    return O.StandIn;
  GlobalValue *G = Values[Index];
  auto External = GlobalValue::ExternalLinkage;
  if (auto *Type = dyn_cast<FunctionType>(G->getValueType())) {
    auto *Stand = Function::Create(Type, External, G->getAddressSpace());
    auto *Target = dyn_cast_or_null<Function>(G->getAliaseeObject());
    if (Target && isa<GlobalAlias>(G) && Target->getFunctionType() == Type) {
      Stand->setCallingConv(Target->getCallingConv());
      Stand->setAttributes(Target->getAttributes());
    }
    O.StandIn = Stand;
  } else {
    O.StandIn = new GlobalVariable(G->getValueType(), false, External, nullptr, "", G->getThreadLocalMode(),
                                   G->getAddressSpace());
  }
  return O.StandIn;
}

void Cutter::put(Module &Piece, const Item &I) {
  Original &O = Originals[I.Global];
  GlobalValue *G = Values[I.Global];
  auto Linkage = O.Linkage;
  auto Visibility = O.Visibility;
  bool IsDSOLocal = O.IsDSOLocal;
  if (I.Role == RoleDeclare) {
    if (isa<GlobalAlias, GlobalIFunc>(G)) {
      GlobalValue *Stand = standIn(I.Global);
      G->replaceAllUsesWith(Stand);
      G = Stand;
    }
    if (Linkage != GlobalValue::ExternalWeakLinkage)
      Linkage = GlobalValue::ExternalLinkage;
  } else {
    restore(I.Global);
    if (I.Role == RoleImport) {
      cast<GlobalObject>(G)->setComdat(nullptr);
      Linkage = GlobalValue::AvailableExternallyLinkage;
    } else if (I.Role == RoleCopy) {
      cast<GlobalObject>(G)->setMetadata(LLVMContext::MD_dbg, nullptr);
    } else if (I.Flags & Promote) {
      Linkage = GlobalValue::ExternalLinkage;
      Visibility = GlobalValue::HiddenVisibility;
    } else if (I.Flags & Weaken) {
      Linkage = GlobalValue::getWeakLinkage(O.Linkage == GlobalValue::LinkOnceODRLinkage);
    }
  }
  if (I.Flags & Elsewhere) {
    Visibility = I.Flags & Hidden ? GlobalValue::HiddenVisibility : GlobalValue::DefaultVisibility;
    IsDSOLocal = false;
  }
  StringRef Name = I.HasName ? StringRef(I.Name, I.NameLength) : StringRef(O.Name);
  if (G->getName() != Name)
    G->setName(Name);
  if (auto *F = dyn_cast<Function>(G))
    Piece.getFunctionList().push_back(F);
  else if (auto *V = dyn_cast<GlobalVariable>(G))
    Piece.insertGlobalVariable(V);
  else if (auto *A = dyn_cast<GlobalAlias>(G))
    Piece.insertAlias(A);
  else
    Piece.insertIFunc(cast<GlobalIFunc>(G));
  G->setVisibility(GlobalValue::DefaultVisibility);
  G->setLinkage(Linkage);
  if (!G->hasLocalLinkage())
    G->setVisibility(Visibility);
  // Some linkages and visibilities imply it.
  G->setDSOLocal(IsDSOLocal || G->isImplicitDSOLocal());
  if (I.Direct) {
    auto *Alias = GlobalAlias::create(G->getValueType(), G->getAddressSpace(), GlobalValue::ExternalLinkage,
                                      StringRef(I.Direct, I.DirectLength), G, &Piece);
    Alias->setVisibility(GlobalValue::HiddenVisibility);
    Alias->setThreadLocalMode(G->getThreadLocalMode());
  }
}

void Cutter::takeOut(const Item &I) {
  GlobalValue *G = Values[I.Global];
  GlobalValue *Stand = Originals[I.Global].StandIn;
  if (Stand && Stand->getParent()) {
    Stand->replaceAllUsesWith(G);
    G = Stand;
  }
  if (auto *F = dyn_cast<Function>(G))
    F->removeFromParent();
  else if (auto *V = dyn_cast<GlobalVariable>(G))
    V->getParent()->removeGlobalVariable(V);
  else if (auto *A = dyn_cast<GlobalAlias>(G))
    A->getParent()->removeAlias(A);
  else
    G->getParent()->removeIFunc(cast<GlobalIFunc>(G));
  if (I.Role != RoleDeclare)
    putAside(I.Global);
}

void Cutter::makeList(Module &Piece, StringRef Name, ArrayRef<Constant *> Members, Type *Element, StringRef Section) {
  if (Members.empty())
    return;
  auto *Array = ArrayType::get(Element, Members.size());
  auto *List = new GlobalVariable(Piece, Array, false, GlobalValue::AppendingLinkage,
                                  ConstantArray::get(Array, Members), Name);
  if (!Section.empty())
    List->setSection(Section);
}

void Cutter::write(ArrayRef<Item> Items, bool IsFirst, bool IsLast, Sink Take, void *Argument) {
  if (Originals.empty())
    takeApart();
  SmallVector<char, 0> Bytes;
  {
    Module Piece("", Context);
    Piece.setSourceFileName(M.getSourceFileName());
    Piece.setTargetTriple(M.getTargetTriple());
    Piece.setDataLayout(M.getDataLayout());
    if (IsFirst)
      Piece.setModuleInlineAsm(M.getModuleInlineAsm());
    DenseSet<const GlobalValue *> IsListed;
    SmallVector<Constant *, 8> Lists[2];
    for (const Item &I : Items) {
      if (I.Global >= Values.size()) {
        Constant *Entry = Entries[I.Global - Values.size()];
        Lists[Globals[I.Global].Kind == KindDestructor].push_back(Entry);
        continue;
      }
      put(Piece, I);
      if (I.Flags & Listed)
        IsListed.insert(Values[I.Global]);
    }
    for (int Destructors = 0; Destructors < 2; ++Destructors)
      if (!Lists[Destructors].empty())
        makeList(Piece, Destructors ? "llvm.global_dtors" : "llvm.global_ctors", Lists[Destructors],
                 Lists[Destructors][0]->getType(), "");
    for (int Compiler = 0; Compiler < 2; ++Compiler) {
      SmallVector<Constant *, 8> Members;
      for (const TrackingVH<Constant> &Member : UsedMembers[Compiler])
        if (auto *G = dyn_cast<GlobalValue>(Member->stripPointerCasts()); G && IsListed.contains(G))
          Members.push_back(Member);
      if (!Members.empty())
        makeList(Piece, Compiler ? "llvm.compiler.used" : "llvm.used", Members, Members[0]->getType(),
                 "llvm.metadata");
    }
    for (const NamedMDNode &Named : M.named_metadata()) {
      // These two change what code means. The others are for the object as a whole.
      bool IsEverywhere = Named.getName() == "llvm.module.flags" || Named.getName() == "llvm.errno.tbaa";
      if (Named.getName() == "llvm.dbg.cu" || !(IsEverywhere || IsFirst))
        continue;
      NamedMDNode *Copy = Piece.getOrInsertNamedMetadata(Named.getName());
      for (unsigned Number = 0; Number < Named.getNumOperands(); ++Number)
        if (MDNode *Node = Named.getOperand(Number); !Tainted.contains(Node))
          Copy->addOperand(Node);
    }
    writeUnits(Piece, Items, IsLast);
    {
      BitcodeWriter Writer(Bytes);
      Writer.writeModule(Piece);
      Writer.writeStrtab();
    }
    for (const Unit &U : Units)
      for (unsigned Operand = 4; Operand <= 8; ++Operand)
        U.Node->replaceOperandWith(Operand, nullptr);
    // The lists and the direct names are the piece's own.
    for (GlobalVariable &G : make_early_inc_range(Piece.globals()))
      if (G.hasAppendingLinkage())
        G.eraseFromParent();
    for (GlobalAlias &A : make_early_inc_range(Piece.aliases()))
      if (!Indices.contains(&A))
        A.eraseFromParent();
    for (const Item &I : Items)
      if (I.Global < Values.size())
        takeOut(I);
  }
  Take(Argument, Bytes.data(), Bytes.size());
}

// Puts all globals back, so that the module can be disposed of.
void Cutter::assemble() {
  for (uint32_t Index = 0; Index < Originals.size(); ++Index) {
    Original &O = Originals[Index];
    Item I = {Index, RoleDefine, 0, 0, nullptr, 0, nullptr, 0};
    put(M, I);
    delete O.Aside;
    if (auto *F = dyn_cast_or_null<Function>(O.StandIn))
      delete F;
    else
      delete cast_or_null<GlobalVariable>(O.StandIn);
  }
}

} // namespace mgenjit

using namespace mgenjit;

extern "C" {

Cutter *mgenjit_cutter_new(LLVMModuleRef M) { return new Cutter(*unwrap(M)); }

void mgenjit_cutter_free(Cutter *C) { delete C; }

void mgenjit_cutter_facts(const Cutter *C, Facts *Out) { *Out = C->facts(); }

void mgenjit_cutter_write(Cutter *C, const Item *Items, size_t Count, bool IsFirst, bool IsLast, Sink Take,
                          void *Argument) {
  C->write(ArrayRef<Item>(Items, Count), IsFirst, IsLast, Take, Argument);
}
}
