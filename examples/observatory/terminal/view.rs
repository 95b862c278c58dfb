//! A snapshot and what happened of late as a page of text: what is near its end first, then what fell, then why.
//!
//! Pure: nothing is asked and nothing printed here.

use actix_dynamic_supervisor::{prelude::*, Branch, RestartLimit, Snapshot, Told};
use tokio::time::Instant;

use super::{
    recent::{Kind, Rates, Recent},
    text::{bar, brief, width, Line, Paint, Style},
};

/// How wide a bar is.
const BAR: usize = 10;

/// How many events are shown where there is room.
const EVENTS: usize = 10;

/// The window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// What is to be seen.
pub(crate) struct Scene<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) recent: &'a Recent,
    /// Where else to look.
    pub(crate) address: &'a str,
    pub(crate) now: Instant,
}

/// The page: at most as many lines as the window has rows, none wider than it.
pub(crate) fn draw(scene: &Scene<'_>, size: Size, paint: Paint) -> Vec<String> {
    let mut lines = head(scene);
    let (tree, worst) = (tree(scene.snapshot), worst(scene));
    let events: Vec<Line> = scene.recent.last().map(|event| line_of(event, scene.now)).collect();
    // Each part has a headline and a blank line before it.
    let room = size.rows.saturating_sub(lines.len() + 6);
    let events_shown = events.len().min(EVENTS).min(room / 3);
    let tree_shown = tree.len().min(room.saturating_sub(events_shown) * 2 / 3);
    let worst_shown = worst.len().min(room.saturating_sub(events_shown + tree_shown));
    for (title, part, shown) in [
        ("SUPERVISORS", tree, tree_shown),
        ("CHILDREN, THE WORST FIRST", worst, worst_shown),
        ("EVENTS, THE LAST FIRST", events, events_shown),
    ] {
        let left_out = part.len() - shown;
        let more = if left_out > 0 { format!(" (and {left_out} more)") } else { String::new() };
        lines.extend([Line::default(), Line::new(Style::Bold, title).and(Style::Dim, more)]);
        lines.extend(part.into_iter().take(shown));
    }
    lines.iter().take(size.rows).map(|line| line.print(size.columns, paint)).collect()
}

/// How it is all in all.
fn head(scene: &Scene<'_>) -> Vec<Line> {
    let (mut running, mut restarting, mut others, mut supervisors, mut silent) = (0, 0, 0, 0, 0);
    for supervisor in scene.snapshot.supervisors() {
        supervisors += 1;
        silent += supervisor.nested.iter().filter(|branch| branch.is_silent()).count();
        for sum in &supervisor.sums {
            match sum.state {
                ChildState::Running => running += sum.children,
                ChildState::Restarting => restarting += sum.children,
                _ => others += sum.children,
            }
        }
    }
    let Rates { events, starts, crashes, restarts, losses } = scene.recent.rates(scene.now);
    let bad = |count: usize| if count > 0 { Style::Bad } else { Style::Plain };
    let title = Line::new(Style::Bold, &*scene.snapshot.name)
        .and(Style::Plain, format!("  {} for {}", scene.snapshot.state, brief(scene.snapshot.started.elapsed())))
        .and(Style::Dim, format!("  {}", scene.address));
    let children = Line::new(Style::Plain, format!("supervisors: {supervisors}, running: {running}, "))
        .and(bad(restarting), format!("restarting: {restarting}"))
        .and(Style::Plain, format!(", starting or stopping: {others}, "))
        .and(bad(silent), format!("silent: {silent}"));
    let rates = Line::new(Style::Plain, format!("in the last minute: events: {events}, starts: {starts}, "))
        .and(bad(crashes), format!("crashes: {crashes}"))
        .and(Style::Plain, format!(", restarts: {restarts}, "))
        .and(bad(losses), format!("given up: {losses}"));
    let missed = scene.recent.missed;
    vec![title, children, if missed > 0 { rates.and(Style::Bad, format!(", missed: {missed}")) } else { rates }]
}

/// A supervisor's place in the tree.
struct Row<'a> {
    name: String,
    is: Is<'a>,
}

enum Is<'a> {
    Told(&'a Snapshot),
    NotTold(&'a Branch),
}

fn tree(root: &Snapshot) -> Vec<Line> {
    let mut rows = vec![Row { name: root.name.clone(), is: Is::Told(root) }];
    below(root, "", &mut rows);
    let names = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).min(40);
    rows.iter().map(|row| supervisor(row, names)).collect()
}

fn below<'a>(snapshot: &'a Snapshot, indent: &str, rows: &mut Vec<Row<'a>>) {
    let last = snapshot.nested.len().saturating_sub(1);
    for (nth, branch) in snapshot.nested.iter().enumerate() {
        let (mark, beneath) = if nth == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        match branch.snapshot() {
            Some(told) => {
                rows.push(Row { name: format!("{indent}{mark}{}", told.name), is: Is::Told(told) });
                below(told, &format!("{indent}{beneath}"), rows);
            }
            None => rows.push(Row { name: format!("{indent}{mark}{}", branch.name), is: Is::NotTold(branch) }),
        }
    }
}

fn supervisor(row: &Row<'_>, names: usize) -> Line {
    let line = Line::default().column(Style::Plain, &row.name, names);
    match row.is {
        Is::Told(told) => {
            let (active, all) = (told.counts.active, told.counts.specs);
            let style = if active < all { Style::Doubtful } else { Style::Plain };
            let limit = &told.limit;
            line.column(style, &format!("{active}/{all} up"), 10)
                .and(alarm(limit), bar(limit.used, limit.max_restarts as usize, BAR))
                .and(Style::Plain, format!(" {limit}"))
        }
        Is::NotTold(branch) => line.and(
            Style::Bad,
            match &branch.told {
                Told::Silent { .. } if branch.state == ChildState::Restarting => "restarting".to_owned(),
                Told::Silent { within } => format!("does not answer within {}", brief(*within)),
                Told::Gone => "is gone".to_owned(),
                _ => "not asked".to_owned(),
            },
        ),
    }
}

/// As the supervisor itself sees it: from half of its restarts on it warns.
fn alarm(limit: &RestartLimit) -> Style {
    let (used, max) = (limit.used, limit.max_restarts as usize);
    match used * 10 {
        0 => Style::Dim,
        tenths if tenths >= max * 8 => Style::Bad,
        tenths if tenths >= max * 5 => Style::Doubtful,
        _ => Style::Good,
    }
}

/// The children of all supervisors that are down, or have been.
fn worst(scene: &Scene<'_>) -> Vec<Line> {
    let lately = |child: &ChildInfo| {
        let fell = |ended: Instant| scene.now.saturating_duration_since(ended).as_secs() <= 60;
        child.lives.iter().filter(|life| fell(life.ended)).count()
    };
    let badness = |child: &ChildInfo| {
        (child.state == ChildState::Restarting, lately(child), child.restarts, child.state != ChildState::Running)
    };
    let supervisors = scene.snapshot.supervisors();
    let children = supervisors.flat_map(|of| of.children.iter().map(move |child| (of, child)));
    let mut worst: Vec<_> = children.filter(|(_, child)| badness(child) > (false, 0, 0, false)).collect();
    worst.sort_by_key(|(_, child)| std::cmp::Reverse(badness(child)));
    let name = |of: &Snapshot, child: &ChildInfo| {
        format!("{}/{}", of.name, child.name().map_or_else(|| child.id.to_string(), str::to_owned))
    };
    let names = worst.iter().map(|(of, child)| width(&name(of, child))).max().unwrap_or(0).clamp(10, 30);
    let one = |(of, child): (&Snapshot, &ChildInfo)| {
        let (style, doing) = match (child.state, child.next_try) {
            (ChildState::Restarting, Some(at)) => {
                (Style::Bad, format!("next try in {}", brief(at.saturating_duration_since(scene.now))))
            }
            (ChildState::Restarting, None) => (Style::Bad, "restarting".to_owned()),
            (ChildState::Running, _) => (Style::Plain, format!("up {}", brief(child.since.elapsed()))),
            (state, _) => (Style::Doubtful, format!("{state} {}", brief(child.since.elapsed()))),
        };
        let why = child.lives.last().map_or_else(String::new, ToString::to_string);
        Line::default()
            .column(Style::Plain, &name(of, child), names)
            .column(style, &doing, 22)
            .column(Style::Plain, &format!("{} restarts", child.restarts), 12)
            .and(Style::Plain, why)
    };
    worst.into_iter().map(one).collect()
}

fn line_of(event: &Event, now: Instant) -> Line {
    let ago = now.saturating_duration_since(event.at);
    let style = match Kind::of(event) {
        Kind::Crash => Style::Bad,
        Kind::Loss => Style::Bad,
        Kind::Restart | Kind::Start => Style::Good,
        Kind::Other => Style::Plain,
    };
    Line::default().column(Style::Dim, &brief(ago), 8).and(style, event.to_string())
}
