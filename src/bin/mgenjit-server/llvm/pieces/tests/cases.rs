//! What each piece gets of small modules.

use super::{check, pieces_of};
use mgenjit::types::OptLevel::{O0, O2};

#[test]
fn functions_are_imported_where_they_are_called() {
    let ir = "
        define i32 @f() { %r = call i32 @g() ret i32 %r }
        define i32 @g() { %r = call i32 @h() ret i32 %r }
        define i32 @h() { %r = call i32 @outside() ret i32 %r }
        declare i32 @outside()
        declare i32 @unused()";
    check(
        O2,
        ir,
        "f, import g, import h, declare outside | g, import h, declare outside | h, declare outside",
    );
    check(O0, ir, "f, declare g | g, declare h | h, declare outside");
}

#[test]
fn what_must_be_inlined_is_imported_at_every_level() {
    let ir = "
        define i32 @f() { %r = call i32 @g() ret i32 %r }
        define internal i32 @g() alwaysinline { ret i32 1 }";
    check(O0, ir, "f, import hidden g~ | hidden g~");
}

#[test]
fn what_cannot_be_inlined_is_not_imported() {
    for (attribute, body) in [
        ("noinline", "ret void"),
        ("noinline optnone", "ret void"),
        ("returns_twice", "ret void"),
        ("naked", "unreachable"),
    ] {
        let ir = format!(
            "define void @f() {{ call void @g() ret void }}
            define void @g() {attribute} {{ {body} }}"
        );
        check(O2, &ir, "f, declare g | g");
    }
    check(
        O2,
        "define void @f() { call void @g() ret void } define weak void @g() { ret void }",
        "f, declare g | weak g",
    );
    check(
        O2,
        "define void @f() { call void (...) @g() ret void }
         define void @g(...) { %l = alloca [24 x i8] call void @llvm.va_start(ptr %l) ret void }
         declare void @llvm.va_start(ptr)",
        "f, declare g | g, declare llvm.va_start.p0",
    );
    check(
        O2,
        "define void @f() noinline optnone { call void @g() ret void } define void @g() { ret void }",
        "f, declare g | g",
    );
}

#[test]
fn locals_of_several_pieces_become_hidden_symbols() {
    check(
        O0,
        "@x = internal global i32 1
         @y = internal global i32 2
         define ptr @f() { call void @s() ret ptr @x }
         define ptr @g() { call void @s() store i32 1, ptr @y ret ptr @x }
         define internal void @s() { ret void }",
        "f, hidden x~, declare hidden s~ | g, internal y, declare hidden x~, declare hidden s~ | hidden s~",
    );
}

#[test]
fn names_do_not_depend_on_numbers() {
    check(
        O0,
        "@x.7 = internal global i32 1
         @x.12 = internal global i32 1
         @.str.3 = private unnamed_addr constant [2 x i8] c\"a\\00\"
         @big.4 = internal constant [2 x i32] [i32 1, i32 2]
         define ptr @f() { store i32 1, ptr @x.12 store ptr @.str.3, ptr @x.7 ret ptr @x.7 }
         define ptr @g() { store ptr @.str.3, ptr @x.7 store ptr @big.4, ptr @x.7 ret ptr @x.7 }
         define ptr @h() { ret ptr @big.4 }",
        "f, internal x.f, hidden x.f.2~, private
         | g, declare hidden x.f.2~, private , hidden big.0389e2c8892d5450~
         | h, import hidden big.0389e2c8892d5450~",
    );
}

#[test]
fn symbols_that_are_local_to_the_program_are_reached_directly() {
    check(
        O0,
        "@v = dso_local global i32 1
         @h = hidden global i32 1
         @p = protected thread_local global i32 1
         @d = global i32 1
         @w = weak dso_local global i32 1
         @c = common dso_local global i32 0
         define dso_local void @f() { ret void }
         define void @use() {
            store i32 1, ptr @v store i32 1, ptr @h store i32 1, ptr @p store i32 1, ptr @d store i32 1, ptr @w
            store i32 1, ptr @c ret void }
         define void @again() {
            store i32 1, ptr @v store i32 1, ptr @h store i32 1, ptr @p store i32 1, ptr @d store i32 1, ptr @w
            store i32 1, ptr @c call void @f() ret void }",
        "f, hidden f.direct~
         | use, v, hidden v.direct~, hidden h, hidden h.direct~, protected p, hidden p.direct~, d, weak w, common c
         | again, declare hidden v.direct~, declare hidden h.direct~, declare hidden p.direct~, declare d, declare w,
           declare c, declare hidden f.direct~",
    );
}

#[test]
fn groups_stay_together() {
    // COMDAT groups.
    check(
        O0,
        "$g = comdat any
         define linkonce_odr void @g() comdat { ret void }
         define void @f() { call void @g() call void @h() ret void }
         define linkonce_odr void @h() comdat($g) { ret void }",
        "weak_odr g, weak_odr h | f, declare g, declare h",
    );
    // Aliases.
    check(
        O0,
        "@a = alias void (), ptr @f
         @b = internal alias void (), ptr @f
         define void @g() { call void @a() call void @b() ret void }
         define void @f() { call void @a() ret void }",
        "g, declare a, declare hidden b~ | f, a, hidden b~",
    );
    check(
        O0,
        "@v = internal global [2 x i32] zeroinitializer
         @a = alias i32, getelementptr (i8, ptr @v, i64 4)
         define ptr @f() { ret ptr @v }
         define ptr @g() { ret ptr @a }",
        "f, internal v, a | g, declare a",
    );
    // Ifuncs.
    check(
        O0,
        "@i = ifunc void (), ptr @r
         define void @f() { call void @i() ret void }
         define internal ptr @r() { ret ptr @f }",
        "f, declare i | i, internal r, declare f",
    );
    check(
        O0,
        "@i = hidden ifunc void (), ptr @r
         define void @f() { call void @i() ret void }
         define void @g() { call void @i() ret void }
         define void @h() { ret void }
         define internal ptr @r() { ret ptr null }",
        "f, g, internal r, hidden i | h",
    );
    // Addresses of labels.
    check(
        O2,
        "@t = internal constant [1 x ptr] [ptr blockaddress(@f, %b)]
         define void @f() { br label %b b: ret void }
         define ptr @g() { ret ptr @t }
         define ptr @h() { ret ptr blockaddress(@f, %b) }",
        "f, hidden t~, h | g, declare hidden t~",
    );
    // Sections whose order counts.
    check(
        O0,
        "@a = global i32 1, section \"list\"
         @b = internal global i32 2, section \"list\"
         define ptr @f() { ret ptr @a }
         define ptr @g() { ret ptr @b }",
        "f, a, hidden b~ | g, declare hidden b~",
    );
    check(
        O0,
        "@a = global i32 1, section \"one\"
         @b = global i32 2, section \"two\", !associated !0
         define ptr @f() { ret ptr @b }
         define ptr @g() { ret ptr @a }
         !0 = !{ptr @a}",
        "f, a, b | g, declare a",
    );
    // Distances.
    check(
        O0,
        "@a = internal global i32 1
         @b = internal global i32 1
         @d = global i64 sub (i64 ptrtoint (ptr @a to i64), i64 ptrtoint (ptr @b to i64))
         @own = global i64 sub (i64 ptrtoint (ptr @g to i64), i64 ptrtoint (ptr @own to i64))
         define ptr @f() { ret ptr @a }
         define ptr @g() { ret ptr @b }",
        "f, hidden b~, internal a, d, own, declare g | g, declare hidden b~",
    );
}

#[test]
fn inline_functions_survive_where_others_use_them() {
    check(
        O2,
        "define void @f() { call void @g() ret void }
         define linkonce_odr void @g() { ret void }
         define linkonce_odr void @h() { ret void }",
        "f, import g | weak_odr g | linkonce_odr h",
    );
    check(
        O2,
        "define void @f() { call void @g() ret void } define linkonce hidden void @g() { ret void }",
        "f, declare g | weak hidden g",
    );
    check(
        O2,
        "define void @f() { call void @g() ret void }
         define available_externally void @g() { ret void }
         define void @h() { ret void }",
        "f, import g | h",
    );
}

#[test]
fn constants_come_along() {
    check(
        O0,
        "@s = private unnamed_addr constant [2 x i8] c\"a\\00\"
         @t = internal unnamed_addr constant [1 x ptr] [ptr @s]
         @large = internal unnamed_addr constant [2000 x i8] zeroinitializer
         @n = constant i32 7
         @e = internal constant i32 8
         define ptr @f() { store ptr @t, ptr @n store ptr @e, ptr @large ret ptr @s }
         define ptr @g() { store ptr @t, ptr @n store ptr @e, ptr @large ret ptr @s }",
        "f, private , internal t, n, hidden e~, hidden large~
         | g, private , internal t, import n, import hidden e~, declare hidden large~",
    );
}

#[test]
fn lists_are_split() {
    check(
        O0,
        "@llvm.used = appending global [3 x ptr] [ptr @g, ptr @x, ptr @elsewhere], section \"llvm.metadata\"
         @llvm.compiler.used = appending global [1 x ptr] [ptr @f], section \"llvm.metadata\"
         @x = internal global i32 1
         declare void @elsewhere()
         define void @f() { ret void }
         define void @g() { ret void }",
        "f, internal x, declare elsewhere, list llvm.used, list llvm.compiler.used | g, list llvm.used",
    );
    // Constructors are with their functions if that keeps their order.
    let ir = |first: &str, second: &str, priority: u32| {
        format!(
            "@llvm.global_ctors = appending global [2 x {{ i32, ptr, ptr }}] [
                {{ i32, ptr, ptr }} {{ i32 65535, ptr @{first}, ptr null }},
                {{ i32, ptr, ptr }} {{ i32 {priority}, ptr @{second}, ptr null }}]
             define internal void @f() {{ ret void }}
             define internal void @g() {{ ret void }}
             define void @h() {{ ret void }}"
        )
    };
    let split = "internal f, list llvm.global_ctors | internal g, list llvm.global_ctors | h";
    check(O0, &ir("f", "g", 65535), split);
    let one = "hidden f~ | internal g, list llvm.global_ctors, declare hidden f~ | h";
    for priority in [1, 65535] {
        check(O0, &ir("g", "f", priority), one);
    }
    check(
        O0,
        "$x = comdat any
         @x = linkonce_odr global i32 0, comdat
         @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [
            { i32, ptr, ptr } { i32 65535, ptr @g, ptr @x }]
         define ptr @f() { ret ptr @x }
         define internal void @g() { ret void }",
        "f, linkonce_odr x, list llvm.global_ctors, declare hidden g~ | hidden g~",
    );
}

#[test]
fn assembly_may_forbid_to_cut() {
    fn is_cut(ir: &str, expect: bool) {
        let functions = "define void @f() { ret void } define void @g() { ret void }";
        let pieces = pieces_of(format!("{ir}\n{functions}").as_bytes(), O2, 1);
        assert_eq!(!pieces.is_empty(), expect, "{ir}");
    }
    is_cut("module asm \".globl x\"", true);
    is_cut("module asm \".long f\"", true);
    is_cut("module asm \".long x\"\n@x = internal global i32 1", false);
    is_cut("module asm \".set x, 1\"\n@x = external global i32", false);
    let call = "define void @a() { call void asm \"lea x(%rip), %rax\", \"\"() ret void }";
    is_cut(&format!("@x = internal global i32 1 {call}"), false);
    is_cut(&format!("@x = global i32 1 {call}"), true);
    is_cut(&format!("@y = internal global i32 1 {call}"), true);
    is_cut(&format!("module asm \".globl x\"\n{call}"), false);
}
