// Whether a module may be exchanged for one that was compiled of the same IR at another level, while its code runs.

#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/BasicBlock.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/CBindingWrapping.h>
#include <llvm/Transforms/Utils/GlobalStatus.h>

using namespace llvm;

namespace {

// Nothing takes the place of its definition, and no linker drops or merges it.
bool is_own(const GlobalObject &global)
{
    return (global.hasExternalLinkage() || global.hasLocalLinkage()) && !global.hasComdat() && !global.hasSection()
           && !global.hasPartition();
}

// Nobody can tell two copies of a constant from one.
bool may_be_copied(const GlobalVariable &variable)
{
    if (!variable.isConstant() || variable.isExternallyInitialized() || !is_own(variable)
        || variable.getName().starts_with("llvm."))
        return false;
    if (variable.hasGlobalUnnamedAddr())
        return true;
    GlobalStatus status;
    return !GlobalStatus::analyzeGlobal(&variable, status) && !status.IsCompared;
}

// Functions that note where a module lies, or keep what it gives them until it goes.
bool keeps_module(StringRef name)
{
    static const char *const names[] = {
        "atexit",           "at_quick_exit",         "pthread_atfork",
        "__cxa_atexit",     "__cxa_thread_atexit",   "__cxa_thread_atexit_impl",
        "__register_frame", "__deregister_frame",    "__register_atfork",
    };
    for (const char *one : names)
        if (name == one)
            return true;
    // What these write is laid out by the compiler of each level, or found by a table for each image.
    return name.starts_with("llvm.coro.") || name.starts_with("llvm.experimental.stackmap")
           || name.starts_with("llvm.experimental.patchpoint") || name.starts_with("llvm.experimental.gc.")
           || name.starts_with("llvm.localescape") || name.starts_with("llvm.threadlocal.");
}

// It is called by its name alone.
bool has_address(const Function &function)
{
    for (const Use &use : function.uses()) {
        const User *user = use.getUser();
        if (const auto *call = dyn_cast<CallBase>(user); call && call->isCallee(&use))
            continue;
        if (!function.hasGlobalUnnamedAddr())
            return true;
    }
    // Labels lie in the code of one level.
    return any_of(function, [](const BasicBlock &block) { return block.hasAddressTaken(); });
}

bool has_assembly(const Function &function)
{
    for (const Instruction &instruction : instructions(function))
        if (const auto *call = dyn_cast<CallBase>(&instruction))
            if (const auto *assembly = dyn_cast<InlineAsm>(call->getCalledOperand()))
                if (!assembly->getAsmString().empty())
                    return true;
    return false;
}

bool is_switchable(const Module &module)
{
    if (!module.getModuleInlineAsm().empty() || !module.alias_empty() || !module.ifunc_empty())
        return false;
    for (const GlobalVariable &variable : module.globals()) {
        if (variable.isThreadLocal() || variable.getName() == "__dso_handle")
            return false;
        if (!variable.isDeclarationForLinker() && !may_be_copied(variable))
            return false;
    }
    bool any = false;
    for (const Function &function : module) {
        if (function.isDeclarationForLinker()) {
            if (keeps_module(function.getName()))
                return false;
            // Its code may be inlined at one level alone.
            if (function.isDeclaration())
                continue;
        } else if (!is_own(function) || has_address(function)) {
            return false;
        }
        if (function.hasPrefixData() || function.hasPrologueData() || function.hasGC() || has_assembly(function))
            return false;
        any = any || function.hasExternalLinkage();
    }
    return any;
}

} // namespace

extern "C" bool mgenjit_is_switchable(LLVMModuleRef module)
{
    return is_switchable(*unwrap(module));
}
