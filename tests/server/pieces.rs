//! Modules that are compiled in pieces: cut, each piece by itself, joined.

mod modules;
mod steps;

use crate::client::{Expect, Outcome, Server, request};
use crate::fatal::fatal;
use crate::inputs::{GOOD, bitcode};
use crate::loaded::Loaded;
use crate::mutate::Random;
use crate::tools::{AARCH64, CLANG, Machine, RISCV64, Tool, folder, run};
use mgenjit::protocol::messages::{
    CompileRequest, Decision, Failure, FailureKind, LinkOutput, LinkRequest, Reply, Request, Step,
};
use mgenjit::types::{Emit, OptLevel, Partition, Target, TargetSpec};
use modules::{ALL, EXCEPTIONS};
use steps::{
    Named, SMALL, bytes, check, compile_piece, cut, in_pieces, inputs_of, join, send, symbols,
    whole,
};

const LEVELS: [OptLevel; 3] = [OptLevel::O0, OptLevel::O2, OptLevel::Oz];

fn about(name: &str, opt_level: OptLevel) -> CompileRequest {
    CompileRequest {
        opt_level,
        ..request(name, 0)
    }
}

#[test]
fn pieces_make_what_the_whole_makes() {
    let mut server = Server::start();
    for opt_level in LEVELS {
        let about = about("all", opt_level);
        let inputs: [Named<'_>; 1] = [("all.ll", ALL.as_bytes())];
        let expect = whole(&mut server, &about, &inputs);
        let made = check(&mut server, &about, &inputs);
        let expect = Loaded::new(&expect.image);
        let made = Loaded::new(&made.image);
        for name in ["test", "order_of_constructors", "values", "letters", "test"] {
            assert_eq!(made.call(name), expect.call(name), "{opt_level:?} {name}");
        }
        let kept = CompileRequest {
            keep: Some(vec!["test".to_owned(), "values".to_owned()]),
            ..about
        };
        let kept = Loaded::new(&check(&mut server, &kept, &inputs).image);
        for name in ["values", "test"] {
            kept.call(name);
        }
        assert!(kept.symbol("step").is_null());
    }
}

/// Programs in C and C++: exceptions, constructors, thread-local variables, inline functions and variables.
#[test]
fn programs_in_pieces_do_what_they_did() {
    let mut server = Server::start();
    let folder = folder(&[]);
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/");
    for (program, flags) in [
        ("quicksort.c", "-g"),
        ("matrix.c", "-g0"),
        ("workers.cpp", "-g"),
        ("exceptions.cpp", "-g0"),
    ] {
        let source = match program {
            "exceptions.cpp" => folder.path().join(program),
            _ => std::path::PathBuf::from(programs).join(program),
        };
        std::fs::write(folder.path().join("exceptions.cpp"), EXCEPTIONS).unwrap();
        let arguments = [
            flags.as_ref(),
            "-O1".as_ref(),
            "-Xclang".as_ref(),
            "-disable-llvm-passes".as_ref(),
            "-emit-llvm".as_ref(),
            "-c".as_ref(),
            source.as_os_str(),
            "-o".as_ref(),
            "program.bc".as_ref(),
        ];
        run(CLANG, folder.path(), arguments);
        let ir = std::fs::read(folder.path().join("program.bc")).unwrap();
        for opt_level in LEVELS {
            let about = about(program, opt_level);
            let inputs: [Named<'_>; 1] = [(program, &ir)];
            let expect = whole(&mut server, &about, &inputs);
            let made = in_pieces(&mut server, &about, &inputs);
            let strong = |image: &[u8]| {
                let all = symbols(image).into_iter();
                all.filter(|line| !line.contains("STB_WEAK") && !line.contains("UNIQUE"))
                    .collect::<Vec<_>>()
            };
            assert_eq!(strong(&made.image), strong(&expect.image), "{program}");
            let output = |object: &[u8], name: &str| {
                std::fs::write(folder.path().join(name), object).unwrap();
                let program = name.replace('.', "-");
                run(
                    CLANG,
                    folder.path(),
                    [name, "-o", &program, "-pthread", "-lm"],
                );
                run(
                    Tool("sh", "dash"),
                    folder.path(),
                    ["-c", &format!("./{program}")],
                )
            };
            assert_eq!(
                output(&made.object, "made.o"),
                output(&expect.object, "expect.o"),
                "{program} {opt_level:?}"
            );
            if flags == "-g" {
                run(DWARFDUMP, folder.path(), ["--verify", "made.o"]);
            }
        }
    }
}

const DWARFDUMP: Tool = Tool("llvm-dwarfdump", "llvm-22");

/// Objects and archives go with the joined object, and helpers too.
#[test]
fn what_is_linked_to_pieces_is_what_is_linked_to_the_whole() {
    let mut server = Server::start();
    let folder = folder(&[
        ("given.c", b"int given(int x) { return x + 30; }"),
        ("unneeded.c", b"int unneeded;"),
    ]);
    let main = "declare i32 @given(i32)
declare i32 @member(i32)
define internal i32 @one(i32 %x) noinline { %r = call i32 @given(i32 %x) ret i32 %r }
define internal i32 @two(i32 %x) noinline { %r = call i32 @one(i32 %x) ret i32 %r }
define bfloat @narrow(double %x) { %r = fptrunc double %x to bfloat ret bfloat %r }
define i32 @test() { %a = call i32 @two(i32 1) %b = call i32 @one(i32 %a) %c = call i32 @member(i32 %b) ret i32 %c }
";
    let member = bitcode("define i32 @member(i32 %x) { %r = mul i32 %x, 2 ret i32 %r }");
    std::fs::write(folder.path().join("member.bc"), member).unwrap();
    for source in ["given", "unneeded"] {
        let file = format!("{source}.c");
        run(CLANG, folder.path(), ["-xc", "-fPIC", "-c", &file]);
    }
    run(
        Tool("llvm-ar", "llvm-22"),
        folder.path(),
        ["rcs", "lib.a", "unneeded.o", "given.o", "member.bc"],
    );
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (object, archive) = (read("given.o"), read("lib.a"));
    let plain: Vec<Named<'_>> = vec![("lib.a", &archive), ("main.ll", main.as_bytes())];
    let mixed: Vec<Named<'_>> = vec![
        ("main.ll", main.as_bytes()),
        ("given.o", &object),
        ("lib.a", &archive),
    ];
    for inputs in [plain, mixed] {
        for opt_level in LEVELS {
            for keep in [None, Some(vec!["narrow".to_owned(), "test".to_owned()])] {
                let about = CompileRequest {
                    keep,
                    ..about("linked", opt_level)
                };
                let made = check(&mut server, &about, &inputs);
                assert_eq!(Loaded::new(&made.image).call("test"), 122);
            }
        }
    }
}

#[test]
fn other_targets_have_pieces_too() {
    let mut server = Server::start();
    // No other target here has ifuncs of its own.
    let ir: String = ALL
        .lines()
        .filter(|line| !line.starts_with("@chosen = ifunc"))
        .map(|line| line.replace("call i32 @chosen", "call i32 @step") + "\n")
        .collect();
    for machine in [AARCH64, RISCV64] {
        for opt_level in LEVELS {
            let about = CompileRequest {
                target: other(machine.triple),
                ..about(machine.triple, opt_level)
            };
            let inputs: [Named<'_>; 1] = [("all.ll", ir.as_bytes())];
            let expect = whole(&mut server, &about, &inputs);
            let made = check(&mut server, &about, &inputs);
            assert_eq!(runs(machine, &made.object), runs(machine, &expect.object));
            let link = Request::Link(LinkRequest {
                name: "library".to_owned(),
                target: about.target.clone(),
                output: LinkOutput::SharedLibrary { soname: None },
                inputs: inputs_of(&[("module.o", &made.object)]),
                libraries: 0,
            });
            let linked = server.request(&link, &[&made.object]).unwrap_emitted();
            assert!(linked.starts_with(b"\x7fELF"));
        }
    }
    // What cannot be joined is compiled as a whole.
    for triple in ["wasm32-wasi", "i386-linux-gnu"] {
        let about = CompileRequest {
            target: other(triple),
            ..about(triple, OptLevel::O2)
        };
        let ir = "define i32 @one() { ret i32 1 }\ndefine i32 @two() { ret i32 2 }\n";
        match cut(&mut server, &about, &[("two.ll", ir.as_bytes())]) {
            Err(Outcome::Compiled(_)) => {}
            Err(other) => panic!("{triple}: {other:?}"),
            Ok(pieces) => panic!("{triple}: {} pieces", pieces.pieces.len()),
        }
    }
}

fn other(triple: &str) -> Target {
    Target::Other(TargetSpec {
        triple: triple.to_owned(),
        cpu: String::new(),
        features: String::new(),
    })
}

/// What a program says that calls the module's functions.
fn runs(machine: Machine, object: &[u8]) -> String {
    const MAIN: &[u8] = b"#include <stdio.h>
int test(void), order_of_constructors(void), values(void);
int main(void) { printf(\"%d %d\", order_of_constructors(), values()); printf(\" %d %d\", test(), test()); }";
    let folder = folder(&[("main.c", MAIN), ("module.o", object)]);
    run(
        machine.cc,
        folder.path(),
        ["main.c", "module.o", "-o", "program"],
    );
    machine.run("program", folder.path())
}

#[test]
fn a_module_that_is_to_be_cut_is_identified_as_ever() {
    let mut server = Server::start();
    let expect = server.identify(ALL.as_bytes());
    server.decide(Decision::Stop);
    let identified = CompileRequest {
        identify: true,
        step: Step::Cut(SMALL),
        inputs: inputs_of(&[("all.ll", ALL.as_bytes())]),
        ..about("all", OptLevel::O2)
    };
    for decision in [Decision::Stop, Decision::Compile] {
        send(&server, &identified, &[ALL.as_bytes()]);
        match server.receive() {
            Ok((Reply::Identified { digest }, None)) => assert_eq!(digest, expect),
            other => panic!("{other:?}"),
        }
        server.decide(decision);
    }
    let (reply, payload) = server.receive().unwrap();
    let Reply::Cut(first) = reply else {
        panic!("{reply:?}");
    };
    let first = bytes(payload, first.payload_len().unwrap());
    // Neither layout nor names of values change the pieces, nor whether it is text.
    let renamed = ALL.replace("%ab", "%renamed").replace("  %", "\t%");
    for other in [renamed.into_bytes(), bitcode(ALL)] {
        let request = CompileRequest {
            identify: false,
            inputs: inputs_of(&[("other", &other)]),
            ..identified.clone()
        };
        send(&server, &request, &[&other]);
        let (reply, payload) = server.receive().unwrap();
        let Reply::Cut(second) = reply else {
            panic!("{reply:?}");
        };
        assert!(first == bytes(payload, second.payload_len().unwrap()));
    }
    // A name that ends as the cutter's do would be taken for one of these.
    let ir = "define i32 @one.mgenjit.piece() { ret i32 1 }\ndefine i32 @two() { ret i32 2 }\n";
    let two = about("two", OptLevel::O2);
    match cut(&mut server, &two, &[("two.ll", ir.as_bytes())]) {
        Err(Outcome::Compiled(_)) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it is cut"),
    }
    // What is not large, or is not to be code, is not cut.
    for (step, emit) in [
        (Step::Cut(Partition::Automatic), Emit::Code),
        (Step::Cut(Partition::Off), Emit::Code),
        (Step::Cut(SMALL), Emit::Ir),
    ] {
        let request = CompileRequest {
            step,
            emit,
            ..request("good", GOOD.len() as u64)
        };
        match server.request(&Request::Compile(request), &[GOOD.as_bytes()]) {
            Outcome::Compiled(_) | Outcome::Emitted(_) => {}
            other => panic!("{step:?}: {other:?}"),
        }
    }
}

/// The request says what the piece is called.
#[test]
fn what_is_wrong_with_a_piece_is_said_of_it() {
    let mut server = Server::start();
    let ir = "declare i32 @llvm.nothing.like.it(i32)
define i32 @good(i32 %x) noinline { %r = add i32 %x, 1 ret i32 %r }
define i32 @bad(i32 %x) noinline { %r = call i32 @llvm.nothing.like.it(i32 %x) ret i32 %r }
";
    let about = about("both", OptLevel::O2);
    let found = cut(&mut server, &about, &[("both.ll", ir.as_bytes())]).unwrap();
    let failed: Vec<(String, Failure)> = (found.cut.pieces.iter().zip(&found.pieces))
        .filter_map(|(about_piece, piece)| {
            let failure = compile_piece(&mut server, &about, piece).err()?;
            Some((about_piece.name.clone(), failure))
        })
        .collect();
    let [(name, failure)] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert_eq!(name, "bad");
    assert_eq!((failure.kind, failure.input), (FailureKind::Codegen, None));
    assert!(
        failure.message.contains("llvm.nothing.like.it"),
        "{}",
        failure.message
    );

    let ir = format!(
        "define i32 @good(i32 %x) noinline {{ %r = add i32 %x, 1 ret i32 %r }}\n{}",
        fatal("deadly")
    );
    let found = cut(&mut server, &about, &[("deadly.ll", ir.as_bytes())]).unwrap();
    let index = found
        .cut
        .pieces
        .iter()
        .position(|piece| piece.name == "deadly")
        .unwrap();
    let request = CompileRequest {
        name: "module (piece with `deadly`)".to_owned(),
        inputs: inputs_of(&[("piece", &found.pieces[index])]),
        step: Step::Piece,
        ..about
    };
    match server.request(&Request::Compile(request), &[&found.pieces[index]]) {
        Outcome::Gone(_, words) => {
            assert!(
                words.contains("generating code for module (piece with `deadly`)"),
                "{words}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn malformed_steps_are_errors() {
    let mut server = Server::start();
    let about = about("all", OptLevel::O0);
    let inputs: [Named<'_>; 1] = [("all.ll", ALL.as_bytes())];
    let found = cut(&mut server, &about, &inputs).unwrap();
    let objects: Vec<Vec<u8>> = (found.pieces.iter())
        .map(|piece| compile_piece(&mut server, &about, piece).unwrap())
        .collect();
    let fails = |outcome: Outcome, kind: FailureKind, message: &str| {
        let failure = outcome.unwrap_failed();
        assert_eq!(failure.kind, kind, "{}", failure.message);
        assert!(
            failure.message.contains(message),
            "{message}: {}",
            failure.message
        );
    };
    // Pieces that are none.
    for (piece, message) in [
        (GOOD.as_bytes(), "not one that a server has cut"),
        (b"", "not one"),
        (b"BC\xc0\xde", "damaged"),
    ] {
        let failure = compile_piece(&mut server, &about, piece).unwrap_err();
        assert!(
            failure.message.contains(message),
            "{message}: {}",
            failure.message
        );
    }
    let two = CompileRequest {
        inputs: inputs_of(&[("one", &found.pieces[0]), ("two", &found.pieces[0])]),
        step: Step::Piece,
        ..about.clone()
    };
    let outcome = server.request(
        &Request::Compile(two),
        &[&found.pieces[0], &found.pieces[0]],
    );
    fails(outcome, FailureKind::Protocol, "a piece is one input");
    let identified = CompileRequest {
        inputs: inputs_of(&[("one", &found.pieces[0])]),
        step: Step::Piece,
        identify: true,
        ..about.clone()
    };
    let outcome = server.request(&Request::Compile(identified), &[&found.pieces[0]]);
    fails(outcome, FailureKind::Protocol, "no digest");

    // Joins of what does not belong together.
    let join_with =
        |server: &mut Server, natives: &[Named<'_>], rest: &[u8], objects: &[Vec<u8>]| {
            join(server, &about, natives, rest, objects)
        };
    let outcome = join_with(&mut server, &[], &found.rest, &[]);
    fails(outcome, FailureKind::Link, "there are no pieces");
    let outcome = join_with(&mut server, &[], b"", &objects);
    fails(outcome, FailureKind::Protocol, "damaged");
    let outcome = join_with(&mut server, &[("x", b"")], &found.rest, &objects);
    fails(outcome, FailureKind::Protocol, "not of one module");
    let outcome = join_with(&mut server, &[], &found.rest, &objects[1..]);
    fails(
        outcome,
        FailureKind::Link,
        "which another piece was to define",
    );
    let twice = [&objects[..], &objects[..1]].concat();
    let outcome = join_with(&mut server, &[], &found.rest, &twice);
    fails(outcome, FailureKind::Link, "and so does another piece");

    // Anything changed anywhere.
    let mut random = Random(31);
    let mut joined = 0;
    for _ in 0..120 {
        let mut rest = found.rest.clone();
        let mut objects = objects.clone();
        let count = objects.len();
        let changed = match random.below(3) {
            0 => &mut rest,
            _ => &mut objects[random.below(count)],
        };
        for _ in 0..=random.below(3) {
            let place = random.below(changed.len());
            changed[place] = random.below(256) as u8;
        }
        if random.below(8) == 0 {
            changed.truncate(random.below(changed.len()));
        }
        match join_with(&mut server, &[], &rest, &objects) {
            Outcome::Compiled(_) => joined += 1,
            Outcome::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((20..110).contains(&joined), "{joined}");
    server.check(GOOD, Expect::Compiles("i32 @good()"));
}
