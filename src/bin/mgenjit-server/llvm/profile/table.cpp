// Where the counters of a module are, for the loader.

#include "profile.h"
#include "llvm/IR/Constants.h"
#include "llvm/ProfileData/InstrProf.h"

namespace mgenjit {

// As in `executor/profile.rs`.
static const char *const TableName = "__mgenjit_profile";

// What lowering made for one function is that function's alone, in each object that has the function. In an image, weak
// names are everybody's, and counters of one module must not be another's. Linkers keep all of it, because the table, or the
// list of what is used, refers to it.
static void makePrivate(GlobalVariable &V) {
  V.setComdat(nullptr);
  V.setVisibility(GlobalValue::DefaultVisibility);
  V.setLinkage(GlobalValue::PrivateLinkage);
  V.setDSOLocal(true);
}

void addTable(Module &M) {
  LLVMContext &Context = M.getContext();
  auto *Word = Type::getInt64Ty(Context);
  auto *Pointer = PointerType::getUnqual(Context);
  SmallVector<Constant *> Functions;
  auto *Entry = StructType::get(Pointer, Pointer, Word);
  GlobalVariable *Names = nullptr;
  uint64_t Version = INSTR_PROF_RAW_VERSION | VARIANT_MASK_IR_PROF;
  for (GlobalVariable &V : M.globals()) {
    if (!V.hasInitializer())
      continue;
    StringRef Name = V.getName();
    if (Name == INSTR_PROF_QUOTE(INSTR_PROF_RAW_VERSION_VAR)) {
      // Each module has the same.
      V.setLinkage(GlobalValue::WeakAnyLinkage);
      if (auto *Value = dyn_cast<ConstantInt>(V.getInitializer()))
        Version = Value->getZExtValue();
    } else if (Name == getInstrProfNamesVarName()) {
      Names = &V;
    } else if (Name.starts_with(getInstrProfDataVarPrefix())) {
      makePrivate(V);
      auto [Room, Sites] = takeValues(V);
      Functions.push_back(ConstantStruct::get(Entry, &V, Room, ConstantInt::get(Word, Sites)));
    } else if (Name.starts_with(getInstrProfCountersVarPrefix())) {
      makePrivate(V);
    }
  }
  uint64_t NamesLength = Names ? M.getDataLayout().getTypeAllocSize(Names->getValueType()).getFixedValue() : 0;
  Constant *Fields[] = {
      ConstantInt::get(Word, Version),
      ConstantInt::get(Word, Functions.size()),
      Names ? cast<Constant>(Names) : ConstantPointerNull::get(Pointer),
      ConstantInt::get(Word, NamesLength),
      ConstantArray::get(ArrayType::get(Entry, Functions.size()), Functions),
  };
  Constant *Value = ConstantStruct::getAnon(Fields);
  // Weak, because several objects that have one may be linked into one program, which does not ask for it.
  new GlobalVariable(M, Value->getType(), true, GlobalValue::WeakAnyLinkage, Value, TableName);
}

} // namespace mgenjit
