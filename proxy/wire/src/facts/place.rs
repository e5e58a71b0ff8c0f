//! A place in a body, such as `messages[3].content[0].text`. It owns the spelling; it refuses names
//! that the sender made up, so that a place can be shown and logged.

use std::fmt;

const MAX_STEPS: usize = 6;

/// Steps from the body to a value in it. Steps beyond the sixth are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    steps: [Option<Step>; MAX_STEPS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl Place {
    /// A field of the body.
    pub(super) fn of(field: &'static str) -> Self {
        Self::default().field(field)
    }

    /// A field of the object here.
    #[must_use]
    pub(super) fn field(self, name: &'static str) -> Self {
        self.step(Step::Field(name))
    }

    /// An element of the array here.
    #[must_use]
    pub(super) fn index(self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// The field of the body that this is, or is in.
    pub(super) fn top(self) -> Option<&'static str> {
        match self.steps.first() {
            Some(Some(Step::Field(name))) => Some(name),
            _ => None,
        }
    }

    fn step(mut self, step: Step) -> Self {
        if let Some(free) = self.steps.iter_mut().find(|step| step.is_none()) {
            *free = Some(step);
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.top().is_none() {
            return f.write_str("the body");
        }
        f.write_str("`")?;
        for (depth, step) in self.steps.iter().flatten().enumerate() {
            match step {
                Step::Field(name) if depth == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        f.write_str("`")
    }
}
