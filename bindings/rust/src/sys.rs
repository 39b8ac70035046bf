//! The C ABI, as `mgenjit.h` declares it, as far as this crate uses it. All of it is unsafe.

#![allow(non_camel_case_types, missing_docs)]

use std::ffi::{c_char, c_int, c_void};

macro_rules! handles {
    ($($name:ident)*) => { $(
        #[repr(C)]
        pub struct $name {
            _opaque: [u8; 0],
        }
    )* };
}

handles! { mgenjit_config mgenjit_error mgenjit_executor mgenjit_function mgenjit_module mgenjit_source }

pub type mgenjit_status = i32;
pub const MGENJIT_STATUS_OK: mgenjit_status = 0;

pub const MGENJIT_ORIGIN_CACHE: i32 = 2;

pub const MGENJIT_ALLOW_NOTHING: i32 = 0;
pub const MGENJIT_ALLOW_VANISHED: i32 = 1;
pub const MGENJIT_ALLOW_CHANGED: i32 = 2;

pub const MGENJIT_EVENT_HIT: i32 = 1;
pub const MGENJIT_EVENT_MISS: i32 = 2;
pub const MGENJIT_EVENT_COMPILE_STARTED: i32 = 3;
pub const MGENJIT_EVENT_COMPILED: i32 = 4;
pub const MGENJIT_EVENT_STORED: i32 = 5;
pub const MGENJIT_EVENT_LOADED: i32 = 6;
pub const MGENJIT_EVENT_CACHE_WARNING: i32 = 7;
pub const MGENJIT_EVENT_DIFFERENT: i32 = 8;
pub const MGENJIT_EVENT_NOT_ISOLATED: i32 = 9;
pub const MGENJIT_EVENT_SERVER_WARNING: i32 = 10;
pub const MGENJIT_EVENT_PROGRESS: i32 = 11;
pub const MGENJIT_EVENT_WARNING: i32 = 12;
pub const MGENJIT_EVENT_REMOTE_HIT: i32 = 13;
pub const MGENJIT_EVENT_REMOTE_WARNING: i32 = 14;
pub const MGENJIT_EVENT_SWITCHED: i32 = 15;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct mgenjit_times {
    pub size: usize,
    pub hash_us: u64,
    pub find_us: u64,
    pub wait_us: u64,
    pub start_us: u64,
    pub parse_us: u64,
    pub optimise_us: u64,
    pub codegen_us: u64,
    pub link_us: u64,
    pub compile_us: u64,
    pub store_us: u64,
    pub map_us: u64,
    pub bind_us: u64,
    pub total_us: u64,
    pub remote_us: u64,
}

#[repr(C)]
pub struct mgenjit_event {
    pub size: usize,
    pub kind: i32,
    pub key: *const c_char,
    pub name: *const c_char,
    pub message: *const c_char,
    pub bytes: u64,
    pub times: *const mgenjit_times,
    pub done: u64,
    pub total: u64,
}

pub type mgenjit_event_hook = unsafe extern "C" fn(*const mgenjit_event, *mut c_void);

extern "C" {
    pub fn mgenjit_version_string() -> *const c_char;
    pub fn mgenjit_llvm_version() -> *const c_char;
    pub fn mgenjit_status_name(status: mgenjit_status) -> *const c_char;

    pub fn mgenjit_error_status(error: *const mgenjit_error) -> mgenjit_status;
    pub fn mgenjit_error_message(error: *const mgenjit_error) -> *const c_char;
    pub fn mgenjit_error_line(error: *const mgenjit_error) -> u32;
    pub fn mgenjit_error_column(error: *const mgenjit_error) -> u32;
    pub fn mgenjit_error_source_line(error: *const mgenjit_error) -> *const c_char;
    pub fn mgenjit_error_symbol_count(error: *const mgenjit_error) -> usize;
    pub fn mgenjit_error_symbol(error: *const mgenjit_error, index: usize) -> *const c_char;
    pub fn mgenjit_error_free(error: *mut mgenjit_error);

    pub fn mgenjit_config_new(
        config: *mut *mut mgenjit_config,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_free(config: *mut mgenjit_config);
    pub fn mgenjit_config_set_opt_level(
        config: *mut mgenjit_config,
        level: i32,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_tiers(
        config: *mut mgenjit_config,
        first: i32,
        second: i32,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_cpu(
        config: *mut mgenjit_config,
        cpu: *const c_char,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_cache_dir(
        config: *mut mgenjit_config,
        path: *const c_char,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_cache_mode(
        config: *mut mgenjit_config,
        mode: i32,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_replaceable(
        config: *mut mgenjit_config,
        on: bool,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_server_path(
        config: *mut mgenjit_config,
        path: *const c_char,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_config_set_event_hook(
        config: *mut mgenjit_config,
        hook: Option<mgenjit_event_hook>,
        user: *mut c_void,
        user_free: Option<unsafe extern "C" fn(*mut c_void)>,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;

    pub fn mgenjit_source_new(
        name: *const c_char,
        source: *mut *mut mgenjit_source,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_source_free(source: *mut mgenjit_source);
    pub fn mgenjit_source_add(
        source: *mut mgenjit_source,
        name: *const c_char,
        bytes: *const c_void,
        length: usize,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;

    pub fn mgenjit_executor_new(
        config: *const mgenjit_config,
        executor: *mut *mut mgenjit_executor,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_executor_free(executor: *mut mgenjit_executor);
    pub fn mgenjit_executor_compile(
        executor: *mut mgenjit_executor,
        name: *const c_char,
        ir: *const c_void,
        length: usize,
        module: *mut *mut mgenjit_module,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_executor_compile_file(
        executor: *mut mgenjit_executor,
        path: *const c_char,
        module: *mut *mut mgenjit_module,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_executor_define(
        executor: *mut mgenjit_executor,
        name: *const c_char,
        address: *const c_void,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_executor_load_library(
        executor: *mut mgenjit_executor,
        path: *const c_char,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_executor_lookup(
        executor: *mut mgenjit_executor,
        name: *const c_char,
        address: *mut *mut c_void,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_executor_run_main(
        executor: *mut mgenjit_executor,
        argc: c_int,
        argv: *const *const c_char,
        exit_status: *mut c_int,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;

    pub fn mgenjit_module_free(module: *mut mgenjit_module);
    pub fn mgenjit_module_remove(
        module: *mut mgenjit_module,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_module_replace(
        module: *mut mgenjit_module,
        source: *const mgenjit_source,
        allow: i32,
        replacement: *mut *mut mgenjit_module,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_module_retire(
        module: *mut mgenjit_module,
        unmapped: *mut bool,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_module_name(module: *const mgenjit_module) -> *const c_char;
    pub fn mgenjit_module_key(module: *const mgenjit_module) -> *const c_char;
    pub fn mgenjit_module_origin(module: *const mgenjit_module) -> i32;
    pub fn mgenjit_module_times(
        module: *const mgenjit_module,
        times: *mut mgenjit_times,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
    pub fn mgenjit_module_function_count(module: *const mgenjit_module) -> usize;
    pub fn mgenjit_module_function(
        module: *mut mgenjit_module,
        index: usize,
        function: *mut *mut mgenjit_function,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;

    pub fn mgenjit_function_free(function: *mut mgenjit_function);
    pub fn mgenjit_function_name(function: *const mgenjit_function) -> *const c_char;
    pub fn mgenjit_function_signature(function: *const mgenjit_function) -> *const c_char;
    pub fn mgenjit_function_result_type(function: *const mgenjit_function) -> i32;
    pub fn mgenjit_function_parameter_count(function: *const mgenjit_function) -> usize;
    pub fn mgenjit_function_parameter_type(function: *const mgenjit_function, index: usize) -> i32;
    pub fn mgenjit_function_address(
        function: *mut mgenjit_function,
        address: *mut *mut c_void,
        error: *mut *mut mgenjit_error,
    ) -> mgenjit_status;
}
