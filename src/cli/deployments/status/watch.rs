//! `cutwater deployments status --watch`: the same again and again, shown where it is something else.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::table::rows as rows_of;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::moment;
use crate::cli::output::{Failure, Ui};
use crate::view::{AdminClient, AppStatus, ServerStatus};

/// How often a server is asked.
const PAUSE: Duration = Duration::from_millis(200);
/// How often the repository and the cluster are, at the least; also when a server tells of a change.
const REPOSITORY: Duration = Duration::from_secs(5);

/// Shows the status until Ctrl-C, or until nobody reads it any more.
pub(super) fn watch(
    ui: &Ui,
    context: &Context,
    client: &AdminClient,
    read: &dyn Fn() -> Result<AppStatus, Failure>,
) -> Result<(), Failure> {
    end_on_interrupt()?;
    let mut status = read()?;
    if status.is_empty() {
        context.known(&status.app)?;
    }
    let mut looked = Instant::now();
    let (mut shown, mut unread) = (Json::Null, Vec::new());
    let mut rows: Vec<Vec<String>> = Vec::new();
    loop {
        let server = ServerStatus::ask(client, &context.workspace, &status.app).ok();
        let news = server != status.server;
        if news || looked.elapsed() >= REPOSITORY {
            match read() {
                Ok(read) => status = read,
                // What was read before stays, until it can be read again.
                Err(failure) => status.unread = vec![failure.to_string()],
            }
            looked = Instant::now();
        }
        status.server = server;
        if status.unread != unread {
            unread.clone_from(&status.unread);
            for gap in &unread {
                ui.warning(gap);
            }
        }
        let now = serde_json::to_value(&status)?;
        if now != shown {
            show(ui, &status, &mut rows)?;
            shown = now;
        }
        if ui.reader_is_gone() {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

/// At a terminal the whole anew; elsewhere a document, or a line for each row that is new or another one.
fn show(ui: &Ui, status: &AppStatus, before: &mut Vec<Vec<String>>) -> Result<(), Failure> {
    if ui.json {
        return ui.json_line(status);
    }
    let rows = rows_of(status);
    let time = moment::now().strftime("%H:%M:%S").to_string();
    if ui.clear_screen() {
        ui.result(format!("{time}, until Ctrl-C"));
        ui.table(&super::HEAD, 0, rows);
        return Ok(());
    }
    for row in rows.iter().filter(|row| !before.contains(row)) {
        let cells = row.iter().filter(|cell| !cell.is_empty());
        let cells: Vec<&str> = cells.map(String::as_str).collect();
        ui.result(format!("{time}  {}", cells.join("  ")));
    }
    let gone = (before.iter()).filter(|row| rows.iter().all(|other| key(other) != key(row)));
    for row in gone {
        let name: Vec<&str> = row.iter().take(2).map(String::as_str).collect();
        ui.result(format!("{time}  {}  gone", name.join("  ")));
    }
    *before = rows;
    Ok(())
}

/// What a row is about: an object, and who says it, without the line or the time that stands behind it.
fn key(row: &[String]) -> (Option<&str>, Option<&str>) {
    let mut cells = row.iter().map(String::as_str);
    let source = |cell: &'_ str| cell.split([' ', ',', ':']).next().unwrap_or_default().len();
    let what = cells.next();
    (what, cells.next().map(|cell| &cell[..source(cell)]))
}

/// Ctrl-C is how it ends, and no failure. A look at the remote that takes long is not waited for.
fn end_on_interrupt() -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut interrupt = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    thread::spawn(move || {
        runtime.block_on(interrupt.recv());
        std::process::exit(i32::from(exit::OK));
    });
    Ok(())
}
