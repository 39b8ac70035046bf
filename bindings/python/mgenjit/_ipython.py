"""IPython's `%load_ext mgenjit`: cells of IR.

    %%llvm
    define i64 @square(i64 %x) {
      %y = mul i64 %x, %x
      ret i64 %y
    }

compiles the cell; its functions become variables, and functions of earlier cells can be called. The options of the line
are those of an Executor, such as `%%llvm opt=O3`: they count for the first cell, and `%llvm_reset` begins anew.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._executor import Executor


def load(shell: Any) -> None:
    """Registers `%%llvm` and `%llvm_reset`."""
    cells = _Cells(shell)
    shell.register_magic_function(cells.llvm, "cell", "llvm")
    shell.register_magic_function(cells.reset, "line", "llvm_reset")


class _Cells:
    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._executor: Executor | None = None

    def llvm(self, line: str, cell: str) -> None:
        """Compiles a cell of IR; its functions become variables."""
        from ._executor import Executor

        options = dict(option.partition("=")[::2] for option in line.split())
        if self._executor is None:
            self._executor = Executor(None, **options)
        elif options:
            raise ValueError("options count for the first cell: begin anew with %llvm_reset")
        module = self._executor.compile(cell + "\n", name="<cell>")
        functions = {function.name: function for function in module.functions if function.name.isidentifier()}
        self._shell.push(functions)
        origin = "from the cache" if module.hit else "compiled"
        print(f"{', '.join(function.signature for function in module.functions)}  ({origin})")

    def reset(self, _line: str = "") -> None:
        """Begins anew: later cells know nothing of the earlier ones."""
        self._executor = None
