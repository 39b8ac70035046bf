//! How an executor compiles and where it caches.

use crate::cache::options::{self, CacheMode, default_cache_dir};
use crate::cache::store::Store;
use crate::cache::trust::{Signer, Trust};
use crate::client;
use crate::client::limits::Limits;
use crate::client::options::{ServerLimits, ServerLog, ServerMode};
use crate::cpu::{Cpu, Level};
use crate::debug::Announce;
use crate::environment;
use crate::error::{Error, Status};
use crate::event::Hook;
use crate::protocol::profile::Profile;
use crate::remote::spec::{self, Mode, Spec};
use crate::remote::tier::{Tier, Timeouts};
use crate::types::{CodeOptions, OptLevel, Partition, ProfileUse, Target, TargetSpec};
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Says whether large modules are compiled in pieces, where the configuration does not.
const PIECES_VARIABLE: &CStr = c"MGENJIT_PIECES";

/// Names the two levels of tiers, where the configuration names no level.
const TIERS_VARIABLE: &CStr = c"MGENJIT_TIERS";

/// What `perf` is told of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perf {
    pub kind: PerfKind,
    /// Also of code that is mapped from a file, which `perf` reads by itself.
    pub all: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PerfKind {
    #[default]
    Off,
    Map,
    Jitdump,
}

#[derive(Clone)]
pub struct Config {
    pub opt_level: OptLevel,
    /// The level at which a miss is compiled and handed over, see [`Config::first_tier`]. `None`: what `$MGENJIT_TIERS` says, which
    /// then names `opt_level` too, see [`Config::resolve`].
    pub first: Option<OptLevel>,
    /// Nobody waits for what is compiled: see `executor/storing`.
    pub background: bool,
    /// Whether large modules are compiled in pieces. `None`: what `$MGENJIT_PIECES` says, see [`Config::resolve`].
    pub partition: Option<Partition>,
    /// Functions that others can see may be replaced.
    pub replaceable: bool,
    /// What the code counts, or what it is optimised by, as an input: see `protocol::profile`.
    pub profile: Option<Arc<[u8]>>,
    /// Make the IR the source that debuggers show, where it has no debug information.
    pub debug_ir: bool,
    /// `None`: what `$MGENJIT_PERF` says, else nothing.
    pub perf: Option<Perf>,
    /// Compile for this level. `None`: for all that the CPU of this process can do.
    pub level: Option<Level>,
    /// Compile for this instead, to export and not to run.
    pub target: Option<TargetSpec>,
    /// The C compiler driver or linker that links what is exported. `None`: `$MGENJIT_CC`, else `cc`.
    pub linker: Option<PathBuf>,
    /// After this, a linker that has not ended is stopped.
    pub linker_timeout: Duration,
    /// `None`: the default directory, see [`default_cache_dir`].
    pub cache_dir: Option<PathBuf>,
    pub cache_mode: CacheMode,
    /// Read-only caches below that one; what is found there is used there.
    pub cache_layers: Vec<PathBuf>,
    pub cache_limits: options::Limits,
    pub cache_sync: bool,
    pub cache_keep_input: bool,
    pub cache_index: bool,
    /// Compile on a hit as well, and compare.
    pub cache_verify: bool,
    pub signer: Option<Arc<Signer>>,
    /// The file that its key was read from.
    pub signing_key: Option<PathBuf>,
    pub trust: Option<Arc<Trust>>,
    /// The files that its keys were read from.
    pub trusted_keys: Vec<PathBuf>,
    /// The remote stores. `None`: those of `$MGENJIT_REMOTE`.
    pub remotes: Option<Vec<Spec>>,
    pub remote_timeouts: Timeouts,
    /// `None`: look for it, see `compile::locate`.
    pub server_path: Option<PathBuf>,
    /// `None`: `$MGENJIT_SERVER_MODE`, else private.
    pub server_mode: Option<ServerMode>,
    /// How long a shared server that is started waits for a request before it ends.
    pub server_idle_timeout: Duration,
    /// What a shared server that is started lets one request take.
    pub server_limits: ServerLimits,
    /// Where servers that are started write what they do. `None`: `$MGENJIT_SERVER_LOG`, else nowhere.
    pub server_log: Option<ServerLog>,
    /// 0: as many as there are cores.
    pub max_servers: usize,
    /// What one compile may take.
    pub limits: Limits,
    /// Where a folder is made for each compile that a server does not survive. `None`: nowhere.
    pub reproducers: Option<PathBuf>,
    /// How long a miss waits for somebody else who compiles the same code.
    pub lock_timeout: Duration,
    pub hook: Option<Hook>,
    /// Announce code to debuggers: always or never. `None`: `$MGENJIT_DEBUG`, else if one is there.
    pub debug: Option<bool>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            opt_level: OptLevel::O2,
            first: None,
            background: false,
            partition: None,
            replaceable: false,
            profile: None,
            debug_ir: false,
            perf: None,
            level: None,
            target: None,
            linker: None,
            linker_timeout: Duration::from_mins(5),
            cache_dir: None,
            cache_mode: CacheMode::ReadWrite,
            cache_layers: Vec::new(),
            cache_limits: options::Limits::default(),
            cache_sync: false,
            cache_keep_input: true,
            cache_index: true,
            cache_verify: false,
            signer: None,
            signing_key: None,
            trust: None,
            trusted_keys: Vec::new(),
            remotes: None,
            remote_timeouts: Timeouts::default(),
            server_path: None,
            server_mode: None,
            server_idle_timeout: Duration::from_mins(10),
            server_limits: ServerLimits::default(),
            server_log: None,
            max_servers: 0,
            limits: Limits::default(),
            reproducers: None,
            lock_timeout: Duration::from_mins(1),
            hook: None,
            debug: None,
        }
    }
}

impl Config {
    /// One level for all.
    pub fn set_level(&mut self, level: OptLevel) {
        self.set_tiers(level, level);
    }

    /// The level at which a miss is compiled and handed over, and that of what follows.
    pub fn set_tiers(&mut self, first: OptLevel, then: OptLevel) {
        self.first = Some(first);
        self.opt_level = then;
    }

    pub fn set_signing_key(&mut self, path: Option<&Path>) -> Result<(), Error> {
        self.signer = path.map(Signer::read).transpose()?.map(Arc::new);
        self.signing_key = path.map(Path::to_owned);
        Ok(())
    }

    /// What is compiled for.
    pub fn target(&self) -> Target {
        match &self.target {
            Some(target) => Target::Other(target.clone()),
            None => Target::Host(self.level.map_or_else(Cpu::native, Cpu::Level)),
        }
    }

    /// With what the environment says where the configuration says nothing, so that all that is made of it agrees.
    pub fn resolve(mut self) -> Result<Config, Error> {
        if self.partition.is_none() {
            let value = environment::variable(PIECES_VARIABLE).unwrap_or_default();
            self.partition = Some(match (value.to_str(), value.to_str().map(str::parse)) {
                (Some("" | "auto"), _) => Partition::Automatic,
                (Some("off"), _) => Partition::Off,
                (_, Some(Ok(size))) => Partition::Size(size),
                _ => {
                    let name = PIECES_VARIABLE.to_string_lossy();
                    let value = value.display();
                    let message = format!(
                        "${name} is \"{value}\": set it to \"auto\", \"off\" or a number of instructions"
                    );
                    return Err(Error::new(Status::InvalidArgument, message));
                }
            });
        }
        if self.first.is_none() {
            let value = environment::variable(TIERS_VARIABLE).unwrap_or_default();
            let read = |text: &str| match text {
                "" | "off" => Some((self.opt_level, self.opt_level)),
                text => {
                    let (first, then) = text.split_once(',')?;
                    Some((OptLevel::parse(first)?, OptLevel::parse(then)?))
                }
            };
            let Some((first, then)) = value.to_str().and_then(read) else {
                let name = TIERS_VARIABLE.to_string_lossy();
                let value = value.display();
                let message = format!(
                    "${name} is \"{value}\": set it to two optimisation levels, as in O0,O2, or to \"off\""
                );
                return Err(Error::new(Status::InvalidArgument, message));
            };
            self.set_tiers(first, then);
        }
        Ok(self)
    }

    /// The level at which a miss is compiled and handed over, if that is another one than `opt_level`. Debuggers are shown,
    /// other machines get, and profiles are of what was asked for.
    pub fn first_tier(&self) -> Option<OptLevel> {
        let applies = !self.debug_ir && self.target.is_none() && self.profile.is_none();
        self.first
            .filter(|first| applies && *first != self.opt_level)
    }

    /// What decides about code of a level: that of the first tier is to be switched to that of the second one.
    pub fn code_options_at(&self, level: OptLevel) -> CodeOptions {
        CodeOptions {
            switchable: self.first_tier() == Some(level),
            ..self.code_options()
        }
    }

    /// What decides about code beside the level and the target.
    pub fn code_options(&self) -> CodeOptions {
        CodeOptions {
            partition: self.partition.unwrap_or_default(),
            replaceable: self.replaceable,
            switchable: false,
            profile: match self.profile.as_deref().and_then(Profile::decode) {
                None => ProfileUse::None,
                Some(Profile::Generate) => ProfileUse::Generate,
                Some(Profile::Use(_)) => ProfileUse::Use,
            },
        }
    }

    /// Which debuggers are told of the code.
    pub fn announce(&self) -> Announce {
        let of_environment = || environment::variable(c"MGENJIT_DEBUG").map(|value| value != "0");
        match self.debug.or_else(of_environment) {
            None => Announce::ToThoseHere,
            Some(false) => Announce::Never,
            Some(true) => Announce::Always,
        }
    }

    /// The cache that this asks for; `None` if there is none.
    pub fn store(&self) -> Option<Store> {
        if self.cache_mode == CacheMode::Off {
            return None;
        }
        let path = self.cache_dir.clone().or_else(default_cache_dir)?;
        let options = options::Options {
            layers: self.cache_layers.clone(),
            limits: self.cache_limits,
            sync: self.cache_sync,
            keep_input: self.cache_keep_input,
            index: self.cache_index,
            writable: self.cache_mode == CacheMode::ReadWrite,
            signer: self.signer.clone(),
            trust: self.trust.clone(),
        };
        Some(Store::new(path, options))
    }

    /// The remote stores that this names.
    pub fn remotes(&self) -> Result<Vec<Spec>, Error> {
        match (&self.remotes, environment::variable(c"MGENJIT_REMOTE")) {
            (Some(specs), _) => Ok(specs.clone()),
            (None, Some(text)) => spec::parse(&text.to_string_lossy(), Mode::READ),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// The remote stores that this asks for, if any; `machine`: what entries must be for. The error says why they may not be used.
    pub fn tier(&self, machine: String) -> Result<Option<Tier>, Error> {
        // What is fetched is stored here.
        if self.cache_mode != CacheMode::ReadWrite {
            return Ok(None);
        }
        let specs = self.remotes()?;
        if specs.is_empty() {
            return Ok(None);
        }
        Tier::new(
            specs,
            self.remote_timeouts,
            self.trust.clone(),
            self.signer.is_some(),
            machine,
            self.server_path.clone(),
        )
        .map(Some)
    }

    /// The compile servers that this asks for.
    pub fn pool(&self) -> client::options::Options {
        client::options::Options {
            path: self.server_path.clone(),
            max_servers: self.max_servers,
            limits: self.limits,
            mode: self.server_mode,
            idle_timeout: self.server_idle_timeout,
            server_limits: self.server_limits,
            log: self.server_log.clone(),
            background: self.background,
        }
    }
}
