//! `make install` and `make uninstall`: what is installed is used as users would, from a folder with a space in its name.

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::skips::skip;
use support::{is_made, source};

struct Installed {
    folder: tempfile::TempDir,
    /// Variables of the installation, as given to make.
    variables: Vec<(&'static str, PathBuf)>,
}

impl Installed {
    /// `None`: nothing is built that could be installed, as after `cargo test` alone.
    fn new(test: &str, folders: &[(&'static str, &str)]) -> Option<Installed> {
        if !is_made(&format!("install: {test}")) {
            return None;
        }
        let folder = tempfile::Builder::new()
            .prefix("mgenjit install ")
            .tempdir()
            .expect("a folder");
        let below = |name: &str| folder.path().join(name);
        let mut variables = vec![("PREFIX", below("the prefix"))];
        variables.extend(folders.iter().map(|(name, path)| (*name, below(path))));
        let installed = Installed { folder, variables };
        installed.shell("umask 077 && \"$INSTALL\" install");
        Some(installed)
    }

    /// Runs a script with the variables, and with `CACHE`, a folder of its own. Returns what it prints.
    fn shell(&self, script: &str) -> String {
        let output = Command::new("bash")
            .args(["-euc", script])
            .current_dir(self.folder.path())
            .envs(self.variables.iter().map(|(name, path)| (name, path)))
            .env("INSTALL", source("install/install.sh"))
            .env("QUICKSTART", source("examples-c/quickstart.c"))
            .env("MGENJIT_CACHE_DIR", self.folder.path().join("the cache"))
            .env_remove("MGENJIT_SERVER")
            // Cargo has programs find what it built.
            .env_remove("LD_LIBRARY_PATH")
            .output()
            .expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{script}: {}\n{printed}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        printed
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        list(self.folder.path(), &mut found);
        found
    }
}

fn list(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.file_type().expect("a type").is_dir() {
            list(&entry.path(), found);
        } else {
            found.insert(entry.path());
        }
    }
}

/// Whether a program is there that a test needs, for which the test is skipped otherwise.
fn has(test: &str, program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program])
        .status()
        .expect("sh runs")
        .success();
    if !found {
        skip(
            &format!("install: {test}"),
            &format!("there is no {program}"),
        );
    }
    found
}

#[test]
fn what_is_installed_can_be_used_whatever_the_umask() {
    let Some(installed) = Installed::new("modes", &[]) else {
        return;
    };
    let files = installed.files();
    assert!(files.len() > 12, "{files:#?}");
    for file in &files {
        let mode = file.metadata().expect("no dead link").permissions().mode() & 0o777;
        assert!(
            [0o644, 0o755].contains(&mode),
            "{}: {mode:o}",
            file.display()
        );
        for folder in file
            .ancestors()
            .take_while(|folder| *folder != installed.folder.path())
        {
            let mode = folder.metadata().expect("a folder").permissions().mode() & 0o555;
            assert!(
                folder == file || mode == 0o555,
                "{}: {mode:o}",
                folder.display()
            );
        }
    }
    let version = installed.shell("\"$PREFIX/bin/mgenjit\" --version");
    let server = "the prefix/lib/../libexec/mgenjit/mgenjit-server";
    assert!(version.contains(server), "{version}");
    let ir = "define i32 @main() { ret i32 7 }";
    let script =
        format!("echo '{ir}' >main.ll; \"$PREFIX/bin/mgenjit\" run main.ll && exit 1; [ $? = 7 ]");
    installed.shell(&script);
    installed.shell(LINK);
}

/// What the helper is for.
const LINK: &str = "echo 'define i32 @main() { ret i32 7 }' >main.ll; PATH=\"${BINDIR:-$PREFIX/bin}:$PATH\"; \
                    mgenjit build -o program main.ll; ./program && exit 1; [ $? = 7 ]";

#[test]
fn pkg_config_finds_it() {
    let Some(installed) = Installed::new("pkg-config", &[]) else {
        return;
    };
    if !has("pkg-config", "pkg-config") {
        return;
    }
    let find = "export PKG_CONFIG_PATH=\"$PREFIX/lib/pkgconfig\"; pkg-config --exact-version $(sed -n \
                's/^version = \"\\(.*\\)\"/\\1/p' '@Cargo.toml@' | head -n 1) mgenjit";
    let find = find.replace(
        "@Cargo.toml@",
        source("Cargo.toml").to_str().expect("UTF-8"),
    );
    let shared = "eval cc -o shared \"$QUICKSTART\" $(pkg-config --cflags --libs mgenjit) \
                  -Wl,-rpath,\"'$PREFIX/lib'\"; ./shared";
    assert_eq!(installed.shell(&format!("{find}; {shared}")), "30\n");
    let fixed = "eval cc -static -o static \"$QUICKSTART\" $(pkg-config --static --cflags --libs mgenjit); \
                 export MGENJIT_SERVER=\"$(pkg-config --variable=server mgenjit)\"; ./static";
    assert_eq!(installed.shell(&format!("{find}; {fixed}")), "30\n");
}

#[test]
fn cmake_finds_it() {
    let Some(installed) = Installed::new("cmake", &[]) else {
        return;
    };
    if !has("cmake", "cmake") {
        return;
    }
    let project = "cmake_minimum_required(VERSION 3.16)\nproject(test C)\nfind_package(mgenjit 0.2 REQUIRED)\n\
                   foreach(kind mgenjit static)\nadd_executable(with_${kind} \"$ENV{QUICKSTART}\")\n\
                   target_link_libraries(with_${kind} PRIVATE mgenjit::${kind})\nendforeach()\n";
    std::fs::write(installed.folder.path().join("CMakeLists.txt"), project).expect("a file");
    let script = "cmake -S . -B build -DCMAKE_PREFIX_PATH=\"$PREFIX\" >log && cmake --build build >>log && \
                  export MGENJIT_SERVER=\"$PREFIX/libexec/mgenjit/mgenjit-server\" && \
                  build/with_mgenjit && build/with_static";
    assert_eq!(installed.shell(script), "30\n30\n");
    let wrong = "sed -i 's/mgenjit 0.2 /mgenjit 9.0 /' CMakeLists.txt; \
                 ! cmake -S . -B other -DCMAKE_PREFIX_PATH=\"$PREFIX\" >log 2>&1";
    installed.shell(wrong);
}

#[test]
fn each_folder_can_be_elsewhere() {
    let folders = [
        ("BINDIR", "some programs"),
        ("LIBDIR", "multi/arch"),
        ("LIBEXECDIR", "other/servers"),
        ("INCLUDEDIR", "headers"),
        ("MANDIR", "manuals"),
    ];
    let Some(installed) = Installed::new("folders", &folders) else {
        return;
    };
    let version = installed.shell("\"$BINDIR/mgenjit\" --version");
    assert!(
        version.contains("multi/arch/mgenjit/mgenjit-server"),
        "{version}"
    );
    installed.shell(LINK);
    let quickstart = "cc -I\"$INCLUDEDIR\" -o quickstart \"$QUICKSTART\" -L\"$LIBDIR\" -lmgenjit; \
                      LD_LIBRARY_PATH=\"$LIBDIR\" ./quickstart; test -f \"$MANDIR/man1/mgenjit.1\"";
    assert_eq!(installed.shell(quickstart), "30\n");
}

#[test]
fn names_of_folders_alone_can_differ() {
    for library in ["the prefix/lib64", "the prefix/lib/x86_64-linux-gnu"] {
        let Some(installed) = Installed::new("library folders", &[("LIBDIR", library)]) else {
            return;
        };
        let version = installed.shell("\"$PREFIX/bin/mgenjit\" --version");
        assert!(
            version.contains("libexec/mgenjit/mgenjit-server"),
            "{version}"
        );
        installed.shell("test ! -e \"$LIBDIR/mgenjit\"");
    }
}

/// What debuggers find the symbols by stays, and the symbols do not.
#[test]
fn programs_are_stripped() {
    let Some(installed) = Installed::new("strip", &[]) else {
        return;
    };
    for program in [
        "bin/mgenjit",
        "libexec/mgenjit/mgenjit-server",
        "libexec/mgenjit/mgenjit-helper",
        "lib/libmgenjit.so",
    ] {
        let sections = installed.shell(&format!("readelf -SW \"$PREFIX/{program}\""));
        assert!(!sections.contains(".debug_info"), "{program}: {sections}");
        if program.starts_with("lib/") {
            assert!(sections.contains(".note.gnu.build-id"), "{sections}");
        } else {
            assert!(!sections.contains(".symtab"), "{program}: {sections}");
        }
    }
    installed.shell(
        "readelf -n \"$PREFIX/libexec/mgenjit/mgenjit-server\" | grep -q 'Build ID'; \
         readelf -n \"$PREFIX/libexec/mgenjit/mgenjit-helper\" | grep -q 'Build ID'; \
         STRIP= \"$INSTALL\" install; readelf -SW \"$PREFIX/bin/mgenjit\" | grep -q '\\.symtab'",
    );
}

/// The dynamic linker's cache is made anew by root alone, for a folder that the system searches, and not for a package.
#[test]
fn the_dynamic_linker_is_told() {
    let Some(installed) = Installed::new("ldconfig", &[]) else {
        return;
    };
    // In the place of the system's. A folder can have two names, as Debian's /lib and /usr/lib.
    installed.shell(
        "mkdir stand-ins; ln -s 'the prefix/lib' 'other name'; cd stand-ins; echo 'echo $USER_ID' >id
         echo '[ \"$1\" != -N ] || exec echo \"$SEARCHED: (from <builtin>:0)\"; echo it was run' >ldconfig
         sed -i '1i #!/bin/sh' *; chmod 755 *",
    );
    let check = |variables: &str, expect: &str| {
        let run = format!("PATH=\"$PWD/stand-ins:$PATH\" {variables} \"$INSTALL\"");
        let printed = installed.shell(&format!("{run} install"));
        assert!(printed.starts_with(expect), "{variables}: {printed}");
        assert_eq!(printed.is_empty(), expect.is_empty(), "{printed}");
        let printed = installed.shell(&format!("{run} uninstall"));
        assert_eq!(printed.contains("it was run"), expect == "it was run");
    };
    let alias = "SEARCHED=\"$PWD/other name\"";
    check(&format!("{alias} USER_ID=0"), "it was run");
    check(
        &format!("{alias} USER_ID=1000"),
        "install: run ldconfig as root",
    );
    check(&format!("{alias} USER_ID=0 DESTDIR=\"$PWD/package\""), "");
    let advice = "install: the system does not look for libraries in";
    check("SEARCHED=/nowhere USER_ID=0", advice);
}

#[test]
fn what_is_removed_is_what_was_installed() {
    let Some(installed) = Installed::new("uninstall", &[("LIBEXECDIR", "elsewhere")]) else {
        return;
    };
    // Files of the user's, also in folders that are this library's.
    installed
        .shell("touch \"$LIBEXECDIR/mgenjit/mine\" \"$PREFIX/lib/mine\"; \"$INSTALL\" uninstall");
    let left: Vec<PathBuf> = installed
        .files()
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name != "mine"))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(installed.files().len(), 2);
    // A link that another version has put there.
    installed.shell(
        "ln -s libmgenjit.so.0.0.9 \"$PREFIX/lib/libmgenjit.so.0\"; \"$INSTALL\" uninstall; \
         test -L \"$PREFIX/lib/libmgenjit.so.0\"",
    );
    installed.shell("test ! -e \"$PREFIX/lib/cmake/mgenjit\" && test ! -e \"$PREFIX/lib/mgenjit\"");
}

#[test]
fn a_package_is_built_below_destdir() {
    let Some(installed) = Installed::new("DESTDIR", &[]) else {
        return;
    };
    installed.shell("PREFIX=/usr DESTDIR=\"$PWD/the package\" \"$INSTALL\" install");
    let text = installed.shell("cat \"the package/usr/lib/pkgconfig/mgenjit.pc\"");
    let expect = "prefix=/usr\nlibdir=${prefix}/lib\nincludedir=${prefix}/include\n";
    assert!(
        text.starts_with(expect) && !text.contains("the package"),
        "{text}"
    );
    // The dynamic linker looks there, and packages are to name no folder.
    let needed = installed.shell("readelf -d \"the package/usr/bin/mgenjit\"");
    assert!(
        needed.contains("libmgenjit.so.0") && !needed.contains("PATH"),
        "{needed}"
    );
    installed.shell(
        "PREFIX=/usr DESTDIR=\"$PWD/the package\" \"$INSTALL\" uninstall; \
         test -z \"$(find 'the package' ! -type d)\"",
    );
    let refused = installed.shell("PREFIX=relative \"$INSTALL\" install 2>&1 && exit 1; true");
    assert!(
        refused.contains("relative") && refused.contains("absolute"),
        "{refused}"
    );
}

#[test]
fn the_manual_is_well_formed() {
    let Some(installed) = Installed::new("the manual", &[]) else {
        return;
    };
    if has("the manual", "mandoc") {
        installed.shell("mandoc -T lint -W warning \"$PREFIX/share/man/man1/mgenjit.1\"");
    }
    if has("the manual", "man") {
        let show =
            "LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings \"$PREFIX/share/man/man1/mgenjit.1\"";
        let warnings = installed.shell(&format!("{show} 2>&1 >/dev/null"));
        assert_eq!(warnings, "");
        let manual = installed.shell(&format!("{show} | col -b"));
        for part in ["mgenjit run", "mgenjit doctor", "MGENJIT_CACHE_DIR"] {
            assert!(manual.contains(part), "{part} in {manual}");
        }
    }
}

/// What is completed where a line ends with its last word.
const COMPLETED: [(&str, &[&str]); 10] = [
    ("ru", &["run"]),
    ("repl --no", &["--no-cache"]),
    ("help d", &["doctor"]),
    ("run --no", &["--no-cache"]),
    ("run --add x.ll --opt 2 --ti", &["--tiers", "--time"]),
    ("build -o x --sta", &["--static"]),
    ("cache expl", &["explain"]),
    ("cache --cache-dir list verif", &["verify"]),
    // Those of the cache's command.
    (
        "cache --cache-dir x list --un",
        &["--unpinned", "--unused-for"],
    ),
    ("server st", &["status", "stats", "stop"]),
];

#[test]
fn bash_completes() {
    let Some(installed) = Installed::new("bash's completions", &[]) else {
        return;
    };
    let complete = |words: &str, expect: &[&str]| {
        let script = format!(
            "PATH=\"$PREFIX/bin:$PATH\"; . \"$PREFIX/share/bash-completion/completions/mgenjit\"; \
             COMP_WORDS=(mgenjit {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _mgenjit || true; \
             echo \"${{COMPREPLY[@]}}\""
        );
        let printed = installed.shell(&script);
        let found: Vec<&str> = printed.split_whitespace().collect();
        assert_eq!(found, expect, "{words}");
    };
    for (words, expect) in COMPLETED {
        complete(words, expect);
    }
    let commands = ["run", "build", "repl", "cache", "server", "doctor", "help"];
    complete("''", &[&commands[..], &["--help", "--version"]].concat());
    // Names of files are completed by readline.
    complete("run ''", &[]);
}

#[test]
fn zsh_completes() {
    let Some(installed) = Installed::new("zsh's completions", &[]) else {
        return;
    };
    if !has("zsh's completions", "zsh") {
        return;
    }
    // In the place of zsh's own, which work on its command line alone.
    let functions = r#"
        _call_program() { shift; "$@" }
        _describe() { local one; for one in ${(P)2}; do matching ${${one%%:*}:-nothing}; done }
        compadd() { shift; local one; for one in "$@"; do matching $one; done }
        _files() { print "files" }
        matching() { [[ $1 == $typed* ]] && print -r -- $1; true }
        complete() { words=(mgenjit "$@"); CURRENT=$#words; typed=$words[-1]; PREFIX=$typed; eval "$code" }
        path=($PREFIX/bin $path) code="complete_here() { $(<$PREFIX/share/zsh/site-functions/_mgenjit)
        }; complete_here"
    "#;
    std::fs::write(installed.folder.path().join("functions"), functions).expect("a file");
    let complete = |words: &str, expect: &[&str]| {
        let printed = installed.shell(&format!("zsh -f -c '. ./functions; complete {words}'"));
        let found: Vec<&str> = printed.split_whitespace().collect();
        assert_eq!(found, expect, "{words}");
    };
    for (words, expect) in COMPLETED {
        complete(words, expect);
    }
    complete(
        "\"\"",
        &["run", "build", "repl", "cache", "server", "doctor", "help"],
    );
    complete("server \"\"", &["status", "stats", "stop"]);
    complete("--v", &["--version"]);
    complete("run \"\"", &["files"]);
}
