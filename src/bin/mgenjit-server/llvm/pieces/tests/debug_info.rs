//! Each piece has the debug information of what it has, and what belongs to none is in one.

use super::*;

/// `f` uses an enumeration and `own`; `g` has a static and calls `f`. `count` and the constant `limit` are variables of the
/// same unit, and a template's argument is `own`.
const PROGRAM: &str = r#"
@shared = global i32 3, !dbg !0
@own = internal global i32 0, !dbg !19
@g.count = internal global i32 0, !dbg !11

define i32 @f(i32 %a) noinline !dbg !32 {
    #dbg_value(i32 %a, !34, !DIExpression(), !36)
  %old = load i32, ptr @own, !dbg !36
  %new = add i32 %old, %a, !dbg !36
  store i32 %new, ptr @own, !dbg !36
  ret i32 %new, !dbg !36
}

define i32 @g(i32 %b) noinline !dbg !13 {
    #dbg_value(ptr @shared, !18, !DIExpression(), !49)
  store i32 %b, ptr @g.count, !dbg !49
  %r = call i32 @f(i32 %b), !dbg !49
  ret i32 %r, !dbg !49
}

define i32 @other() noinline !dbg !50 {
  ret i32 1, !dbg !51
}

!llvm.dbg.cu = !{!2, !52}
!llvm.module.flags = !{!22}
!llvm.ident = !{!27}

!0 = !DIGlobalVariableExpression(var: !1, expr: !DIExpression())
!1 = distinct !DIGlobalVariable(name: "shared", scope: !2, file: !3, line: 2, type: !16, isLocal: false, isDefinition: true)
!2 = distinct !DICompileUnit(language: DW_LANG_C11, file: !3, producer: "one", emissionKind: FullDebug, enums: !4, globals: !10)
!3 = !DIFile(filename: "t.c", directory: "/t")
!4 = !{!5}
!5 = !DICompositeType(tag: DW_TAG_enumeration_type, name: "colour", file: !3, line: 1, baseType: !16, size: 32, elements: !7)
!7 = !{!8}
!8 = !DIEnumerator(name: "RED", value: 0)
!10 = !{!0, !11, !19, !40}
!11 = !DIGlobalVariableExpression(var: !12, expr: !DIExpression())
!12 = distinct !DIGlobalVariable(name: "count", scope: !13, file: !3, line: 5, type: !16, isLocal: true, isDefinition: true)
!13 = distinct !DISubprogram(name: "g", scope: !3, file: !3, line: 5, type: !14, spFlags: DISPFlagDefinition, unit: !2, templateParams: !60)
!14 = !DISubroutineType(types: !15)
!15 = !{!16, !16}
!16 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!18 = !DILocalVariable(name: "b", arg: 1, scope: !13, file: !3, line: 5, type: !16)
!19 = !DIGlobalVariableExpression(var: !20, expr: !DIExpression())
!20 = distinct !DIGlobalVariable(name: "own", scope: !2, file: !3, line: 3, type: !16, isLocal: true, isDefinition: true)
!22 = !{i32 2, !"Debug Info Version", i32 3}
!27 = !{!"a compiler"}
!32 = distinct !DISubprogram(name: "f", scope: !3, file: !3, line: 4, type: !14, spFlags: DISPFlagDefinition, unit: !2)
!34 = !DILocalVariable(name: "a", arg: 1, scope: !32, file: !3, line: 4, type: !5)
!36 = !DILocation(line: 4, column: 11, scope: !32)
!40 = !DIGlobalVariableExpression(var: !41, expr: !DIExpression(DW_OP_constu, 7, DW_OP_stack_value))
!41 = distinct !DIGlobalVariable(name: "limit", scope: !2, file: !3, line: 6, type: !16, isLocal: true, isDefinition: true)
!49 = !DILocation(line: 5, column: 11, scope: !13)
!50 = distinct !DISubprogram(name: "other", scope: !3, file: !3, line: 1, type: !14, spFlags: DISPFlagDefinition, unit: !52)
!51 = !DILocation(line: 1, column: 1, scope: !50)
!52 = distinct !DICompileUnit(language: DW_LANG_C11, file: !3, producer: "two", emissionKind: FullDebug)
!53 = distinct !DICompileUnit(language: DW_LANG_C11, file: !3, producer: "three", emissionKind: FullDebug)
!60 = !{!61}
!61 = !DITemplateValueParameter(type: !16, value: ptr @own)
"#;

#[test]
fn each_piece_has_its_own() {
    let pieces = pieces_of(PROGRAM.as_bytes(), OptLevel::O2, 1);
    let machine = machine(OptLevel::O2);
    let context = Context::create();
    let texts: Vec<String> = modules(&context, &pieces, &machine)
        .iter()
        .map(|module| module.print_to_string().to_string())
        .collect();
    assert_eq!(texts.len(), 3);
    let check = |word: &str, expect: &[usize]| {
        let has = (0..texts.len()).filter(|piece| texts[*piece].contains(word));
        assert_eq!(
            has.collect::<Vec<_>>(),
            expect,
            "{word}\n{}",
            texts.join("\n")
        );
    };
    check("Debug Info Version", &[0, 1, 2]);
    check("a compiler", &[0]);
    check("producer: \"one\"", &[0, 1]);
    check("producer: \"two\"", &[2]);
    // Of variables.
    check("name: \"own\"", &[0]);
    check("name: \"count\"", &[1]);
    check("name: \"shared\"", &[1]);
    check("name: \"limit\"", &[0]);
    // Of functions.
    check("name: \"f\"", &[0]);
    check("name: \"g\"", &[1]);
    check("name: \"RED\"", &[0]);
    check("value: ptr @own.mgenjit.piece", &[1]);
    check("#dbg_value(ptr @shared", &[1]);
    recompose(&Context::create(), &pieces, &machine);
}

#[test]
fn another_variable_changes_no_other_piece() {
    let more = PROGRAM.replace("!10 = !{!0,", "!10 = !{!70, !0,")
        + "@more = global i32 3, !dbg !70
        define ptr @h() { ret ptr @more }
        !70 = !DIGlobalVariableExpression(var: !71, expr: !DIExpression())
        !71 = distinct !DIGlobalVariable(name: \"more\", scope: !2, file: !3, line: 9, type: !16, isLocal: false, isDefinition: true)";
    let cut = |ir: &str| -> Vec<Vec<u8>> {
        let pieces = pieces_of(ir.as_bytes(), OptLevel::O2, 1);
        pieces.into_iter().map(|piece| piece.bitcode).collect()
    };
    let (before, after) = (cut(PROGRAM), cut(&more));
    assert_eq!(after.len(), 4);
    assert_eq!(before[..], after[..3]);
}
