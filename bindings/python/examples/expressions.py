"""A small compiler of Python expressions, with llvmlite.ir."""

# Prints: 3*x*x + 2*x + 1 at 2.0 is 17.0
# Prints: (x - 1) / (x + 1) at 3.0 is 0.5

from __future__ import annotations

import ast

from llvmlite import ir

import mgenjit

DOUBLE = ir.DoubleType()
OPERATIONS = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}


def compile_expression(ex: mgenjit.Executor, text: str) -> mgenjit.Function:
    """A function of `x`."""
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(DOUBLE, [DOUBLE]), "expression")
    builder = ir.IRBuilder(function.append_basic_block())

    def emit(node: ast.expr) -> ir.Value:
        if isinstance(node, ast.BinOp):
            operation = getattr(builder, OPERATIONS[type(node.op)])
            return operation(emit(node.left), emit(node.right))
        if isinstance(node, ast.Constant):
            return ir.Constant(DOUBLE, float(node.value))
        if isinstance(node, ast.Name) and node.id == "x":
            return function.args[0]
        raise SyntaxError(f"no such expression: {ast.unparse(node)}")

    builder.ret(emit(ast.parse(text, mode="eval").body))
    return ex.compile(module)["expression"]


with mgenjit.Executor() as ex:
    for text, x in (("3*x*x + 2*x + 1", 2.0), ("(x - 1) / (x + 1)", 3.0)):
        print(f"{text} at {x} is {compile_expression(ex, text)(x)}")
