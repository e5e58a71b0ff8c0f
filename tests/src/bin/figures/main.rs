//! Lays out the figures that tests noted as a page of Markdown. It owns the page; what was measured is the
//! tests' business.
#![allow(clippy::print_stderr, reason = "a program for people at a terminal")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use e2e::figures::noted;

const HEAD: &str = "<!-- Generated: make reliability. Do not edit. -->\n\n\
# What limits and their store did under stress\n\n\
Each line is a test of the suite that ran against real processes and sockets, and fails when the ceiling is passed;\n\
the figures are of the run that wrote this page. Servers' own logs are the truth they are compared with.\n";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(page)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: figures FOLDER PAGE\n  example: figures target/figures docs/reliability.md");
        return ExitCode::from(2);
    };
    let mut text = HEAD.to_owned();
    let mut subject = String::new();
    for figure in noted(Path::new(&folder)) {
        if figure.subject != subject {
            let _ =
                write!(text, "\n## {}\n\n| what was done | what came of it |\n|---|---|\n", figure.subject);
            subject.clone_from(&figure.subject);
        }
        let _ = writeln!(text, "| {} | {} |", figure.what, figure.figure);
    }
    match std::fs::write(&page, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {page}: {error}");
            ExitCode::FAILURE
        }
    }
}
