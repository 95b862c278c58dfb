//! The window: an alternate screen that is left when the program ends, by a panic, too. Only a signal that kills it leaves
//! it as it is.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Write},
    process::{Command, Stdio},
};

use super::{text::Paint, view::Size};

/// Alternate screen, no cursor.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// What is printed to if nothing tells how large the window is.
const DEFAULT: Size = Size { columns: 100, rows: 40 };

pub(crate) struct Screen {
    is_terminal: bool,
    /// How wide it is to be, whatever the window is.
    columns: Option<usize>,
    window: Size,
    paint: Paint,
}

impl Screen {
    /// Where the output is no terminal, pages are printed one after the other.
    pub(crate) fn open(columns: Option<usize>) -> io::Result<Self> {
        let is_terminal = io::stdout().is_terminal();
        let is_colourful = is_terminal && env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let paint = if is_colourful { Paint::Colours } else { Paint::None };
        if is_terminal {
            print(ENTER)?;
        }
        let mut screen = Self { is_terminal, columns, window: DEFAULT, paint };
        screen.measure();
        Ok(screen)
    }

    /// The window may be larger or smaller than it was.
    pub(crate) fn measure(&mut self) {
        if self.is_terminal {
            self.window = ask_terminal().unwrap_or(DEFAULT);
        }
    }

    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    pub(crate) fn size(&self) -> Size {
        Size { columns: self.columns.unwrap_or(self.window.columns), ..self.window }
    }

    pub(crate) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        if self.is_terminal {
            // Each line is cleared behind its end, and all below the last: nothing flickers.
            print(&format!("\u{1b}[H{}\u{1b}[K\u{1b}[J", lines.join("\u{1b}[K\r\n")))
        } else {
            print(&format!("{}\n\n", lines.join("\n")))
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = print(LEAVE);
        }
    }
}

/// Tells when the window is resized.
pub(crate) struct Resizes(#[cfg(unix)] tokio::signal::unix::Signal);

impl Resizes {
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{signal, SignalKind};

        signal(SignalKind::window_change()).map(Self)
    }

    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self())
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        std::future::pending().await
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The standard library does not know how large a terminal is; `stty` does, on every Unix.
fn ask_terminal() -> Option<Size> {
    let terminal = File::open("/dev/tty").ok()?;
    let told = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (rows, columns) = told.trim().split_once(' ')?;
    let size = Size { columns: columns.parse().ok()?, rows: rows.parse().ok()? };
    (size.columns > 0 && size.rows > 0).then_some(size)
}
