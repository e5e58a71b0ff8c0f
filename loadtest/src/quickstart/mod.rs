//! The quickstart: four simulated backends, the real gateway as a process of its own, the same trace
//! under two strategies. It owns the order of things and their end; it refuses to leave anything
//! running.

mod closing;
mod console;
mod fleet;
mod gateway;
mod pass;
mod ports;
mod story;
mod view;
mod watch;

use std::fs;
use std::io::{self, Write};

use crate::interrupts::Interrupts;
use crate::terminal::{Line, Screen, Tone, stdout_colour};
use crate::{Error, Exit};
use console::Console;
use fleet::Fleet;
use gateway::Gateway;
use pass::{Pass, Stage, Strategy};
use ports::Ports;
use view::View;

/// What the quickstart can be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Leave everything running at the end.
    pub(crate) keep: bool,
    /// Wall-clock seconds of traffic.
    pub(crate) seconds: u32,
    /// Decides trace and backends.
    pub(crate) seed: u64,
    /// First port.
    pub(crate) base_port: u16,
    /// No colour, no redrawing.
    pub(crate) plain: bool,
}

/// Shows the gateway at work.
pub(crate) async fn show(options: Options) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::listen()?;
    let program = gateway::find_program()?;
    let ports = Ports::new(options.base_port);
    let time_scale = story::time_scale(options.seconds);
    let configs = fleet::configs(time_scale, options.seed);
    let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
    let listeners = ports.take(&names)?;
    let home = tempfile::Builder::new().prefix("sluicegate-quickstart-").tempdir()?;
    let manifest = (home.path().join("quickstart.yaml"), ports.rewrite(story::MANIFEST));
    fs::write(&manifest.0, &manifest.1)?;
    let stage = Stage {
        fleet: Fleet::start(configs, listeners)?,
        console: Console::new(ports.admin()),
        target: format!("http://127.0.0.1:{}", ports.gateway()).parse()?,
        manifest,
        time_scale,
        seed: options.seed,
    };
    let mut gateway = Gateway::start(&program, &stage.manifest.0, time_scale)?;
    let shown = perform(&stage, &mut gateway, &mut interrupts, ports, options).await;
    let stopped = gateway.stop().await;
    let exit = shown?;
    stopped?;
    Ok(exit)
}

/// Plays both strategies unless interrupted, or the gateway fails.
async fn perform(
    stage: &Stage,
    gateway: &mut Gateway,
    interrupts: &mut Interrupts,
    ports: Ports,
    options: Options,
) -> Result<Exit, Error> {
    tokio::select! {
        ready = gateway.ready(&stage.console) => ready?,
        () = interrupts.next() => return Ok(Exit::Interrupted),
    }
    let (round_robin, adaptive) = tokio::select! {
        played = play_both(stage, options.plain) => played?,
        error = gateway.ended() => return Err(error),
        () = interrupts.next() => return Ok(Exit::Interrupted),
    };
    let agree = round_robin.accounts_agree() && adaptive.accounts_agree();
    print(&closing_words(&round_robin, &adaptive, ports, options))?;
    if options.keep {
        print(&format!("Running until Ctrl-C. The gateway's log: {}\n", gateway.log().display()))?;
        tokio::select! {
            error = gateway.ended() => return Err(error),
            () = interrupts.next() => {}
        }
    }
    Ok(if agree { Exit::Pass } else { Exit::Invalid })
}

async fn play_both(stage: &Stage, plain: bool) -> Result<(Pass, Pass), Error> {
    let view = |number: u8, strategy: Strategy| {
        let title = Line::new()
            .with(Tone::Accent, "sluicegate quickstart")
            .with(Tone::Strong, format!("   {number} of 2: {}", strategy.label()))
            .with(Tone::Quiet, format!("   {}x time, {}", stage.time_scale, view::window()));
        let mut screen = Screen::stderr(plain);
        if !screen.is_live() {
            screen.say(&title);
        }
        View::new(screen, title, strategy.label())
    };
    let round_robin = stage.play(Strategy::RoundRobin, view(1, Strategy::RoundRobin)).await?;
    let mut second = view(2, Strategy::Adaptive);
    if !stage.restore_price().await? {
        second.say(&Line::new().with(Tone::Warn, "  the gateway did not take over the old price in time"));
    }
    let adaptive = stage.play(Strategy::Adaptive, second).await?;
    Ok((round_robin, adaptive))
}

fn closing_words(round_robin: &Pass, adaptive: &Pass, ports: Ports, options: Options) -> String {
    let colour = stdout_colour(options.plain);
    let labelled = [(Strategy::RoundRobin.label(), round_robin), (Strategy::Adaptive.label(), adaptive)];
    let comparison = closing::comparison(round_robin, adaptive, colour);
    let accounts = closing::accounts(labelled, colour) + &closing::losses(labelled, colour);
    let again =
        if options.keep { "" } else { "(Everything stops now; with --keep it stays up until Ctrl-C.)\n\n" };
    format!("{comparison}\n{accounts}\n{again}{}\n", closing::how_to_send(ports))
}

fn print(text: &str) -> Result<(), Error> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
