//! Profiles through the tools: programs do the same however they are compiled, and profiles go with all other options.
//! `tests/c/profile.c` is about the functions of the library.

mod support;

#[path = "pieces/modules.rs"]
mod modules;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::tools::{self, Place};

fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| tools::build("profiles", &["run", "build", "cache", "server"]))
}

fn place() -> Place {
    Place::new(tools().join("run"))
}

/// What a program prints, how it ends, and what is said on stderr.
fn outcome(mut command: Command) -> (String, String) {
    let output = command.output().expect("a program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        format!("{}{}", text(&output.stdout), output.status),
        text(&output.stderr),
    )
}

/// Runs a command that must succeed, and returns what it says on stderr.
#[track_caller]
fn do_run(place: &Place, program: &str, arguments: &[&str]) -> String {
    let program = match program {
        "build" | "cache" | "server" => tools().join(program),
        other => PathBuf::from(other),
    };
    let mut command = place.command(program);
    command.args(arguments);
    let (done, said) = outcome(command);
    assert!(
        done.ends_with("exit status: 0"),
        "{arguments:?}: {done} {said}"
    );
    said
}

/// A program of `tests/programs` as bitcode, as clang hands it to its optimiser.
fn compile_c(place: &Place, source: &Path, output: &str, flags: &[&str]) {
    let source = source.to_str().expect("UTF-8");
    let fixed = ["-Xclang", "-disable-llvm-passes", "-emit-llvm", "-w", "-c"];
    let files = ["-o", output, source];
    do_run(place, "clang-22", &[&fixed[..], flags, &files[..]].concat());
}

fn program(name: &str) -> PathBuf {
    support::source("tests/programs").join(name)
}

#[test]
fn programs_do_the_same_counting_and_with_any_profile() {
    let place = place();
    place.write("foreign.ll", modules::module(300).0);
    place.run(&["--profile-generate", "foreign", "foreign.ll"]);
    let mut inputs = Vec::new();
    for name in ["getopt.c", "profiled_values.c", "profiled.c"] {
        compile_c(&place, &program(name), &format!("{name}.bc"), &["-O2"]);
        inputs.push(format!("{name}.bc"));
    }
    for seed in 200..203 {
        place.write(&format!("{seed}.ll"), modules::module(seed).0);
        inputs.push(format!("{seed}.ll"));
    }
    for input in &inputs {
        let ran = |options: &[&str]| outcome(place.tool(&[options, &[input]].concat()));
        let (plain, _) = ran(&["--pieces", "off"]);
        assert!(plain.contains("exit status: "), "{input}: {plain}");
        let own = format!("{input}.profile");
        let (counting, said) = ran(&["--profile-generate", &own]);
        assert_eq!(plain, counting, "{input}: {said}");
        let whole = std::fs::read(place.path(&own)).expect("a profile");
        place.write("cut", &whole[..whole.len() / 2]);
        place.write("text", "no profile");
        for profile in [own.as_str(), "foreign", "cut", "text"] {
            for pieces in ["off", "1", "60"] {
                let options = ["--verbose", "--pieces", pieces, "--profile-use", profile];
                let (used, said) = ran(&options);
                assert_eq!(plain, used, "{input}, {options:?}");
                let warned = said.contains("warning: the profile");
                assert_eq!(warned, profile != own, "{input}, {options:?}: {said}");
            }
        }
    }
}

/// Counts are found by all that decides what a function is called, and what it looks like when it is counted.
#[test]
fn what_clang_counts_is_found_in_all_of_sqlite() {
    let place = place();
    let found = Command::new(support::source("benches/crate.sh"))
        .arg("libsqlite3-sys")
        .env("CARGO", env!("CARGO"))
        .output()
        .expect("crate.sh");
    let folder = String::from_utf8(found.stdout).expect("UTF-8");
    let sqlite = Path::new(folder.trim_end()).join("sqlite3");
    let source = sqlite.join("sqlite3.c");
    let include = format!("-I{}", sqlite.display());
    // Without optimisation each function stays, and can be asked for its counts.
    let flags = [
        "-O0",
        "-DSQLITE_OMIT_LOAD_EXTENSION",
        "-DSQLITE_THREADSAFE=0",
        &include,
    ];
    compile_c(&place, &source, "sqlite.bc", &flags);
    let workload = support::source("benches/sqlite_workload.c");
    let files = [source.to_str(), workload.to_str()].map(|file| file.expect("UTF-8"));
    let counting = ["-fprofile-generate", "-w", "-o", "counting"];
    let arguments = [&counting[..], &flags[..], &files[..], &["-lm"]].concat();
    do_run(&place, "clang-22", &arguments);
    do_run(
        &place,
        "sh",
        &[
            "-c",
            "LLVM_PROFILE_FILE=it.profraw ./counting 20 >/dev/null",
        ],
    );
    do_run(
        &place,
        "llvm-profdata-22",
        &["merge", "it.profraw", "-o", "it.profdata"],
    );
    let said = do_run(
        &place,
        "build",
        &[
            "--no-cache",
            "--verbose",
            "-O0",
            "--profile-use",
            "it.profdata",
            "-o",
            "sqlite.ll",
            "sqlite.bc",
        ],
    );
    let ir = std::fs::read_to_string(place.path("sqlite.ll")).expect("IR");
    let functions: Vec<&str> = ir
        .lines()
        .filter(|line| line.starts_with("define "))
        .collect();
    let counted = functions.iter().filter(|line| line.contains(" !prof "));
    let counted = counted.count();
    assert!(
        functions.len() > 2000 && counted * 100 >= functions.len() * 99,
        "{counted} of {} functions: {said}",
        functions.len()
    );
}

/// What `work` and `choose` of `profiled.c` were seen to do.
const SAMPLES: &str =
    "work:200000:1\n 1: 1\n 2: 20000\n 3: 20000 choose:20000\nchoose:100000:20000\n 2: 20000\n";

#[test]
fn sample_profiles_are_used() {
    let place = place();
    let source = program("profiled.c");
    compile_c(&place, &source, "it.bc", &["-O2", "-g"]);
    compile_c(&place, &source, "bare.bc", &["-O2"]);
    place.write("samples", SAMPLES);
    let built = |profile: &str, input: &str, pieces: &str, output: &str| {
        let options = ["--no-cache", "--verbose", "--pieces", pieces];
        let files = ["--profile-use", profile, "-o", output, input];
        do_run(&place, "build", &[&options[..], &files[..]].concat())
    };
    for kind in ["text", "binary", "extbinary"] {
        let arguments = ["merge", "--sample", "samples", "-o", kind];
        let format = format!("--{kind}");
        do_run(
            &place,
            "llvm-profdata-22",
            &[&arguments[..], &[&format]].concat(),
        );
        let said = built(kind, "it.bc", "auto", "it.ll");
        assert!(!said.contains("warning"), "{kind}: {said}");
        let ir = std::fs::read_to_string(place.path("it.ll")).expect("IR");
        assert!(ir.contains("!\"function_entry_count\""), "{kind}");
        let said = built(kind, "it.bc", "1", "it");
        assert!(
            said.contains("pieces, all compiled") && !said.contains("warning"),
            "{kind}: {said}"
        );
        do_run(&place, "./it", &[]);
    }
    let whole = std::fs::read(place.path("extbinary")).expect("a profile");
    place.write("cut", &whole[..whole.len() - 8]);
    let said = built("cut", "it.bc", "auto", "it");
    assert_eq!(said.matches("warning: ").count(), 1, "{said}");
    // Which functions come last differs from one run of llvm-profdata to another, and so does who notices what is missing.
    assert!(
        said.contains("the profile is not used") || said.contains("profile reading failed"),
        "{said}"
    );
    do_run(&place, "./it", &[]);
    // Samples are of lines.
    let said = built("text", "bare.bc", "auto", "it");
    assert!(
        said.contains("No debug information found in function work"),
        "{said}"
    );
    do_run(&place, "./it", &[]);
}

/// The key of a piece covers what the profile says of its functions, and nothing else of the profile.
#[test]
fn an_edit_compiles_few_pieces_with_a_profile_too() {
    let place = place();
    let module = modules::module(100).0;
    place.write("it.ll", &module);
    let (plain, _) = outcome(place.tool(&["--profile-generate", "it.profile", "it.ll"]));
    let use_it = [
        "--pieces",
        "40",
        "--time",
        "--profile-use",
        "it.profile",
        "it.ll",
    ];
    let (first, said) = outcome(place.tool(&use_it));
    assert_eq!(plain, first);
    assert!(said.contains("0 of "), "{said}");
    // A comment of its own, and code that the profile does not know: as all other pieces were.
    place.write(
        "it.ll",
        format!("{module}\ndefine void @new() {{\n  ret void\n}}\n"),
    );
    let (second, said) = outcome(place.tool(&use_it));
    assert_eq!(plain, second);
    let found = said.split_once(" of ").and_then(|(found, _)| {
        let found = found.rsplit('\n').next()?;
        found.parse::<usize>().ok()
    });
    assert!(found.is_some_and(|found| found >= 3), "{said}");
}

#[test]
fn the_cache_tells_what_was_counted() {
    let place = place();
    compile_c(&place, &program("profiled.c"), "it.bc", &["-O2", "-g"]);
    place.write("samples", SAMPLES);
    let ran = |arguments: &[&str]| {
        let (done, said) = outcome(place.tool(&[arguments, &["it.bc"]].concat()));
        assert!(done.ends_with("exit status: 0"), "{done} {said}");
        let key = said.split_once("key ").map(|(_, rest)| &rest[..64]);
        key.expect("a key").to_owned()
    };
    let cache = |arguments: &[&str]| {
        let mut command = place.command(tools().join("cache"));
        command
            .env("LLVM_PROFDATA", "llvm-profdata-22")
            .args(arguments);
        outcome(command)
    };
    let plain = ran(&["--time"]);
    let counting = ran(&["--time", "--profile-generate", "it.profile"]);
    let counted = ran(&["--time", "--profile-use", "it.profile"]);
    let sampled = ran(&["--time", "--profile-use", "samples"]);
    for (key, option, shown) in [
        (&plain, None, None),
        (&counting, Some("profile=generate"), None),
        (&counted, Some("profile=use"), Some("profiled.c;usual:")),
        (
            &sampled,
            Some("profile=use"),
            Some("Function: work: 200000"),
        ),
    ] {
        let (told, _) = cache(&["show", key]);
        assert_eq!(option.is_some(), told.contains("profile="), "{told}");
        assert!(told.contains(option.unwrap_or_default()), "{told}");
        let (counts, said) = cache(&["show", "--profile", key]);
        match shown {
            Some(shown) => assert!(counts.contains(shown), "{counts} {said}"),
            None => assert!(said.contains("profile"), "{counts} {said}"),
        }
    }
    let (told, said) = cache(&["show", "--profile=copy", &counted]);
    assert!(told.ends_with("exit status: 0"), "{told} {said}");
    let [copy, given] = ["copy", "it.profile"].map(|name| std::fs::read(place.path(name)));
    assert_eq!(copy.expect("a copy"), given.expect("a profile"));
}

/// Whoever else makes, keeps, signs or links code does so with counters and profiles.
#[test]
fn profiles_go_with_what_else_can_be_asked_for() {
    let place = place();
    place.write_key("key");
    compile_c(&place, &program("profiled.c"), "it.bc", &["-O2"]);
    let runtime = tempfile::Builder::new().prefix("mgenjit-").tempdir();
    let runtime = runtime.expect("a runtime folder");
    let ran = |arguments: &[&str]| {
        let mut command = place.tool(&[arguments, &["it.bc"]].concat());
        command.env("XDG_RUNTIME_DIR", runtime.path());
        let (done, said) = outcome(command);
        assert!(
            done.ends_with("exit status: 0"),
            "{arguments:?}: {done} {said}"
        );
        said
    };
    let counts = |name: &str| {
        let shown = ["show", "--all-functions", "--counts", "--ic-targets", name];
        let output = place.command("llvm-profdata-22").args(shown).output();
        String::from_utf8(output.expect("llvm-profdata").stdout).expect("UTF-8")
    };
    ran(&["--profile-generate", "plain"]);
    // There is nothing to do in the background, where what is counted is what was asked for.
    ran(&["--tiers", "O0,O2", "--profile-generate", "tiers"]);
    ran(&[
        "--server",
        "shared",
        "--no-cache",
        "--profile-generate",
        "shared",
    ]);
    let signed = ["--cache-dir", "signed", "--trust", "key", "--sign", "key"];
    ran(&[&signed[..], &["--profile-generate", "signed.profile"]].concat());
    // Found, it counts as well.
    let found = ["--time", "--profile-generate", "found"];
    assert!(ran(&[&signed[..], &found[..]].concat()).contains("(hit)"));
    assert!(counts("plain").contains("Counters: "));
    for name in ["tiers", "shared", "signed.profile", "found"] {
        assert_eq!(counts("plain"), counts(name), "{name}");
    }

    let use_it = ["--time", "--profile-use", "plain"];
    for (more, again) in [
        (&["--tiers", "O0,O2"][..], "(hit)"),
        (
            &["--server", "shared", "--cache-dir", "shared-cache"],
            "(hit)",
        ),
        (&signed, "(hit)"),
        (&["--no-cache"], "compiled"),
        // A signature covers the profile's code as any other.
        (&["--cache-dir", "signed", "--trust", "key"], "(hit)"),
        (&["--cache-dir", "above", "--layer", "cache"], "(hit)"),
    ] {
        ran(&[&use_it[..], more].concat());
        let said = ran(&[&use_it[..], more].concat());
        assert!(said.contains(again), "{more:?}: {said}");
    }
    let mut stop = place.command(tools().join("server"));
    stop.env("XDG_RUNTIME_DIR", runtime.path());
    outcome({
        stop.args(["stop", "--force"]);
        stop
    });

    for pieces in ["off", "1"] {
        for output in ["it.o", "it.so", "it.a", "it"] {
            do_run(
                &place,
                "build",
                &[
                    "--pieces",
                    pieces,
                    "--profile-use",
                    "plain",
                    "-o",
                    output,
                    "it.bc",
                ],
            );
        }
        do_run(&place, "cc", &["it.o", "-o", "linked"]);
        do_run(
            &place,
            "cc",
            &[
                "-Wl,--whole-archive",
                "it.a",
                "-Wl,--no-whole-archive",
                "-o",
                "of-archive",
            ],
        );
        for program in ["./it", "./linked", "./of-archive"] {
            do_run(&place, program, &[]);
        }
        let symbols = place.command("nm").args(["-D", "it.so"]).output();
        let symbols = String::from_utf8(symbols.expect("nm").stdout).expect("UTF-8");
        assert!(
            symbols.contains(" T work") && !symbols.contains("__mgenjit_profile"),
            "{symbols}"
        );
    }
}
