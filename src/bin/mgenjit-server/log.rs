//! What a server does, one line for each thing: a JSON object with the time, the process, what happened, and more
//! about it.

use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nothing is written if there is no file. The file was opened to append, so that servers can share it.
pub struct Log(Option<File>);

impl Log {
    pub fn new(file: Option<OwnedFd>) -> Log {
        Log(file.map(File::from))
    }

    /// Whether lines go anywhere. What is costly to tell need not be told otherwise.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line, in one piece. What cannot be written is lost: there is nowhere else to say it.
    pub fn write(&self, event: &str, details: &[(&str, Value)]) {
        let Some(mut file) = self.0.as_ref() else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut line = Map::new();
        line.insert(
            "time".to_owned(),
            now.map_or(0.0, |time| time.as_secs_f64()).into(),
        );
        line.insert("pid".to_owned(), std::process::id().into());
        line.insert("event".to_owned(), event.into());
        for (name, value) in details {
            line.insert((*name).to_owned(), value.clone());
        }
        let mut line = Value::Object(line).to_string();
        line.push('\n');
        let _ = file.write_all(line.as_bytes());
    }
}
