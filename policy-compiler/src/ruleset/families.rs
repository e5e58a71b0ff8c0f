//! Families of rules and what each of them looks at. It owns the proof that leaving rules out leaves values without
//! any rule of a family; it refuses to say whether that is meant.

use std::collections::BTreeSet;
use std::fmt;

use waf::program::{Program, Rule, Selection, Target};

/// How CRS begins the tag of a family.
const TAG: &str = "attack-";

/// The tag of a family's rules.
pub(crate) fn tag(family: &str) -> String {
    if family.starts_with(TAG) { family.to_owned() } else { format!("{TAG}{family}") }
}

/// Values that no rule of a family looks at any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opened {
    /// The family, such as `sqli`.
    pub family: String,
    /// What is left unlooked at, as ModSecurity names it.
    pub targets: Vec<String>,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} open to `{}`: no rule of the family looks at it", self.targets.join(", "), self.family)
    }
}

/// What `after` leaves open that `before` guards, by family.
pub(crate) fn opened(before: &Program, after: &Program) -> Vec<Opened> {
    let excepted: BTreeSet<String> = after.rules.iter().flat_map(excepted).collect();
    let families: BTreeSet<&str> = before.rules.iter().flat_map(families).collect();
    let one = |family: &str| {
        let (was, is) = (guarded(before, family), guarded(after, family));
        let mut targets: Vec<String> = was.difference(&is).cloned().collect();
        for target in &excepted {
            let variable = target.split(':').next().unwrap_or_default();
            let lost =
                is.contains(variable) && !guards(after, family, target) && guards(before, family, target);
            if lost {
                targets.push(target.clone());
            }
        }
        (!targets.is_empty()).then(|| Opened { family: family.to_owned(), targets })
    };
    families.into_iter().filter_map(one).collect()
}

/// What leaving `target` out of the rules with this id would leave open; `None` where the program or the target is
/// none.
#[must_use]
pub fn opens(program: &[u8], id: u32, target: &str) -> Option<Vec<Opened>> {
    let before: Program = postcard::from_bytes(program).ok()?;
    let out = crate::seclang::excluded(target)?;
    let mut after = before.clone();
    for rule in after.rules.iter_mut().filter(|rule| rule.id == id) {
        let tests = rule.links.first_mut().and_then(|link| link.test.as_mut());
        tests.into_iter().for_each(|test| test.except.push(out.clone()));
    }
    Some(opened(&before, &after))
}

fn families(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.tags.iter().filter_map(|tag| tag.strip_prefix(TAG))
}

fn of<'p>(program: &'p Program, family: &str) -> impl Iterator<Item = &'p Rule> {
    program.rules.iter().filter(move |rule| families(rule).any(|one| one == family))
}

/// The whole collections that some rule of a family looks at.
fn guarded(program: &Program, family: &str) -> BTreeSet<String> {
    let whole = |rule| {
        let out: Vec<String> = excepted(rule).collect();
        let looks =
            targets(rule).filter(|target| target.selection == Selection::All && !target.count).map(name);
        looks.filter(move |target| !out.contains(target)).collect::<Vec<_>>()
    };
    of(program, family).flat_map(whole).collect()
}

/// Whether some rule of a family looks at a single value.
fn guards(program: &Program, family: &str, written: &str) -> bool {
    let variable = written.split(':').next().unwrap_or_default();
    of(program, family).any(|rule| {
        let looks =
            targets(rule).any(|target| target.selection == Selection::All && name(target) == variable);
        looks && !excepted(rule).any(|out| out.eq_ignore_ascii_case(written) || out == variable)
    })
}

fn targets(rule: &Rule) -> impl Iterator<Item = &Target> {
    rule.links.first().and_then(|link| link.test.as_ref()).into_iter().flat_map(|test| &test.targets)
}

fn excepted(rule: &Rule) -> impl Iterator<Item = String> {
    let tests = rule.links.first().and_then(|link| link.test.as_ref());
    tests.into_iter().flat_map(|test| &test.except).map(name)
}

fn name(target: &Target) -> String {
    match &target.selection {
        Selection::All => target.variable.name().to_owned(),
        Selection::Name(name) => format!("{}:{name}", target.variable.name()),
        Selection::Names(pattern) => format!("{}:/{}/", target.variable.name(), pattern.expression),
    }
}
