//! Runs every program in `tests/c`, which use the library through its public header alone: each twice, first
//! with an empty cache, then with what the first run stored. `support::directives` says what a program can ask
//! for.

mod support;

use support::workspace::{Run, Workspace};

fn check(file: &str) {
    let mut workspace = Workspace::new(file);
    for (index, servers) in workspace.directives.servers.clone().iter().enumerate() {
        if index > 0 {
            // An empty cache again.
            workspace = Workspace::new(file);
        }
        workspace.set_servers(servers);
        workspace
            .run(Run::Cold)
            .expect_success(&format!("{file}, {servers} servers, cold"));
        if !workspace.directives.once {
            workspace
                .run(Run::Warm)
                .expect_success(&format!("{file}, {servers} servers, warm"));
        }
    }
}

macro_rules! programs {
    ($($name:ident . $extension:ident)*) => {
        const PROGRAMS: &[&str] = &[
            $(concat!(stringify!($name), ".", stringify!($extension))),*
        ];
        $(
            #[test]
            fn $name() {
                check(concat!(stringify!($name), ".", stringify!($extension)));
            }
        )*
    };
}

programs! {
    arguments.c
    backtrace.c
    bad_files.c
    bad_ir.c
    bitcode.c
    cache_api.c
    cache_bundles.c
    cache_canonical.c
    cache_directory.c
    cache_hostile.c
    cache_nulls.c
    cache_pieces.c
    cache_places.c
    cache_races.c
    cache_signed.c
    cache_verify.c
    cache_versions.c
    calls.c
    calls_refused.c
    cplusplus.c
    cpu_level.c
    damaged_entries.c
    events.c
    exceptions.cpp
    export.c
    export_bad.c
    export_files.c
    export_helpers.c
    export_hit.c
    export_layouts.c
    export_programs.c
    export_sqlite.c
    export_targets.c
    flavours.c
    fork.c
    hidden.c
    hit.c
    hosts_children.c
    hosts_descriptors.c
    hosts_forks.c
    hosts_limits.c
    hosts_places.c
    hosts_threads.c
    isolate_calls.c
    isolate_host.c
    isolate_pool.c
    isolate_stress.c
    isolated.c
    isolated_kernels.c
    isolated_processes.c
    isolates.c
    isolates_hostile.c
    isolation.c
    lifecycle.c
    lifecycle_replaceable.c
    limits.c
    linked_in.c
    linking.c
    module_info.c
    nulls.c
    object_kinds.c
    perf_map.c
    profile.c
    progress.c
    real_programs.c
    remote.c
    remote_answers.c
    removal.c
    replaceable.c
    replaced_by_thousands.c
    run_main.c
    sanitized.cpp
    server_discovery.c
    server_killed.c
    server_process.c
    server_status.c
    set_user_id.c
    shared_server.c
    shortage.c
    singletons.cpp
    singletons_of_a_library.c
    source.c
    source_objects.c
    sqlite.c
    switched.c
    symbolize.c
    symbols.c
    targets.c
    tasks.c
    ten_thousand_modules.c
    thread_locals.cpp
    thread_locals_replaceable.cpp
    threads.c
}

#[test]
#[ignore = "takes minutes"]
fn soak_a_million_replacements() {
    let mut workspace = Workspace::new("replaced_by_thousands.c");
    workspace.set_variable("CHECK_REPLACEMENTS", "1000000");
    let run = workspace.run(Run::Cold);
    run.expect_success("a million replacements");
}

#[test]
#[ignore = "takes minutes"]
fn soak_isolates_that_crash() {
    let mut workspace = Workspace::new("isolate_stress.c");
    workspace.set_variable("CHECK_SECONDS", "60");
    let run = workspace.run(Run::Cold);
    run.expect_success("isolates that crash for a minute");
}

#[test]
fn every_program_is_run() {
    let mut files: Vec<String> = std::fs::read_dir(support::source("tests/c"))
        .expect("tests/c")
        .map(|entry| {
            let name = entry.expect("an entry of tests/c").file_name();
            name.into_string().expect("a UTF-8 name")
        })
        .filter(|name| name.split('.').next_back() != Some("h"))
        .collect();
    files.sort();
    assert_eq!(files, PROGRAMS, "tests/c and the list above, sorted");
}
