//! The engine: a program made ready, and one inspection per request. It owns the order of things (phases, chains,
//! scores, refusals); it refuses clocks, sockets and what a refusal looks like to the caller.

mod evaluate;
mod facts;
mod inspection;
mod memo;
mod plan;
mod read;
mod screen;
mod state;
mod vars;

#[cfg(test)]
mod tests;

pub use inspection::{Circumstances, Inspection, Match, NothingOutside, Outside, Refusal};
pub use vars::Vars;
pub use vars::number;

use crate::operator::PrepareError;
use crate::program::Program;
use hashbrown::HashMap;
use parking_lot::Mutex;
use plan::{LinkPlan, Pipelines};
use screen::Screen;

/// A program made ready to run: its patterns built, its pipelines shared. Immutable, shared by all inspections.
#[derive(Debug)]
pub struct Engine {
    program: Program,
    plans: Vec<Vec<LinkPlan>>,
    pipelines: Pipelines,
    /// The setup's values by name in lower case.
    setup_by_name: HashMap<Vec<u8>, Vec<u8>>,
    uses: Vec<bool>,
    shortcuts: Shortcuts,
    screen: Screen,
    caches: Mutex<Vec<screen::Cache>>,
}

/// What may be left out because it cannot change a verdict. Off only to prove that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortcuts {
    /// Transformations that no byte of a value can make change it are not performed.
    pub identity: bool,
    /// Rules that no value can match, by the sets of automata, are not asked.
    pub gates: bool,
}

impl Default for Shortcuts {
    fn default() -> Self {
        Self { identity: true, gates: true }
    }
}

impl Engine {
    /// Builds every pattern. Takes up to some hundred milliseconds for a large rule set: never on the path of a
    /// request.
    ///
    /// # Errors
    ///
    /// A pattern that does not build; the compiler refuses such a program, so this one is damaged.
    pub fn new(program: Program) -> Result<Self, PrepareError> {
        Self::with(program, Shortcuts::default())
    }

    /// The same without some of the shortcuts.
    ///
    /// # Errors
    ///
    /// As [`Engine::new`].
    pub fn with(program: Program, shortcuts: Shortcuts) -> Result<Self, PrepareError> {
        let mut setup = Vars::default();
        for (name, value) in &program.setup {
            setup.set(name.as_bytes(), Some(value.clone()));
        }
        let mut pipelines = Pipelines::new();
        let plans = program
            .rules
            .iter()
            .map(|rule| rule.links.iter().map(|link| LinkPlan::new(link, &mut pipelines, &setup)).collect())
            .collect::<Result<Vec<Vec<LinkPlan>>, PrepareError>>()?;
        let screen = Screen::new(&program, &mut pipelines)?;
        pipelines.close();
        let setup_by_name =
            setup.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
        let uses = plan::uses(&program);
        Ok(Self {
            program,
            plans,
            pipelines,
            setup_by_name,
            uses,
            shortcuts,
            screen,
            caches: Mutex::default(),
        })
    }

    /// What it was made from.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What scanning writes to: as many as scan at a time.
    fn take_cache(&self) -> screen::Cache {
        let idle = self.caches.lock().pop();
        idle.unwrap_or_else(|| self.screen.cache())
    }

    fn give_cache(&self, cache: screen::Cache) {
        self.caches.lock().push(cache);
    }

    /// A value of the setup.
    fn of_setup(&self, name: &[u8]) -> Option<&[u8]> {
        let found = if name.iter().any(u8::is_ascii_uppercase) {
            self.setup_by_name.get(name.to_ascii_lowercase().as_slice())
        } else {
            self.setup_by_name.get(name)
        };
        found.map(Vec::as_slice)
    }

    fn uses(&self, variable: crate::program::Variable) -> bool {
        self.uses.get(variable as usize).copied().unwrap_or(true)
    }
}
