//! The quickstart on the screen while it runs: a block on a terminal, lines elsewhere. It owns the
//! layout; it refuses to gather figures.

use std::time::Duration;

use super::story::{BROWN_OUT, LENGTH, PRICE_RISE, RISING, Turn, turns};
use super::watch::{BackendNow, STRETCHES, Scene, WINDOW};
use crate::terminal::{Line, Screen, Tone, bar, count, money, percent, seconds};

/// Columns of everything but the history.
const FIXED: usize = 90;
/// Fewer columns than this tell no history.
const SHORTEST: usize = 12;
const BAR: usize = 14;
/// The share that fills a history's column.
const FULL: f64 = 0.75;
/// Looks between two lines where nothing can be redrawn.
const LOOKS_PER_LINE: u32 = 12;

/// Shows one pass.
#[derive(Debug)]
pub(super) struct View {
    screen: Screen,
    title: Line,
    label: &'static str,
    looks: u32,
    told: usize,
}

impl View {
    pub(super) fn new(screen: Screen, title: Line, label: &'static str) -> Self {
        Self { screen, title, label, looks: 0, told: 0 }
    }

    /// Shows `scene`.
    pub(super) fn show(&mut self, scene: &Scene) {
        if self.screen.is_live() {
            let lines = block(&self.title, scene, self.screen.width());
            self.screen.redraw(&lines);
            return;
        }
        let happened = turns().into_iter().filter(|turn| turn.at <= scene.elapsed).collect::<Vec<_>>();
        for turn in happened.iter().skip(self.told) {
            self.screen.say(&tell(turn, scene.elapsed));
        }
        self.told = happened.len();
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_PER_LINE) {
            self.screen.say(&one_line(self.label, scene));
        }
    }

    /// Says something that stays.
    pub(super) fn say(&mut self, line: &Line) {
        self.screen.say(line);
    }

    /// Takes the block away.
    pub(super) fn end(mut self) -> Screen {
        self.screen.clear();
        self.screen
    }
}

/// `4:05`.
fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

fn block(title: &Line, scene: &Scene, width: usize) -> Vec<Line> {
    let columns = Some(width.saturating_sub(FIXED).min(60)).filter(|room| *room >= SHORTEST).unwrap_or(0);
    let elapsed = scene.elapsed.min(LENGTH);
    let since = if columns > 0 { "since the start" } else { "" };
    let mut lines = vec![
        title.clone().text(format!("   {} of {}", clock(elapsed), clock(LENGTH))),
        Line::new(),
        Line::new().with(
            Tone::Quiet,
            format!(
                "  {:12}{:<22}  {:<columns$}  {:>8}{:>8}{:>5}{:>5}{:>9}  {}",
                "backend", "share", since, "TTFT p50", "p95", "5xx", "429", "$ per 1M", "standing"
            ),
        ),
    ];
    lines.extend(scene.backends.iter().map(|backend| backend_line(backend, columns)));
    if columns > 0 {
        lines.push(marks(columns));
    }
    lines.push(callers(scene, columns));
    lines.push(controller(scene));
    lines.push(Line::new());
    lines.extend(turns().iter().map(|turn| tell(turn, scene.elapsed)));
    lines
}

fn backend_line(backend: &BackendNow, columns: usize) -> Line {
    let (filled, rest) = bar(backend.share, BAR);
    let (past, future) = history(&backend.history, columns);
    let standing = backend.standing.as_deref().unwrap_or("");
    let tone = if standing == "ready" { Tone::Good } else { Tone::Warn };
    Line::new()
        .with(Tone::Strong, format!("  {:12}", backend.name))
        .with(Tone::Accent, filled)
        .text(format!("{rest} {:>7}  ", percent(backend.share)))
        .with(Tone::Accent, past)
        .with(Tone::Quiet, future)
        .text(format!("  {:>8}{:>8}", seconds(backend.p50_s), seconds(backend.p95_s)))
        .with(if backend.errors > 0 { Tone::Warn } else { Tone::Quiet }, format!("{:>5}", backend.errors))
        .with(if backend.refusals > 0 { Tone::Warn } else { Tone::Quiet }, format!("{:>5}", backend.refusals))
        .text(format!("{:>9}  ", backend.usd_per_million.map_or("–".to_owned(), money)))
        .with(tone, standing)
}

/// The past as columns of one to eight eighths, and the future as dots.
fn history(shares: &[Option<f64>], columns: usize) -> (String, String) {
    const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let per_column = |column: usize| {
        let from = column * STRETCHES / columns;
        let to = ((column + 1) * STRETCHES / columns).max(from + 1);
        let known: Vec<f64> =
            shares.get(from..to.min(shares.len())).unwrap_or_default().iter().flatten().copied().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let averages: Vec<Option<f64>> = (0..columns).map(per_column).collect();
    let now = averages.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let glyph = |share: &Option<f64>| match share {
        None => ' ',
        Some(share) => EIGHTHS.get(((share / FULL * 8.0) as usize).min(7)).copied().unwrap_or(' '),
    };
    let past = averages.iter().take(now).map(glyph).collect();
    (past, "·".repeat(columns - now))
}

/// What happened when, under the histories.
fn marks(columns: usize) -> Line {
    let column = |at: Duration| (at.as_secs_f64() / LENGTH.as_secs_f64() * columns as f64) as usize;
    let (from, to, rise) = (column(BROWN_OUT.start), column(BROWN_OUT.end), column(PRICE_RISE));
    let inside = to.saturating_sub(from + 1);
    let name = if inside >= "brown-out".len() { "brown-out" } else { "" };
    Line::new()
        .text(" ".repeat(2 + 12 + 22 + 2 + from))
        .with(Tone::Bad, format!("╰{name:─^inside$}"))
        .with(Tone::Bad, "╯")
        .text(" ".repeat(rise.saturating_sub(to + 1)))
        .with(Tone::Warn, format!("▲ {RISING} dearer"))
}

fn callers(scene: &Scene, columns: usize) -> Line {
    let within = scene.recent.good as f64 / scene.recent.requests.max(1) as f64;
    let left = format!("{} answered, {} lost", count(scene.answered), count(scene.lost));
    let middle = if columns > 0 { format!("{} within 2 s lately", percent(within)) } else { String::new() };
    Line::new()
        .with(Tone::Strong, format!("  {:12}", "callers"))
        .with(if scene.lost > 0 { Tone::Bad } else { Tone::Good }, format!("{left:<22}  "))
        .with(if within < 0.95 { Tone::Warn } else { Tone::Good }, format!("{middle:<columns$}"))
        .with(Tone::Strong, format!("  {:>8}{:>8}", seconds(scene.recent.p50_s), seconds(scene.recent.p95_s)))
        .with(Tone::Strong, format!("{:>19}", scene.usd_per_million.map_or("–".to_owned(), money)))
}

fn controller(scene: &Scene) -> Line {
    let lambda = scene.pool.as_ref().and_then(|pool| pool.lambda_usd.map(|lambda| (pool, lambda)));
    let Some((pool, lambda)) = lambda else {
        return Line::new()
            .with(Tone::Quiet, "  every backend in its turn, whatever it costs and however long it takes");
    };
    let missed = pool.miss_ratio.map_or("–".to_owned(), percent);
    let line = Line::new().with(Tone::Strong, "  λ           ").text(format!(
        "pays up to {} to save one late answer; {missed} were late in the last minute",
        money(lambda)
    ));
    if pool.feasible == Some(false) { line.with(Tone::Bad, "; no money would save more") } else { line }
}

fn tell(turn: &Turn, now: Duration) -> Line {
    let tone = match (turn.at <= now, turn.bad) {
        (false, _) => Tone::Quiet,
        (true, true) => Tone::Warn,
        (true, false) => Tone::Plain,
    };
    Line::new().with(Tone::Quiet, format!("  {:>5}  ", clock(turn.at))).with(tone, turn.text)
}

fn one_line(label: &str, scene: &Scene) -> Line {
    let mut line = Line::new().with(Tone::Accent, format!("  {:>5}  {label:13}", clock(scene.elapsed)));
    for backend in &scene.backends {
        let figures = format!(" {:>3.0} % {:>7}  ", backend.share * 100.0, seconds(backend.p50_s));
        line = line.with(Tone::Quiet, &*backend.name).text(figures);
    }
    let within = scene.recent.good as f64 / scene.recent.requests.max(1) as f64;
    line.text(format!(
        " p95 {:>7}  {:>7} within 2 s  {:>5} per 1M  lost {}",
        seconds(scene.recent.p95_s),
        percent(within),
        scene.usd_per_million.map_or("–".to_owned(), money),
        scene.lost
    ))
}

/// What the figures of a block look back on, for its title.
pub(super) fn window() -> String {
    format!("figures of the last {} s", WINDOW.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let mut history = vec![None; STRETCHES];
        history[..60].fill(Some(0.5));
        let backend = BackendNow {
            name: "provisioned".into(),
            share: 0.5,
            history,
            p50_s: Some(0.4),
            standing: Some("ready".into()),
            ..BackendNow::default()
        };
        Scene {
            elapsed: Duration::from_secs(300),
            backends: vec![backend],
            answered: 1200,
            ..Scene::default()
        }
    }

    fn text(width: usize) -> Vec<String> {
        block(&Line::from("title"), &scene(), width).iter().map(|line| line.render(width, false)).collect()
    }

    #[test]
    fn columns_stand_under_their_headings_at_any_width() {
        for width in [80, 110, 132, 200] {
            let lines = text(width);
            let column = |line: &str, what: &str| line.split(what).next().unwrap().chars().count();
            assert_eq!(column(&lines[2], "p50") + 3, column(&lines[3], "ms") + 2, "{width}");
            assert_eq!(column(&lines[2], "standing"), column(&lines[3], "ready"), "{width}");
            assert!(lines[4].contains("brown-out") || width < 132, "{}", lines[4]);
            assert!(lines[..5].iter().all(|line| line.chars().count() <= width), "{width}");
        }
    }

    #[test]
    fn a_history_is_as_long_as_the_time_that_passed() {
        let (past, future) = history(&scene().backends[0].history, 40);
        assert_eq!((past.chars().count(), future.chars().count()), (20, 20));
        assert_eq!(past.chars().next(), Some('▆'));
        assert_eq!(history(&[], 12), (String::new(), "·".repeat(12)));
    }

    #[test]
    fn what_is_still_to_come_is_told_quietly() {
        let turns = turns();
        let now = Duration::from_secs(200);
        assert_ne!(tell(&turns[1], now), tell(&turns[1], Duration::ZERO));
        assert_eq!(clock(Duration::from_secs(245)), "4:05");
    }
}
