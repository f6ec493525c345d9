//! The paths that the code of a module names, wherever they stand: imports in any form, types, calls, macros.
//!
//! Parsed, not searched: comments and texts name nothing, and nor does what is compiled for tests alone.

use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ExprMethodCall, Item, ItemMod, ItemUse, Macro, UseTree};

/// A file of the crate, and what its code names.
pub(super) struct Source {
    pub(super) file: PathBuf,
    /// Paths from the root of the crate (`crate`, module, name) or of another one (`std`, `fs`, `read`), whatever way they are written.
    pub(super) paths: Vec<Vec<String>>,
    /// Methods that are called, with the number of their arguments.
    pub(super) methods: Vec<(String, usize)>,
}

/// All files of a module of the crate that are not for tests alone.
pub(super) fn of_module(src: &Path, module: &str) -> Vec<Source> {
    let mut found = Vec::new();
    read(src, &[module.to_owned()], &mut found);
    found
}

fn read(src: &Path, place: &[String], found: &mut Vec<Source>) {
    let below: PathBuf = src.join(place.iter().collect::<PathBuf>());
    let file = [below.with_extension("rs"), below.join("mod.rs")];
    let file = file.into_iter().find(|file| file.is_file());
    let file = file.unwrap_or_else(|| panic!("{} has no file", place.join("::")));
    let text = std::fs::read_to_string(&file).unwrap();
    let (names, modules) = names(&text, place);
    found.push(Source { file, ..names });
    for module in modules {
        read(src, &module, found);
    }
}

/// What the text of a module names, and the modules that it declares in files of their own.
pub(super) fn names(text: &str, place: &[String]) -> (Source, Vec<Vec<String>>) {
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{place:?}: {error}"));
    let mut reader = Reader {
        place: place.to_vec(),
        paths: Vec::new(),
        imports: Vec::new(),
        methods: Vec::new(),
        modules: Vec::new(),
    };
    reader.visit_file(&parsed);
    let imports = reader.imports.clone();
    let through = |path: &Vec<String>| {
        // A name that is imported stands for all of its path, under whatever name.
        let import = imports.iter().find(|(name, _)| *name == path[0]);
        import.map(|(_, whole)| [whole, &path[1..]].concat())
    };
    let more: Vec<Vec<String>> = reader.paths.iter().filter_map(through).collect();
    reader.paths.extend(more);
    let source = Source {
        file: PathBuf::new(),
        paths: reader.paths,
        methods: reader.methods,
    };
    (source, reader.modules)
}

struct Reader {
    /// The module that is read, from the root of the crate.
    place: Vec<String>,
    paths: Vec<Vec<String>>,
    /// Names that imports bring, and what they stand for.
    imports: Vec<(String, Vec<String>)>,
    methods: Vec<(String, usize)>,
    modules: Vec<Vec<String>>,
}

impl Reader {
    /// A path from the root.
    fn whole(&self, path: &[String]) -> Vec<String> {
        let mut place = self.place.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("self") => rest = &path[1..],
            Some("super") => {}
            _ => return path.to_vec(),
        }
        while rest.first().is_some_and(|first| first == "super") {
            place.pop();
            rest = &rest[1..];
        }
        [&["crate".to_owned()], &place[..], rest].concat()
    }

    fn note(&mut self, path: &[String]) {
        if !path.is_empty() {
            let whole = self.whole(path);
            self.paths.push(whole);
        }
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before);
                }
            }
            UseTree::Glob(_) => self.note(&[before, &["*".to_owned()]].concat()),
            UseTree::Name(name) => self.imported(&with(&name.ident), &name.ident),
            UseTree::Rename(name) => self.imported(&with(&name.ident), &name.rename),
        }
    }

    fn imported(&mut self, path: &[String], name: &syn::Ident) {
        let is_self = path.last().is_some_and(|last| last == "self");
        let path = if is_self && path.len() > 1 {
            &path[..path.len() - 1]
        } else {
            path
        };
        // Under another name, or as a whole: all of the crate comes by it.
        let all = ["crate".to_owned(), "*".to_owned()];
        self.note(if path == ["crate"] { &all } else { path });
        let name = match name.to_string() {
            name if name == "self" => path.last().cloned().unwrap_or_default(),
            name => name,
        };
        let whole = self.whole(path);
        self.imports.push((name, whole));
    }

    /// Words that `::` joins, as they stand in a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.note(&std::mem::take(&mut path));
                    colons = 0;
                    self.tokens(group.stream());
                }
                _ => {
                    self.note(&std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.note(&path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.place.push(module.ident.to_string());
        if module.content.is_some() {
            visit::visit_item_mod(self, module);
        } else {
            self.modules.push(self.place.clone());
        }
        self.place.pop();
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        self.import(&import.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = (path.segments.iter())
            .map(|segment| segment.ident.to_string())
            .collect();
        self.note(&words);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
        visit::visit_macro(self, called);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.methods
            .push((call.method.to_string(), call.args.len()));
        visit::visit_expr_method_call(self, call);
    }
}

/// True for `#[cfg(test)]` and `#[test]`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let of_test = attribute.parse_args::<syn::Path>();
        attribute.path().is_ident("test") || (is_cfg && of_test.is_ok_and(|it| it.is_ident("test")))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
