use super::places::places;
use crate::input::buffer::Input;
use crate::llvm::parse;
use crate::llvm::values::name;
use inkwell::context::Context;

/// Finds the instructions of each function, as `name: line line`. What the parser makes of several is at one line.
fn lines(text: &str) -> Option<Vec<String>> {
    let context = Context::create();
    let input = Input::copy(text.as_bytes()).expect("memory");
    let module = parse::parse(&context, &input);
    let module = module.unwrap_or_else(|failure| panic!("{}:\n{text}", failure.message));
    // SAFETY: the module is valid, and so are its functions.
    let found = unsafe { places(module.as_mut_ptr(), text.as_bytes()) }?;
    let describe = |function: &super::places::Function| {
        // SAFETY: as above.
        let name = unsafe { name(function.value) };
        let lines = function.instructions.iter();
        let lines: Vec<_> = lines.map(|one| one.place.line.to_string()).collect();
        format!("{}: {}", String::from_utf8_lossy(name), lines.join(" "))
    };
    Some(found.iter().map(describe).collect())
}

fn check(text: &str, expect: &[&str]) {
    assert_eq!(lines(text).as_deref().unwrap_or_default(), expect, "{text}");
}

#[test]
fn each_instruction_is_found_where_it_begins() {
    check("define void @f() {\n  ret void\n}\n", &["f: 2"]);
    // On one line, and without names.
    check(
        "define i32 @f(i32) { add i32 %0, 1 mul i32 %2, %0 ret i32 %3 }",
        &["f: 1 1 1"],
    );
    // Over several lines.
    check(
        "define i32\n@f(i32 %x)\n{\nentry:\n  switch i32 %x, label %a [\n    i32 0, label %b\n    i32 1, label %a\n  ]\n\
         a:\n  %y =\n    add\n    i32 %x, 1\n  ret i32 %y\nb: ret i32 0\n}\n",
        &["f: 5 10 13 14"],
    );
    // Braces, keywords and comments where no instruction begins.
    check(
        "; define void @no() {\n@s = constant [10 x i8] c\"define {}\\00\"\n%t = type { i32, i32 }\n\
         define { i32, %t } @f({ i32 } %x) prefix { i32, i32 } { i32 1, i32 2 } {\n  ; ret void }\n\
         ret: /* add i32 1, 2\n */ %\"ret void\" = extractvalue { i32 } %x, 0 ; }\n\
         br label %add\nadd:\n  ret { i32, %t } { i32 3, %t { i32 4, i32 5 } }\n}\n",
        &["f: 7 8 10"],
    );
    // Operations as constants, and as those of `atomicrmw`.
    check(
        "@g = global i64 0\ndefine i64 @f(ptr %p) {\n  store i64 add (i64 ptrtoint (ptr @g to i64), i64 1), ptr %p\n\
         atomicrmw add ptr %p, i64 1 seq_cst\n  %o = atomicrmw volatile\n    xor ptr %p, i64 2 monotonic\n\
         %q = getelementptr inbounds (i8, ptr %p, i64 1)\n  ret i64 sub nuw (i64 ptrtoint (ptr @g to i64), i64 1)\n}\n"
            .replace("inbounds (i8, ptr %p, i64 1)", "inbounds i8, ptr %p, i64 1")
            .as_str(),
        &["f: 3 4 5 7 8"],
    );
    // Names in quotes, labels of all kinds, calls with marks.
    check(
        "define void @\"a b\\22\"(ptr %\"x=y\") {\n\"l 1\":\n  br label %$x\n$x:\n  br label %-2.z\n-2.z:\n\
         tail call void @\"a b\\22\"(ptr %\"x=y\")\n  musttail call void @\"a b\\22\"(ptr\n    %\"x=y\")\n  ret void\n}\n",
        &["a b\": 3 5 7 8 10"],
    );
    // Landing pads and invokes.
    check(
        "declare void @g()\ndeclare i32 @p(...)\ndefine void @f() personality ptr @p {\n  invoke void @g()\n\
         to label %ok\n    unwind label %bad\nok:\n  ret void\nbad:\n  %e = landingpad { ptr, i32 }\n    cleanup\n\
         catch ptr null\n    filter [0 x ptr] zeroinitializer\n  resume { ptr, i32 } %e\n}\n",
        &["f: 4 8 10 14"],
    );
    // Functions in another order than they are first used in, and without names.
    check(
        "define void @0() {\n  call void @b()\n  ret void\n}\ndefine void @a() {\n  call void @b()\n  ret void\n}\n\
         define void @b() {\n  call void @1()\n  ret void\n}\ndefine void @1() {\n  unreachable\n}\n",
        &[": 2 3", "a: 6 7", "b: 10 11", ": 14"],
    );
    // Lines that end as Windows ends them, and typed pointers.
    check(
        "define i64 @f(i64* %p) {\r\n\r\n  %x = load i64, i64* %p\r\n  ret i64 %x\r\n}\r\n",
        &["f: 3 4"],
    );
}

#[test]
fn intrinsics_that_the_parser_replaces_keep_their_lines() {
    // Without its second argument: the parser adds it. It drops the call of `llvm.dbg.value`.
    check(
        "declare i32 @llvm.ctlz.i32(i32)\ndeclare void @llvm.dbg.value(metadata, i64, metadata, metadata)\n\
         declare i64 @llvm.objectsize.i64.p0(ptr, i1)\ndefine i32 @f(i32 %x, ptr %p) {\n\
         %y = call i32 @llvm.ctlz.i32(i32 %x)\n  %o = call i64 @llvm.objectsize.i64.p0(ptr %p, i1 false)\n\
         %z = add i32 %y, 1\n  ret i32 %z\n}\n",
        &["f: 5 6 7 8"],
    );
    // Two instructions in the place of a call.
    check(
        "declare <4 x i32> @llvm.x86.sse41.pmaxsd(<4 x i32>, <4 x i32>)\n\
         define <4 x i32> @f(<4 x i32> %x, <4 x i32> %y) {\n\
         %m = call <4 x i32> @llvm.x86.sse41.pmaxsd(<4 x i32> %x, <4 x i32> %y)\n  ret <4 x i32> %m\n}\n",
        &["f: 3 4"],
    );
}

#[test]
fn another_text_is_not_taken_for_the_modules() {
    let context = Context::create();
    let text = b"define void @f() {\n  call void @f()\n  ret void\n}\n";
    let input = Input::copy(text).expect("memory");
    let module =
        parse::parse(&context, &input).unwrap_or_else(|failure| panic!("{}", failure.message));
    for other in [
        "",
        "define void @f() {\n  ret void\n}\n",
        "define void @g() {\n  call void @f()\n  ret void\n}\n",
        "define void @f() {\n  %x = call void @f()\n  ret void\n}\n",
        "define void @f() {\n  call void @f()\n  ret void\n  ret void\n}\n",
    ] {
        // SAFETY: the module is valid.
        let found = unsafe { places(module.as_mut_ptr(), other.as_bytes()) };
        assert!(found.is_none(), "{other}");
    }
}
