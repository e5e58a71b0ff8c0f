//! A run while it is under way: a redrawn block on a terminal, a line every few seconds elsewhere. It
//! owns the rhythm and layout; it refuses to decide when a run ends.

use std::time::Duration;

use super::{Line, Screen, Tone, bar, count, money, percent, seconds};
use crate::load::{Live, Recently};

/// Time between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// Looks between two lines where nothing can be redrawn: 5 s.
const LOOKS_PER_LINE: u32 = 20;
/// Columns of a share.
const BAR: usize = 20;

/// Shows a run under way.
#[derive(Debug)]
pub(crate) struct Progress {
    screen: Screen,
    title: Line,
    /// Policy time the arrivals take, when it is known beforehand.
    length: Option<Duration>,
    looks: u32,
}

impl Progress {
    pub(crate) fn new(screen: Screen, title: Line, length: Option<Duration>) -> Self {
        Self { screen, title, length, looks: 0 }
    }

    /// Shows how the run stands.
    pub(crate) fn show(&mut self, live: &Live) {
        self.looks += 1;
        if self.screen.is_live() {
            let lines = self.block(live);
            self.screen.redraw(&lines);
        } else if self.looks.is_multiple_of(LOOKS_PER_LINE) {
            self.screen.say(&one_line(live));
        }
    }

    /// Says something that stays.
    pub(crate) fn say(&mut self, line: &Line) {
        self.screen.say(line);
    }

    /// Takes the block away.
    pub(crate) fn end(mut self) {
        self.screen.clear();
    }

    fn block(&self, live: &Live) -> Vec<Line> {
        let mut lines = vec![self.title.clone(), self.course(live), counts(live), recently(live)];
        let ended: u64 = live.backends.values().map(|backend| backend.requests).sum();
        let widest = live.backends.keys().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, backend) in &live.backends {
            lines.push(backend_line(&format!("{name:widest$}"), backend, ended));
        }
        lines
    }

    fn course(&self, live: &Live) -> Line {
        let elapsed = live.elapsed.as_secs_f64();
        let Some(length) = self.length else { return Line::new().text(format!("  {elapsed:.0} s")) };
        let total = length.as_secs_f64();
        let (filled, rest) = bar(elapsed / total.max(0.001), 40);
        let phase = if elapsed > total { "draining" } else { "" };
        Line::new()
            .text("  ")
            .with(Tone::Accent, filled)
            .with(Tone::Quiet, rest.replace(' ', "·"))
            .text(format!("  {:.0} s of {total:.0} s ", elapsed.min(total)))
            .with(Tone::Warn, phase)
    }
}

fn counts(live: &Live) -> Line {
    let failed = live.outcomes.failed();
    Line::new()
        .text(format!("  offered {}   in flight {}   ", count(live.offered), count(live.in_flight as u64)))
        .with(Tone::Good, format!("ok {}", count(live.outcomes.total() - failed)))
        .with(if failed > 0 { Tone::Bad } else { Tone::Quiet }, format!("   failed {}", count(failed)))
}

fn recently(live: &Live) -> Line {
    let line = Line::new()
        .with(Tone::Quiet, "  last 10 s   ")
        .text("TTFT p50 ")
        .with(Tone::Strong, seconds(live.recent.p50_s))
        .text("  p95 ")
        .with(Tone::Strong, seconds(live.recent.p95_s));
    if live.recent.cost.nanos == 0 || live.recent.tokens == 0 {
        return line;
    }
    let per_million = live.recent.cost.as_f64() / live.recent.tokens as f64 * 1e6;
    line.text(format!("   {} per 1M tokens, {} so far", money(per_million), money(live.cost.as_f64())))
}

fn backend_line(name: &str, backend: &Recently, ended: u64) -> Line {
    let share = backend.requests as f64 / ended.max(1) as f64;
    let (filled, rest) = bar(share, BAR);
    let failed = if backend.failed > 0 { format!("  failed {}", backend.failed) } else { String::new() };
    Line::new()
        .text(format!("  {name}  "))
        .with(Tone::Accent, filled)
        .text(rest)
        .text(format!(
            " {:>7}  p50 {:>7}  p95 {:>7}",
            percent(share),
            seconds(backend.p50_s),
            seconds(backend.p95_s)
        ))
        .with(Tone::Bad, failed)
}

fn one_line(live: &Live) -> Line {
    let failed = live.outcomes.failed();
    Line::new()
        .text(format!(
            "{:>6.0} s  offered {}  in flight {}",
            live.elapsed.as_secs_f64(),
            count(live.offered),
            live.in_flight
        ))
        .text(format!("  ok {}  failed {}", count(live.outcomes.total() - failed), count(failed)))
        .text(format!("  TTFT p50 {} p95 {}", seconds(live.recent.p50_s), seconds(live.recent.p95_s)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;

    #[test]
    fn the_block_names_every_backend_with_its_share() {
        let mut live =
            Live { elapsed: Duration::from_secs(15), offered: 1200, in_flight: 3, ..Live::default() };
        live.outcomes.add_many(Outcome::Ok, 1190);
        live.outcomes.add_many(Outcome::RateLimited, 7);
        live.backends.insert(
            "a/m".into(),
            Recently { requests: 30, p50_s: Some(0.3), p95_s: Some(1.2), ..Recently::default() },
        );
        live.backends.insert("long/m".into(), Recently { requests: 10, failed: 2, ..Recently::default() });
        let progress =
            Progress::new(Screen::stderr(true), Line::from("title"), Some(Duration::from_secs(30)));
        let text: Vec<String> = progress.block(&live).iter().map(|line| line.render(100, false)).collect();
        assert_eq!(text[0], "title");
        assert!(text[1].ends_with("15 s of 30 s "), "{}", text[1]);
        assert_eq!(text[2], "  offered 1,200   in flight 3   ok 1,190   failed 7");
        assert!(text[4].contains("a/m     ███████████████") && text[4].contains("75.0 %"), "{}", text[4]);
        assert!(text[5].ends_with("failed 2"), "{}", text[5]);
        assert_eq!(
            one_line(&live).render(200, false),
            "    15 s  offered 1,200  in flight 3  ok 1,190  failed 7  TTFT p50 – p95 –"
        );
    }
}
