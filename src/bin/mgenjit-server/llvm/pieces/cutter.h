// The half of the cutter that needs LLVM's C++ interface: it says what a module is made of, and writes pieces of it.
//
// Nothing is copied. While a module is being cut, it is taken apart: its globals are in no module, and bodies of
// functions and initial values of variables are kept aside. A piece is written by putting the globals that it needs
// into an empty module, each with what it is to have there, and taking them out again. So a piece costs what it
// contains, however large the module is, and no operand has to be mapped to that of a copy. LLVM's C interface can
// neither take a global out of a module without deleting it, nor put one in, nor take `dso_local` off.
//
// What is written depends on the order of the module's globals and on what they contain, never on the order of uses
// or on addresses.
//
// Which piece gets what is decided in Rust (`plan.rs`). The structures below are those of `facts.rs`.
//
// `facts.cpp` says what there is, `metadata.cpp` what metadata leads to, and `arrange.cpp` writes pieces.

#ifndef MGENJIT_CUTTER_H
#define MGENJIT_CUTTER_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/ProfileSummaryInfo.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/TrackingMDRef.h"
#include "llvm/IR/ValueHandle.h"
#include <deque>
#include <vector>

namespace mgenjit {

using namespace llvm;

enum Kind : uint32_t { KindFunction, KindVariable, KindAlias, KindIfunc, KindConstructor, KindDestructor };

enum Flag : uint32_t {
  Defined = 1 << 0,         // The module emits it. `available_externally` does not count.
  Local = 1 << 1,           // Internal or private.
  Nameless = 1 << 2,        // Private, and its name is in no way a symbol's.
  Copyable = 1 << 3,        // A constant whose address nobody compares.
  Importable = 1 << 4,      // Others may see its body or its value: nothing replaces it.
  AlwaysInline = 1 << 5,    // A call must be inlined.
  NeverInlines = 1 << 6,    // Nothing is inlined into it by choice.
  Direct = 1 << 7,          // Others of the module may refer to it without the GOT.
  Droppable = 1 << 8,       // `linkonce`: it goes if its module does not use it.
  Used = 1 << 9,            // In `llvm.used` or `llvm.compiler.used`.
  Borrowed = 1 << 10,       // `available_externally`.
};

enum Role : uint32_t { RoleDefine, RoleImport, RoleCopy, RoleDeclare };

enum ItemFlag : uint32_t {
  Promote = 1 << 0, // A local that other pieces use: external and hidden.
  Weaken = 1 << 1,  // `linkonce` that other pieces use: `weak`.
  Elsewhere = 1 << 2, // Another piece defines it.
  Hidden = 1 << 3,  // What is declared has a name that the cutter made.
  Listed = 1 << 4,  // This piece has it in the lists of what is used.
};

struct Global {
  const char *Name;
  size_t NameLength;
  uint64_t Content; // A digest of a constant's value; 0 if it has none.
  uint64_t Bytes;   // A variable's size.
  uint32_t Kind;
  uint32_t Flags;
  uint32_t Instructions;
  uint32_t Weight; // What inlining a function would add, in instructions.
  uint32_t Priority; // Of a constructor or destructor.
  uint32_t FirstReference;
  uint32_t References;
};

struct Reference {
  uint32_t Target;
  uint32_t Called; // 1: it is called, once, and not used otherwise. 2: it is called, among other uses.
};

struct Pair {
  uint32_t A, B;
};

struct Facts {
  const Global *Globals;
  size_t GlobalCount;
  const Reference *References;
  size_t ReferenceCount;
  const Pair *Together;
  size_t TogetherCount;
  const char *Refusal; // Why the module cannot be cut; null if it can be.
};

struct Item {
  uint32_t Global;
  uint32_t Role;
  uint32_t Flags;
  uint32_t HasName; // Else it keeps the module's.
  const char *Name;
  size_t NameLength;
  const char *Direct; // The name by which others refer to it directly; null if nobody does.
  size_t DirectLength;
};

using Sink = void (*)(void *, const char *, size_t);

// What a global has in the module, and what it has not while it is put aside.
struct Original {
  std::string Name;
  GlobalValue::LinkageTypes Linkage;
  GlobalValue::VisibilityTypes Visibility;
  bool IsDSOLocal;
  Comdat *Group = nullptr;
  // A variable's value; a function's personality, prefix and prologue.
  TrackingVH<Constant> Constants[3];
  SmallVector<std::pair<unsigned, TrackingMDNodeRef>, 1> Attachments;
  // Where a function's blocks are.
  Function *Aside = nullptr;
  // What stands for an alias or ifunc where it is only declared.
  GlobalValue *StandIn = nullptr;
};

// The lists of a compile unit, of which each piece gets its own part.
struct Unit {
  DICompileUnit *Node;
  TrackingMDNodeRef Globals, Enums, Retained, Imported, Macros;
  bool IsWritten = false;
};

class Cutter {
public:
  explicit Cutter(Module &M) : M(M), Context(M.getContext()), Profile(M) {
    collect();
    detachUnits();
    findTainted();
    for (uint32_t Index = 0; Index < Values.size(); ++Index)
      describe(Index);
    describeEntries();
    checkAssembly();
    checkMetadata();
  }

  ~Cutter() { assemble(); }

  Facts facts() const {
    return {Globals.data(), Globals.size(), References.data(), References.size(),
            Together.data(), Together.size(), Refusal};
  }

  void write(ArrayRef<Item> Items, bool IsFirst, bool IsLast, Sink Take, void *Argument);

private:
  void collect();
  void describe(uint32_t Index);
  void describeFunction(Function &F, Global &Fact);
  void describeVariable(GlobalVariable &G, Global &Fact);
  void describeEntries();
  void walk(const Value *V, bool IsCalled = false);
  void refer(const GlobalValue *G, bool IsCalled);
  void together(uint32_t A, const GlobalValue *B);
  void checkAssembly();
  void checkMetadata();

  void detachUnits();
  void findTainted();
  void walkMetadata(const Metadata *Root);
  template <typename Visitor> void forEachMetadata(const Function &F, Visitor Visit);
  void writeUnits(Module &Piece, ArrayRef<Item> Items, bool IsLast);

  void takeApart();
  void assemble();
  void putAside(uint32_t Index);
  void restore(uint32_t Index);
  void put(Module &Piece, const Item &I);
  void takeOut(const Item &I);
  GlobalValue *standIn(uint32_t Index);
  void makeList(Module &Piece, StringRef Name, ArrayRef<Constant *> Members, Type *Element, StringRef Section);

  Module &M;
  LLVMContext &Context;
  ProfileSummaryInfo Profile;
  // Functions, variables, aliases, ifuncs, each in the module's order.
  std::vector<GlobalValue *> Values;
  DenseMap<const GlobalValue *, uint32_t> Indices;
  std::vector<Global> Globals;
  std::vector<Reference> References;
  std::vector<Pair> Together;
  const char *Refusal = nullptr;
  // Entries of the lists of constructors and destructors, from index Values.size() on.
  std::vector<TrackingVH<Constant>> Entries;
  // The members of `llvm.used` and `llvm.compiler.used`.
  std::vector<TrackingVH<Constant>> UsedMembers[2];

  // While a global is described: who refers to what.
  uint32_t Current = 0;
  std::vector<uint32_t> SeenBy, PlaceOf;
  SmallPtrSet<const Value *, 32> SeenConstants;
  bool IsMovable = true;
  StringSet<> AssemblyTokens;
  bool HasInlineAssembly = false;

  std::vector<Unit> Units;
  DenseMap<const Metadata *, uint32_t> UnitOf; // Of each variable's debug information.
  DenseSet<const Metadata *> Attached; // Those of them that variables have.
  DenseSet<const Metadata *> Tainted;  // Leads to a global.

  std::deque<Original> Originals; // Empty until the module is taken apart.
};

// The metadata that a function refers to: attachments and locations, its own and its instructions'.
template <typename Visitor> void Cutter::forEachMetadata(const Function &F, Visitor Visit) {
  SmallVector<std::pair<unsigned, MDNode *>, 4> All;
  F.getAllMetadata(All);
  for (auto &[Kind, Node] : All)
    Visit(Node);
  for (const BasicBlock &B : F)
    for (const Instruction &I : B) {
      if (I.hasMetadata()) {
        I.getAllMetadata(All);
        for (auto &[Kind, Node] : All)
          Visit(Node);
      }
      for (const DbgRecord &Record : I.getDbgRecordRange()) {
        Visit(Record.getDebugLoc().get());
        if (auto *Variable = dyn_cast<DbgVariableRecord>(&Record)) {
          Visit(Variable->getRawLocation());
          Visit(Variable->getRawVariable());
          Visit(Variable->getRawExpression());
          if (Variable->isDbgAssign()) {
            Visit(Variable->getRawAddress());
            Visit(Variable->getRawAssignID());
          }
        } else if (auto *Label = dyn_cast<DbgLabelRecord>(&Record)) {
          Visit(Label->getRawLabel());
        }
      }
      for (const Value *Operand : I.operand_values())
        if (auto *Wrapped = dyn_cast<MetadataAsValue>(Operand))
          Visit(Wrapped->getMetadata());
    }
}

} // namespace mgenjit

#endif
