// What metadata leads to, and the debug information that each piece gets.

#include "cutter.h"

namespace mgenjit {

static const MDNode *node(const Metadata *Data) { return dyn_cast_or_null<MDNode>(Data); }

// All nodes that can be reached from those that wait, each once.
static void reach(std::vector<const Metadata *> &Waiting, DenseSet<const Metadata *> &Seen,
           function_ref<void(const Metadata *)> Visit) {
  while (!Waiting.empty()) {
    const Metadata *Data = Waiting.back();
    Waiting.pop_back();
    if (!Data || !Seen.insert(Data).second)
      continue;
    Visit(Data);
    if (auto *List = dyn_cast<DIArgList>(Data))
      for (const ValueAsMetadata *Argument : List->getArgs())
        Waiting.push_back(Argument);
    if (auto *Node = node(Data))
      for (const MDOperand &Operand : Node->operands())
        Waiting.push_back(Operand.get());
  }
}

// Takes the lists off the compile units. They lead to everything that has debug information.
void Cutter::detachUnits() {
  for (DICompileUnit *Node : M.debug_compile_units()) {
    Unit U{Node, {}, {}, {}, {}, {}};
    auto Get = [Node](unsigned Operand) { return dyn_cast_or_null<MDNode>(Node->getOperand(Operand).get()); };
    U.Enums.reset(Get(4));
    U.Retained.reset(Get(5));
    U.Globals.reset(Get(6));
    U.Imported.reset(Get(7));
    U.Macros.reset(Get(8));
    for (unsigned Operand = 4; Operand <= 8; ++Operand)
      Node->replaceOperandWith(Operand, nullptr);
    if (U.Globals)
      for (const MDOperand &Variable : U.Globals->operands())
        UnitOf[Variable.get()] = Units.size();
    Units.push_back(std::move(U));
  }
  for (const GlobalVariable &G : M.globals()) {
    SmallVector<MDNode *, 1> Nodes;
    G.getMetadata(LLVMContext::MD_dbg, Nodes);
    Attached.insert(Nodes.begin(), Nodes.end());
  }
}

// Finds the nodes that lead to a global. There rarely are any.
void Cutter::findTainted() {
  bool IsAny = any_of(Values, [](const GlobalValue *G) { return G->isUsedByMetadata(); });
  if (!IsAny)
    return;
  std::vector<const Metadata *> Waiting, All;
  for (const GlobalValue *G : Values) {
    if (auto *F = dyn_cast<Function>(G))
      forEachMetadata(*F, [&](const Metadata *Data) { Waiting.push_back(Data); });
    else if (auto *V = dyn_cast<GlobalVariable>(G)) {
      SmallVector<std::pair<unsigned, MDNode *>, 4> Attached;
      V->getAllMetadata(Attached);
      for (auto &[Kind, Node] : Attached)
        Waiting.push_back(Node);
    }
  }
  for (const NamedMDNode &Named : M.named_metadata())
    for (const MDNode *Node : Named.operands())
      Waiting.push_back(Node);
  for (const Unit &U : Units)
    for (const TrackingMDNodeRef *List : {&U.Globals, &U.Enums, &U.Retained, &U.Imported, &U.Macros})
      Waiting.push_back(List->get());
  DenseSet<const Metadata *> Seen;
  reach(Waiting, Seen, [&](const Metadata *Data) {
    All.push_back(Data);
    if (auto *Wrapped = dyn_cast<ConstantAsMetadata>(Data))
      if (!isa<ConstantData>(Wrapped->getValue()))
        Tainted.insert(Data);
  });
  for (bool HasChanged = true; HasChanged;) {
    HasChanged = false;
    for (const Metadata *Data : reverse(All)) {
      bool Leads = false;
      if (auto *List = dyn_cast<DIArgList>(Data))
        Leads = any_of(List->getArgs(), [this](const ValueAsMetadata *Argument) { return Tainted.contains(Argument); });
      else if (auto *Node = node(Data))
        Leads = any_of(Node->operands(), [this](const MDOperand &Operand) { return Tainted.contains(Operand.get()); });
      if (Leads && Tainted.insert(Data).second)
        HasChanged = true;
    }
  }
}

// Notes what metadata refers to.
void Cutter::walkMetadata(const Metadata *Root) {
  if (!Tainted.contains(Root))
    return;
  std::vector<const Metadata *> Waiting{Root};
  DenseSet<const Metadata *> Seen;
  while (!Waiting.empty()) {
    const Metadata *Data = Waiting.back();
    Waiting.pop_back();
    if (!Data || !Tainted.contains(Data) || !Seen.insert(Data).second)
      continue;
    if (auto *Wrapped = dyn_cast<ConstantAsMetadata>(Data))
      walk(Wrapped->getValue());
    else if (auto *List = dyn_cast<DIArgList>(Data))
      for (const ValueAsMetadata *Argument : reverse(List->getArgs()))
        Waiting.push_back(Argument);
    else if (auto *Node = node(Data))
      for (const MDOperand &Operand : reverse(Node->operands()))
        Waiting.push_back(Operand.get());
  }
}

void Cutter::checkMetadata() {
  for (const NamedMDNode &Named : M.named_metadata())
    if (Named.getName() != "llvm.dbg.cu" && Named.getName() != "llvm.module.flags" &&
        any_of(Named.operands(), [this](const MDNode *Node) { return Tainted.contains(Node); }))
      Refusal = "named metadata refers to a symbol";
}

// Lists the compile units that the piece leads to, each with the variables that the piece defines. The first piece that
// leads to one has the rest of its lists.
void Cutter::writeUnits(Module &Piece, ArrayRef<Item> Items, bool IsLast) {
  if (Units.empty())
    return;
  std::vector<const Metadata *> Waiting;
  std::vector<SmallVector<Metadata *, 8>> Variables(Units.size());
  DenseSet<const Metadata *> Taken;
  for (const Item &I : Items) {
    if (I.Role == RoleDeclare || I.Global >= Values.size())
      continue;
    if (auto *F = dyn_cast<Function>(Values[I.Global]))
      forEachMetadata(*F, [&](const Metadata *Data) { Waiting.push_back(Data); });
    else if (auto *V = dyn_cast<GlobalVariable>(Values[I.Global])) {
      SmallVector<MDNode *, 1> Nodes;
      V->getMetadata(LLVMContext::MD_dbg, Nodes);
      for (MDNode *Node : Nodes)
        if (auto Found = UnitOf.find(Node); Found != UnitOf.end() && Taken.insert(Node).second) {
          Variables[Found->second].push_back(Node);
          Waiting.push_back(Node);
          Waiting.push_back(Units[Found->second].Node);
        }
    }
  }
  if (IsLast)
    for (const Unit &U : Units)
      if (!U.IsWritten)
        Waiting.push_back(U.Node);
  DenseSet<const Metadata *> Seen;
  std::vector<bool> IsReached(Units.size());
  DenseMap<const Metadata *, uint32_t> Numbers;
  for (uint32_t Number = 0; Number < Units.size(); ++Number)
    Numbers[Units[Number].Node] = Number;
  auto Keep = [this](const TrackingMDNodeRef &List) -> MDNode * {
    if (!List || !Tainted.contains(List.get()))
      return List.get();
    SmallVector<Metadata *, 8> Kept;
    for (const MDOperand &Member : List->operands())
      if (!Tainted.contains(Member.get()))
        Kept.push_back(Member.get());
    return MDTuple::get(Context, Kept);
  };
  reach(Waiting, Seen, [&](const Metadata *Data) {
    auto Found = Numbers.find(Data);
    if (Found == Numbers.end())
      return;
    Unit &U = Units[Found->second];
    IsReached[Found->second] = true;
    if (!U.IsWritten) {
      U.IsWritten = true;
      unsigned Operand = 4;
      for (const TrackingMDNodeRef *List : {&U.Enums, &U.Retained, &U.Globals, &U.Imported, &U.Macros}) {
        if (List != &U.Globals)
          U.Node->replaceOperandWith(Operand, Keep(*List));
        else if (U.Globals)
          // Those that no variable is left of, such as constants.
          for (const MDOperand &Variable : U.Globals->operands())
            if (!Attached.contains(Variable.get()) && !Tainted.contains(Variable.get()))
              Variables[Found->second].push_back(Variable.get());
        ++Operand;
      }
      for (Metadata *Variable : Variables[Found->second])
        Waiting.push_back(Variable);
    }
  });
  NamedMDNode *List = nullptr;
  for (uint32_t Number = 0; Number < Units.size(); ++Number) {
    if (!IsReached[Number])
      continue;
    if (!List)
      List = Piece.getOrInsertNamedMetadata("llvm.dbg.cu");
    List->addOperand(Units[Number].Node);
    if (!Variables[Number].empty())
      Units[Number].Node->replaceOperandWith(6, MDTuple::get(Context, Variables[Number]));
  }
}

} // namespace mgenjit
