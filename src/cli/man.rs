//! `cutwater man`: the manual, as man pages and as one page of Markdown, from the command line as it is.

use std::path::{Path, PathBuf};

use clap_mangen::Man;

use super::output::{Failure, Ui};
use super::{files, reference, tree};

/// Print or write the manual
///
/// There is one page for each command. Without --output, the page of the command that is named is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cutwater man versions publish | man -l -
  cutwater man --output /usr/local/share/man/man1
  cutwater man --markdown --output docs")]
pub(super) struct Args {
    /// The words of the command, such as `versions publish`; none for the whole program
    #[arg(conflicts_with_all = ["output", "markdown"])]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, and print their paths
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// All commands as one page of Markdown, cli.md
    #[arg(long)]
    markdown: bool,
}

impl Args {
    pub(super) fn run(self, ui: &Ui) -> Result<(), Failure> {
        if self.markdown {
            let text = reference::page()?;
            if let Some(folder) = &self.output {
                return files::write(ui, folder, [("cli.md".to_owned(), text)]);
            }
            ui.result(text.trim_end());
            return Ok(());
        }
        if let Some(folder) = &self.output {
            return write(ui, folder);
        }
        let words = self.command.join(" ");
        let found = tree::all()
            .into_iter()
            .find(|command| command.words == words)
            .ok_or_else(|| {
                Failure::usage(format!("there is no command `cutwater {words}`"))
                    .hint("`cutwater --help` lists the commands")
            })?;
        ui.result(page(&found)?.trim_end());
        Ok(())
    }
}

fn write(ui: &Ui, folder: &Path) -> Result<(), Failure> {
    let mut pages = Vec::new();
    for command in tree::all() {
        let name = format!("cutwater {}", command.words);
        let name = format!("{}.1", name.trim_end().replace(' ', "-"));
        pages.push((name, page(&command)?));
    }
    files::write(ui, folder, pages)
}

fn page(command: &tree::Entry) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command.clap.clone())
        .manual("Cutwater")
        .source(concat!("cutwater ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
