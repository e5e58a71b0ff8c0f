//! `bench`: what a request costs this gateway in CPU, beside the same dispatch on bare Pingora in the same
//! run. It owns the command line and who plays which part; it refuses to judge: a figure without the one
//! beside it says more about the machine than about the gateway.

mod backend;
mod compiling;
mod cores;
mod crowd;
mod ladder;
mod latency;
mod load;
mod machine;
mod many_routes;
mod matching;
mod peer;
mod peers;
mod process;
mod publish;
mod report;
mod rounds;
mod sink;
mod spread;
mod stages;
mod table;
mod targets;

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Errors end the run with their text; nothing here recovers from one.
type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

// The gateway's own allocator, so that bare Pingora is not slower for lack of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// CPU per request of the gateway beside the same dispatch on bare Pingora.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    settings: Settings,
}

/// What the program starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    /// Bare Pingora, with the gateway's dispatch and nothing else
    #[command(hide = true)]
    Peer {
        /// Where it sends every request
        backend: SocketAddr,
    },
    /// The compiler, on a manifest of one size
    #[command(hide = true)]
    Compile {
        /// Routes, and as many access rules
        routes: u32,
    },
}

/// How much is measured, and where the figures go.
#[derive(Clone, Debug, Args)]
struct Settings {
    /// Requests measured per rung and round
    #[arg(long, default_value_t = 30_000)]
    requests: usize,
    /// Requests before those, which are not counted
    #[arg(long, default_value_t = 3_000)]
    warm_up: usize,
    /// Rounds; every rung runs once per round, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Connections of the load, each with one request at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Streams measured per rung and round
    #[arg(long, default_value_t = 640)]
    streams: usize,
    /// Events per stream, one every two milliseconds
    #[arg(long, default_value_t = 100)]
    events: usize,
    /// Requests whose stages are timed inside this process
    #[arg(long, default_value_t = 200_000)]
    stage_requests: usize,
    /// Pairs of requests per round whose times are compared, at half load
    #[arg(long, default_value_t = 20_000)]
    pairs: usize,
    /// Streams open at once while memory is measured, as far as the limit of open files allows
    #[arg(long, default_value_t = 8_000)]
    crowd: usize,
    /// Run only the rungs of these names, beside bare Pingora
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The gateway's program; the one beside this program unless stated
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// A directory with a virtual environment per peer: `envoy`, `litellm`
    #[arg(long)]
    peers: Option<PathBuf>,
    /// How the figures are written to standard output
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Also write them to this file, as Markdown
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Also put the short table into this file, between its `table: bench` marks
    #[arg(long)]
    readme: Option<PathBuf>,
}

/// How figures are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

fn main() -> ExitCode {
    // Two providers are compiled in through our dependencies; rustls panics unless one is named.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let done = match cli.part {
        Some(Part::Peer { backend }) => peer::serve(backend),
        Some(Part::Compile { routes }) => compile(routes),
        None => measure(&cli.settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_aside(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn compile(routes: u32) -> Fallible<()> {
    let figures = serde_json::to_string(&compiling::measure(routes)?)?;
    writeln!(std::io::stdout().lock(), "{figures}")?;
    Ok(())
}

/// Measures, then writes the report.
fn measure(settings: &Settings) -> Fallible<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(rounds::run(settings))?;
    if let Some(file) = &settings.markdown {
        std::fs::write(file, publish::page(&report))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if let Some(file) = &settings.readme {
        publish::insert(&report, file)?;
    }
    let text = match settings.output {
        Output::Text => publish::text(&report),
        Output::Json => format!("{:#}\n", serde_json::to_value(&report)?),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Says something to whoever watches, apart from the figures.
fn say_aside(line: &str) {
    // Nobody may be listening, which is no reason to stop measuring.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
