//! `sluicegate init`: a commented first manifest from flags, or from a few questions on a terminal. It
//! refuses to overwrite a file.

use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Write, stdin};
use std::path::PathBuf;

use clap::ValueEnum;
use policy_compiler::init::{Answers, first_manifest};
use policy_compiler::manifest::BackendKind;

use super::{BAD_INPUT, complain, say};

const EXAMPLES: &str = "\
Examples:
  sluicegate init                                    ask, then print
  sluicegate init --output gateway.yaml              ask, then write
  sluicegate init --kind vllm --url http://gpu:8000 --model llama-70b > gateway.yaml
  sluicegate init --kind azure-openai --url https://corp.openai.azure.com --model gpt-4o \\
                  --deployment prod-4o --key-env AZURE_OPENAI_KEY --output gateway.yaml";

/// Write a first manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What the first backend speaks; without it you are asked
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// The backend's URL
    #[arg(long, requires = "kind")]
    url: Option<String>,
    /// The model callers ask for
    #[arg(long, requires = "kind")]
    model: Option<String>,
    /// Name of Azure's deployment, if it is not the model's
    #[arg(long, requires = "kind")]
    deployment: Option<String>,
    /// Environment variable that holds the backend's API key
    #[arg(long, requires = "kind")]
    key_env: Option<String>,
    /// Where the gateway listens
    #[arg(long, requires = "kind")]
    listen: Option<String>,
    /// Write to this file instead of standard output
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Openai,
    AzureOpenai,
    Vllm,
    LlamaCpp,
    Mistral,
    Anthropic,
    AzureCognitive,
    AzureMl,
    Kserve,
    Http,
}

impl From<Kind> for BackendKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Openai => Self::Openai,
            Kind::AzureOpenai => Self::AzureOpenai,
            Kind::Vllm => Self::Vllm,
            Kind::LlamaCpp => Self::LlamaCpp,
            Kind::Mistral => Self::Mistral,
            Kind::Anthropic => Self::Anthropic,
            Kind::AzureCognitive => Self::AzureCognitive,
            Kind::AzureMl => Self::AzureMl,
            Kind::Kserve => Self::Kserve,
            Kind::Http => Self::Http,
        }
    }
}

/// Every kind, to choose from.
fn kinds() -> String {
    BackendKind::ALL.map(BackendKind::name).join(", ")
}

pub(super) fn run(args: &Args) -> u8 {
    let answers = match args.kind {
        Some(kind) => from_flags(args, kind),
        None if stdin().is_terminal() => match ask(&mut stdin().lock()) {
            Some(answers) => answers,
            None => {
                complain("\nsluicegate: no answers, nothing was written\n");
                return BAD_INPUT;
            }
        },
        None => {
            complain(&format!(
                "sluicegate: there is no terminal to ask on; say `--kind` and one of: {}\n",
                kinds()
            ));
            return BAD_INPUT;
        }
    };
    let manifest = first_manifest(&answers);
    let Some(file) = &args.output else {
        say(&manifest);
        return 0;
    };
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    match created.and_then(|mut created| created.write_all(manifest.as_bytes())) {
        Ok(()) => {
            let name = file.display();
            complain(&format!(
                "wrote {name}\nnext: sluicegate check {name}\n      sluicegate run --manifest {name}\n"
            ));
            0
        }
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be written: {error}\n", file.display()));
            BAD_INPUT
        }
    }
}

fn from_flags(args: &Args, kind: Kind) -> Answers {
    let usual = Answers::for_kind(kind.into());
    Answers {
        listen: args.listen.clone().unwrap_or(usual.listen),
        kind: usual.kind,
        // A backend of one's own needs no key unless one is named.
        api_key_env: args.key_env.clone().or(usual.api_key_env),
        url: args.url.clone().unwrap_or(usual.url),
        model: args.model.clone().unwrap_or(usual.model),
        deployment: args.deployment.clone(),
    }
}

/// Asks on standard error, so that the manifest can be redirected; `None` at the end of input.
fn ask(input: &mut impl BufRead) -> Option<Answers> {
    let kind = loop {
        let answer = question(input, &format!("Kind of the first backend ({})", kinds()), "openai")?;
        match Kind::from_str(&answer, true) {
            Ok(kind) => break kind,
            Err(_) => complain(&format!("  one of {}\n", kinds())),
        }
    };
    let usual = Answers::for_kind(kind.into());
    let url = question(input, "Its URL", &usual.url)?;
    let model = if usual.kind.has_models() {
        question(input, "The model callers ask for", &usual.model)?
    } else {
        usual.model
    };
    let deployment = match kind {
        Kind::AzureOpenai => Some(question(input, "Name of the deployment in Azure", &model)?),
        _ => None,
    };
    let api_key_env = match &usual.api_key_env {
        Some(name) => Some(question(input, "Environment variable that holds its API key", name)?),
        None => None,
    };
    let listen = question(input, "Address to listen on", &usual.listen)?;
    Some(Answers { listen, kind: usual.kind, url, model, deployment, api_key_env })
}

fn question(input: &mut impl BufRead, text: &str, usual: &str) -> Option<String> {
    complain(&format!("{text} [{usual}]: "));
    let mut line = String::new();
    let read = input.read_line(&mut line).ok()?;
    let answer = line.trim();
    (read > 0).then(|| if answer.is_empty() { usual.to_owned() } else { answer.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_answers_take_what_is_usual_and_the_manifest_compiles() {
        let mut input = "vllm\n\n\n\n".as_bytes();
        let answers = ask(&mut input).unwrap();
        assert_eq!((answers.url.as_str(), answers.model.as_str()), ("http://127.0.0.1:8000", "llama-70b"));
        let source = policy_compiler::Source::new("first.yaml", first_manifest(&answers));
        let outcome = policy_compiler::compile(&source);
        assert!(outcome.bundle.is_some(), "{:#?}", outcome.findings);
    }

    #[test]
    fn every_kind_of_the_language_can_be_chosen() {
        let offered: Vec<BackendKind> = Kind::value_variants().iter().map(|kind| (*kind).into()).collect();
        assert_eq!(offered, BackendKind::ALL);
        let named = Kind::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        assert!(named.map(|value| value.get_name().to_owned()).eq(BackendKind::ALL.map(BackendKind::name)));
    }

    #[test]
    fn an_input_that_ends_early_gives_no_answers() {
        assert_eq!(ask(&mut "openai\n".as_bytes()), None);
    }

    #[test]
    fn an_unknown_kind_is_asked_again() {
        let mut input = "gemini\nopenai\n\n\n\n\n".as_bytes();
        assert_eq!(ask(&mut input).map(|answers| answers.kind), Some(BackendKind::Openai));
    }
}
