// Values that code meets: where indirect calls lead, and how much memory functions copy.
//
// LLVM has them counted by functions of compiler-rt, which nobody linked, and which get memory for each new value. Instead, each
// place has room for a few values, and a function of the module's own counts in it: nothing is allocated, and no symbol is needed.
// As with the other counters, threads count without locks.

#include "profile.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Linker/Linker.h"
#include "llvm/ProfileData/InstrProf.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

namespace mgenjit {

// The fields of INSTR_PROF_DATA that say what values a function meets.
enum { FieldValues = 5, FieldSites = 7 };

// The room of a place is pairs of a value and its count, of which the first without a count is free. Once all are taken, another
// value makes the rarest one rarer, and takes its place when nothing is left of it. Sizes are counted as compiler-rt does:
// larger ones by their order of magnitude.
static const char *const Functions = R"(
define void @mgenjit.count_value(i64 %value, ptr %room) noinline nounwind uwtable {
entry:
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %next, %other ]
  %least = phi ptr [ %room, %entry ], [ %least.next, %other ]
  %fewest = phi i64 [ -1, %entry ], [ %fewest.next, %other ]
  %slot = getelementptr [2 x i64], ptr %room, i64 %i
  %place = getelementptr i64, ptr %slot, i64 1
  %known = load i64, ptr %slot, align 8
  %count = load i64, ptr %place, align 8
  %free = icmp eq i64 %count, 0
  br i1 %free, label %take, label %compare
compare:
  %same = icmp eq i64 %known, %value
  br i1 %same, label %add, label %other
other:
  %fewer = icmp ult i64 %count, %fewest
  %least.next = select i1 %fewer, ptr %slot, ptr %least
  %fewest.next = select i1 %fewer, i64 %count, i64 %fewest
  %next = add i64 %i, 1
  %all = icmp eq i64 %next, 8
  br i1 %all, label %full, label %look
add:
  %more = add i64 %count, 1
  store i64 %more, ptr %place, align 8
  ret void
full:
  %left = sub i64 %fewest.next, 1
  %gone = icmp eq i64 %left, 0
  br i1 %gone, label %take, label %keep
keep:
  %least.place = getelementptr i64, ptr %least.next, i64 1
  store i64 %left, ptr %least.place, align 8
  ret void
take:
  %taken = phi ptr [ %slot, %look ], [ %least.next, %full ]
  %taken.place = getelementptr i64, ptr %taken, i64 1
  store i64 %value, ptr %taken, align 8
  store i64 1, ptr %taken.place, align 8
  ret void
}

define void @mgenjit.count_size(i64 %size, ptr %room) noinline nounwind uwtable {
entry:
  %small = icmp ult i64 %size, 9
  br i1 %small, label %count, label %large
large:
  %huge = icmp ugt i64 %size, 512
  %bits = call i64 @llvm.ctpop.i64(i64 %size)
  %even = icmp eq i64 %bits, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %size, i1 true)
  %log = sub i64 63, %zeros
  %power = shl i64 1, %log
  %above = add i64 %power, 1
  %range = select i1 %even, i64 %size, i64 %above
  %rest = select i1 %huge, i64 513, i64 %range
  br label %count
count:
  %value = phi i64 [ %size, %entry ], [ %rest, %large ]
  call void @mgenjit.count_value(i64 %value, ptr %room)
  ret void
}

declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.ctlz.i64(i64, i1)
)";

// In words: 8 values.
static const uint64_t Room = 16;

static bool addFunctions(Module &M) {
  SMDiagnostic Wrong;
  LLVMContext &Context = M.getContext();
  // Text cannot be read where the names of values are discarded.
  bool Discards = Context.shouldDiscardValueNames();
  Context.setDiscardValueNames(false);
  auto Added = parseAssemblyString(Functions, Wrong, Context);
  Context.setDiscardValueNames(Discards);
  if (!Added)
    return false;
  Added->setDataLayout(M.getDataLayout());
  Added->setTargetTriple(M.getTargetTriple());
  if (Linker::linkModules(M, std::move(Added)))
    return false;
  for (const char *Name : {"mgenjit.count_value", "mgenjit.count_size"})
    M.getFunction(Name)->setLinkage(GlobalValue::InternalLinkage);
  return true;
}

// Has calls that count values do so by a function of ours.
static void redirect(Module &M, StringRef Theirs, StringRef Ours, const DenseMap<Value *, GlobalVariable *> &Rooms) {
  Function *F = M.getFunction(Theirs);
  if (!F || !F->isDeclaration())
    return;
  Function *Counting = M.getFunction(Ours);
  for (User *One : make_early_inc_range(F->users())) {
    auto *Call = dyn_cast<CallInst>(One);
    auto *Place = Call ? dyn_cast<ConstantInt>(Call->getArgOperand(2)) : nullptr;
    GlobalVariable *Values = Place ? Rooms.lookup(Call->getArgOperand(1)) : nullptr;
    if (!Values)
      continue;
    auto *Word = Type::getInt64Ty(M.getContext());
    Constant *Offset = ConstantInt::get(Word, Place->getZExtValue() * Room);
    Constant *Start = ConstantExpr::getGetElementPtr(Word, Values, Offset);
    auto *New = CallInst::Create(Counting, {Call->getArgOperand(0), Start}, "", Call->getIterator());
    New->setDebugLoc(Call->getDebugLoc());
    Call->eraseFromParent();
  }
  if (F->use_empty())
    F->eraseFromParent();
}

void countValues(Module &M) {
  DenseMap<Value *, GlobalVariable *> Rooms;
  for (GlobalVariable &Data : M.globals()) {
    auto *Fields = Data.getName().starts_with(getInstrProfDataVarPrefix()) && Data.hasInitializer()
                       ? dyn_cast<ConstantStruct>(Data.getInitializer())
                       : nullptr;
    auto *Values = Fields ? dyn_cast<GlobalVariable>(Fields->getOperand(FieldValues)) : nullptr;
    auto *Sites = Values ? dyn_cast<ArrayType>(Values->getValueType()) : nullptr;
    if (!Sites)
      continue;
    auto *Type = ArrayType::get(Sites->getElementType(), Sites->getNumElements() * Room);
    auto *New = new GlobalVariable(M, Type, false, GlobalValue::PrivateLinkage, Constant::getNullValue(Type),
                                   "mgenjit.values");
    New->setAlignment(Align(8));
    Values->replaceAllUsesWith(New);
    Rooms[&Data] = New;
  }
  if (Rooms.empty() || !addFunctions(M))
    return;
  redirect(M, "__llvm_profile_instrument_target", "mgenjit.count_value", Rooms);
  redirect(M, "__llvm_profile_instrument_memop", "mgenjit.count_size", Rooms);
  // What compiler-rt would take memory from.
  removeFromUsedLists(M, [](Constant *One) { return One->getName() == getInstrProfVNodesVarName(); });
  for (GlobalVariable &V : make_early_inc_range(M.globals()))
    if (V.use_empty() &&
        (V.getName() == getInstrProfVNodesVarName() || V.getName().starts_with(getInstrProfValuesVarPrefix())))
      V.eraseFromParent();
}

CountedValues takeValues(GlobalVariable &Data) {
  LLVMContext &Context = Data.getContext();
  CountedValues Found{ConstantPointerNull::get(PointerType::getUnqual(Context)), 0};
  auto *Fields = dyn_cast<ConstantStruct>(Data.getInitializer());
  if (!Fields || !isa<GlobalVariable>(Fields->getOperand(FieldValues)))
    return Found;
  Found.Room = Fields->getOperand(FieldValues);
  Constant *Sites = Fields->getOperand(FieldSites);
  for (unsigned Kind = IPVK_First; Kind <= IPVK_Last; ++Kind)
    if (auto *Count = dyn_cast_or_null<ConstantInt>(Sites->getAggregateElement(Kind)))
      Found.Sites |= Count->getZExtValue() << 16 * Kind;
  SmallVector<Constant *> Left;
  for (Value *Field : Fields->operand_values())
    Left.push_back(cast<Constant>(Field));
  for (unsigned Field : {FieldValues, FieldSites})
    Left[Field] = Constant::getNullValue(Left[Field]->getType());
  Data.setInitializer(ConstantStruct::get(Fields->getType(), Left));
  return Found;
}

} // namespace mgenjit
