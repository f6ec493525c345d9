//! The program that an input is: steps that write objects and refs, good ones, odd ones and damaged ones.
//!
//! A step is a byte and its parameters, so that a change of a few bytes makes another repository, and not none.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use arbitrary::Unstructured;
use cutwater::words::VersionNumber;
use git2::{ObjectType, Oid, Repository};

/// Most steps of one program.
const STEPS_MAX: usize = 48;
/// Apps that refs are written for.
pub(super) const APPS: [&str; 2] = ["checkout", "pay"];

/// What writes a repository. Every step takes its parameters from the input.
pub(super) struct Program<'a> {
    pub(super) repo: Repository,
    dir: PathBuf,
    input: Unstructured<'a>,
    objects: Vec<Oid>,
    /// Numbers of versions that are worth a look.
    pub(super) numbers: BTreeSet<VersionNumber>,
}

const APP_FILES: [&str; 7] = [
    "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: checkout}\nspec:\n  functions:\n  - {name: web, port: 80, image: 'r/x@sha256:1111111111111111111111111111111111111111111111111111111111111111', files: {mountPath: /app, include: ['**']}}\n",
    "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: checkout}\nspec:\n  functions:\n  - {name: web, port: 80, image: 'r/x@sha256:1111111111111111111111111111111111111111111111111111111111111111'}\n  - {name: b, port: 81, image: 'r/x@sha256:1111111111111111111111111111111111111111111111111111111111111111', files: {mountPath: /app, include: ['a*', 'public/**']}}\n",
    "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: pay}\nspec: {functions: []}\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\na: 1\n",
    "- \"\\e[31m\"\n",
    "",
    "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\napps: a\n",
];
const NAMES: [&[u8]; 27] = [
    b"app.yaml",
    b"a",
    b"A",
    b"b",
    b"public",
    b"apps",
    b"checkout",
    b"link",
    b".git",
    b".GIT",
    b"git~1",
    b".",
    b"..",
    b"",
    b"/etc",
    b"a/b",
    b"x\ny",
    b"\x1b[31m",
    b"\xff\xfe",
    b"a\\b",
    b".git ",
    b".g\xe2\x80\x8cit",
    b".gitmodules",
    b".gitattributes",
    "\u{9b}31m".as_bytes(),
    b"con:",
    b"cutwater.yaml",
];
const LINKS: [&[u8]; 10] = [
    b"a",
    b"public",
    b"..",
    b"../..",
    b"/etc/passwd",
    b"link",
    b"../link",
    b"",
    b"\xff",
    b"./public/../a",
];
const MODES: [u32; 9] = [
    0o100_644, 0o40_000, 0o120_000, 0o100_755, 0o160_000, 0o100_664, 0, 0o777_777, 0o40_755,
];

impl<'a> Program<'a> {
    pub(super) fn new(repo: Repository, data: &'a [u8]) -> Self {
        Self {
            dir: repo.path().to_owned(),
            repo,
            input: Unstructured::new(data),
            objects: Vec::new(),
            numbers: BTreeSet::new(),
        }
    }

    pub(super) fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.input.is_empty() {
                break;
            }
            self.step();
        }
    }

    fn byte(&mut self) -> u8 {
        self.input.arbitrary().unwrap_or(0)
    }

    /// A few bytes of the input as they are.
    fn bytes(&mut self) -> Vec<u8> {
        let len = usize::from(self.byte()).min(self.input.len());
        self.input.bytes(len).unwrap_or_default().to_vec()
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    fn app(&mut self) -> &'static str {
        self.one_of(&APPS)
    }

    fn number(&mut self) -> u32 {
        let number = u32::from(self.byte()) % 8;
        self.numbers.extend(VersionNumber::new(number));
        number
    }

    /// Something that was written before, or an id of nothing.
    fn object(&mut self) -> Oid {
        let back = usize::from(self.byte());
        match self.objects.len().checked_sub(back + 1) {
            Some(at) => self.objects[at],
            None => Oid::from_bytes(&[u8::try_from(back).unwrap_or(0); 20]).unwrap(),
        }
    }

    fn write(&mut self, kind: ObjectType, content: &[u8]) -> Oid {
        let oid = self.repo.odb().unwrap().write(kind, content).unwrap();
        self.objects.push(oid);
        oid
    }

    fn step(&mut self) {
        match self.byte() % 18 {
            0 => {
                let content = self.bytes();
                self.write(ObjectType::Blob, &content);
            }
            1 => {
                let content = self.one_of(&APP_FILES);
                self.write(ObjectType::Blob, content.as_bytes());
            }
            2 => self.tree(),
            3 => {
                let content = self.bytes();
                self.write(ObjectType::Tree, &content);
            }
            4 => {
                let tree = self.object();
                self.commit(tree);
            }
            5 => {
                let content = self.bytes();
                let tree = self.object();
                let content = [format!("tree {tree}\n").as_bytes(), &content].concat();
                self.write(ObjectType::Commit, &content);
            }
            6 => {
                let (object, kind) = (
                    self.object(),
                    self.one_of(&["commit", "tree", "blob", "tag", "x"]),
                );
                let rest = self.bytes();
                let content =
                    format!("object {object}\ntype {kind}\ntag v1\ntagger A <a@b> 1 +0000\n\n");
                self.write(ObjectType::Tag, &[content.as_bytes(), &rest].concat());
            }
            7 => {
                let (name, oid) = (self.ref_name(), self.object());
                self.write_ref(&name, format!("{oid}\n").as_bytes());
            }
            8 => {
                let (name, content) = (self.ref_name(), self.bytes());
                self.write_ref(&name, &content);
            }
            9 => {
                let (name, other) = (self.ref_name(), self.ref_name());
                self.write_ref(&name, format!("ref: {other}\n").as_bytes());
            }
            10 => self.damage(),
            11 => {
                let oid = self.object();
                // It may be gone already.
                let _gone = fs::remove_file(self.place(oid));
            }
            12 => {
                let depth = self.byte();
                self.nest(usize::from(depth), 1);
            }
            13 => {
                let (depth, width) = (self.byte() % 40, self.byte() % 16);
                self.nest(usize::from(depth), usize::from(width));
            }
            14 => {
                let target = self.one_of(&LINKS);
                self.write(ObjectType::Blob, target);
            }
            15 => {
                let size = 1_usize << (self.byte() % 22);
                self.write(ObjectType::Blob, &vec![b'x'; size]);
            }
            16 => {
                let lines = usize::from(self.byte()) * 64;
                let content = "Cutwater-Overlay: x\n".repeat(lines);
                let oid = self.object();
                let content = format!(
                    "tree {oid}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n\n{content}"
                );
                self.write(ObjectType::Commit, content.as_bytes());
            }
            _ => self.version(),
        }
    }

    fn tree(&mut self) {
        let mut content = Vec::new();
        for _ in 0..self.byte() % 12 {
            let own = self.byte().is_multiple_of(8);
            let name = if own {
                self.bytes()
            } else {
                self.one_of(&NAMES).to_vec()
            };
            self.entry(&mut content, &name);
        }
        self.write(ObjectType::Tree, &content);
    }

    fn entry(&mut self, content: &mut Vec<u8>, name: &[u8]) {
        let (mode, oid) = (self.one_of(&MODES), self.object());
        content.extend_from_slice(format!("{mode:o} ").as_bytes());
        content.extend_from_slice(name);
        content.push(0);
        content.extend_from_slice(oid.as_bytes());
    }

    fn commit(&mut self, tree: Oid) -> Oid {
        let mut content = format!("tree {tree}\n");
        for _ in 0..self.byte().saturating_sub(240) / 5 {
            content += &format!("parent {}\n", self.object());
        }
        let who = self.one_of(&[
            "Ada <ada@example.com> 1700000000 +0000",
            "\u{1b}[31m <> 99999999999999 +9999",
            "A <a@b> -1 -0000",
            "",
            "<",
        ]);
        content += &format!("author {who}\ncommitter {who}\n\n");
        let (app, number) = (self.app(), self.number());
        let message = self.one_of(&[
            "",
            "A new cart",
            "x\n\nCutwater-App: pay",
            "\u{1b}]0;x\u{7}",
        ]);
        content += &format!(
            "{app} v{number}: {message}\n\nCutwater-App: {app}\nCutwater-Version: {number}\nCutwater-Source: cli\n"
        );
        content += self.one_of(&[
            "",
            "",
            "Cutwater-Deleted: true\n",
            "Cutwater-Source-Commit: x\n",
            "Cutwater-App: pay\n",
            "Cutwater-Later: x\n",
            "Signed-off-by: x\n",
        ]);
        self.write(ObjectType::Commit, content.as_bytes())
    }

    /// A version as a publisher would make it, with a tag, `last` and a hint.
    fn version(&mut self) {
        let content = self.one_of(&APP_FILES[..2]);
        let blob = self.write(ObjectType::Blob, content.as_bytes());
        let mut tree = Vec::new();
        for (mode, name, oid) in [("100644", "app.yaml", blob), ("100755", "x.sh", blob)] {
            tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            tree.extend_from_slice(oid.as_bytes());
        }
        let tree = self.write(ObjectType::Tree, &tree);
        let (app, number) = (self.app(), self.number());
        let text = format!(
            "tree {tree}\nauthor Ada <ada@example.com> 1700000000 +0000\ncommitter Ada <ada@example.com> 1700000000 +0000\n\n{app} v{number}\n\nCutwater-App: {app}\nCutwater-Version: {number}\nCutwater-Source: cli\n"
        );
        let commit = self.write(ObjectType::Commit, text.as_bytes());
        for name in [
            format!("refs/tags/{app}/v{number}"),
            format!("refs/cutwater/{app}/last"),
            format!("refs/cutwater/{app}/ids/{tree}"),
        ] {
            self.write_ref(&name, format!("{commit}\n").as_bytes());
        }
    }

    /// Folders in folders, each of them `width` times the next.
    fn nest(&mut self, depth: usize, width: usize) {
        let mut inner = self.object();
        for _ in 0..depth {
            let mut content = Vec::new();
            for index in 0..width {
                content.extend_from_slice(format!("40000 d{index:02}\0").as_bytes());
                content.extend_from_slice(inner.as_bytes());
            }
            inner = self.write(ObjectType::Tree, &content);
        }
    }

    fn ref_name(&mut self) -> String {
        let (app, number) = (self.app(), self.number());
        match self.byte() % 12 {
            0..=2 => format!("refs/tags/{app}/v{number}"),
            3 => format!("refs/tags/{app}/spring"),
            4 => format!("refs/tags/{app}/v1.{number}"),
            5 => format!("refs/cutwater/{app}/last"),
            6 => format!("refs/cutwater/{app}/ids/{}", self.object()),
            7 => format!("refs/cutwater/{app}/ids/x{number}"),
            8 => format!("refs/tags/{app}/v{number}/below"),
            9 => format!("refs/tags/{app}"),
            10 => "refs/heads/main".to_owned(),
            _ => {
                let own = String::from_utf8_lossy(&self.bytes()).replace(['/', '\0'], "-");
                format!("refs/tags/{app}/{}", own.trim_matches('.'))
            }
        }
    }

    /// As a file: no check of git stands in the way. Where a folder is in the way, nothing happens.
    fn write_ref(&mut self, name: &str, content: &[u8]) {
        let path = self.dir.join(name);
        let made = path
            .parent()
            .is_none_or(|parent| fs::create_dir_all(parent).is_ok());
        let _written = made && fs::write(path, content).is_ok();
    }

    fn place(&self, oid: Oid) -> PathBuf {
        let hex = oid.to_string();
        self.dir.join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// An object whose bytes on disk are cut, turned over, or somebody else's.
    fn damage(&mut self) {
        let (oid, how, other) = (self.object(), self.byte(), self.object());
        let path = self.place(oid);
        let Ok(mut content) = fs::read(&path) else {
            return;
        };
        match how % 4 {
            0 => content.truncate(usize::from(how)),
            1 => {
                let at = usize::from(how) % content.len().max(1);
                content
                    .iter_mut()
                    .skip(at)
                    .take(3)
                    .for_each(|byte| *byte ^= 0x55);
            }
            2 => content = fs::read(self.place(other)).unwrap_or_default(),
            _ => content = self.bytes(),
        }
        // Loose objects are read-only.
        let _removed = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
    }
}
