//! Which file imports from which: an arrow from the one that needs to the one that is needed. Tests do not count.

use crate::sources::sources;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// A module by its names from the crate's root on; the first name is the crate's.
type Module = Vec<String>;

/// The files that each file imports from.
pub type Arrows = BTreeMap<String, BTreeSet<String>>;

pub fn arrows() -> Arrows {
    let all = sources();
    let is_test = |name: &str| {
        let is = |part: &str| ["tests", "tests.rs", "fuzz", "fuzz.rs", "replay.rs"].contains(&part);
        name.split('/').any(is)
    };
    let files: BTreeMap<Module, &str> = all
        .iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, _)| (module(name), name.as_str()))
        .collect();
    let mut arrows = Arrows::new();
    for (name, text) in all.iter().filter(|(name, _)| !is_test(name)) {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut paths = Paths::default();
        paths.visit_file(&file);
        let here = module(name);
        let needs = paths
            .0
            .iter()
            .filter_map(|path| resolve(&here, path, &files));
        let needs = needs.filter(|other| other != name);
        arrows.insert(name.clone(), needs.map(str::to_owned).collect());
    }
    arrows
}

fn module(name: &str) -> Module {
    let (krate, rest) = match name
        .strip_prefix("src/bin/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((program, rest)) => (program, rest),
        None => ("mgenjit", name.trim_start_matches("src/")),
    };
    let mut parts: Module = vec![krate.to_owned()];
    parts.extend(rest.trim_end_matches(".rs").split('/').map(str::to_owned));
    if parts
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        parts.pop();
    }
    parts
}

/// The file that a path leads to.
fn resolve<'a>(
    here: &Module,
    path: &[String],
    files: &BTreeMap<Module, &'a str>,
) -> Option<&'a str> {
    let mut at = here.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => at.truncate(1),
        "mgenjit" => at = vec!["mgenjit".to_owned()],
        "self" => {}
        "super" => {
            while let Some("super") = rest.get(1).map(String::as_str) {
                at.pop();
                rest = &rest[1..];
            }
            at.pop();
        }
        first => {
            at.push(first.to_owned());
            // A name of another crate, or of an item, is none of ours.
            files.get(&at)?;
        }
    }
    for name in &rest[1..] {
        at.push(name.clone());
    }
    while !at.is_empty() {
        if let Some(file) = files.get(&at) {
            return Some(file);
        }
        at.pop();
    }
    None
}

/// The paths of a file, but for those in tests.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl Paths {
    fn add_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => self.0.push(before.to_vec()),
            syn::UseTree::Name(name) => self.0.push(with(&name.ident)),
            syn::UseTree::Rename(name) => self.0.push(with(&name.ident)),
            syn::UseTree::Glob(_) => self.0.push(before.to_vec()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, before);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_cfg = |attribute: &syn::Attribute| {
            let text = match &attribute.meta {
                syn::Meta::List(list) => list.tokens.to_string(),
                _ => String::new(),
            };
            attribute.path().is_ident("cfg") && (text.contains("test") || text.contains("fuzzing"))
        };
        if !item.attrs.iter().any(is_cfg) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.0.push(names.collect());
        }
        visit::visit_path(self, path);
    }
}
