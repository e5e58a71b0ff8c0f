//! The body: a table of sections and the sections themselves. It owns their numbers, names, versions and
//! bytes; it refuses to judge what they say.
//!
//! The table is a count (4 bytes) and for each section its number (2), its version (1), whether a reader that
//! does not know it must refuse the bundle (1: yes, 0: no), and its length (8). The sections follow in that
//! order without gaps. Their content is in postcard's form.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BundleError;
use super::frame::Cursor;
use crate::sections::Policy;

/// More sections than this are not looked at.
const MOST_SECTIONS: u32 = 256;

/// Bytes that a route or a rule takes at least.
const LEAST_BYTES: usize = 16;

/// What a section is for. The numbers are never given to anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Gateway = 1,
    Upstreams = 2,
    Routes = 3,
    Callers = 4,
    Limits = 5,
    Acl = 6,
    Access = 7,
    Waf = 8,
}

const ALL: [Section; 8] = [
    Section::Gateway,
    Section::Upstreams,
    Section::Routes,
    Section::Callers,
    Section::Limits,
    Section::Acl,
    Section::Access,
    Section::Waf,
];

impl Section {
    const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstreams => "upstreams",
            Self::Routes => "routes",
            Self::Callers => "callers",
            Self::Limits => "limits",
            Self::Acl => "acl",
            Self::Access => "access",
            Self::Waf => "waf",
        }
    }

    /// Raised when the section's types change.
    const fn version(self) -> u8 {
        match self {
            Self::Gateway | Self::Routes => 2,
            _ => 1,
        }
    }

    fn find(id: u16) -> Option<Self> {
        ALL.into_iter().find(|section| *section as u16 == id)
    }

    fn write(self, policy: &Policy) -> Vec<u8> {
        let p = policy;
        match self {
            Self::Gateway => bytes_of(&(
                &p.listeners,
                &p.admin,
                &p.countries,
                &p.hooks,
                &p.store,
                &p.overload,
                &p.telemetry,
            )),
            Self::Upstreams => bytes_of(&(&p.backends, &p.deployments, &p.pools)),
            Self::Routes => bytes_of(&p.routes),
            Self::Callers => bytes_of(&(&p.consumers, &p.teams, &p.models, &p.issuers)),
            Self::Limits => bytes_of(&p.limits),
            Self::Acl => bytes_of(&p.acl),
            Self::Access => bytes_of(&p.access),
            Self::Waf => bytes_of(&p.waf),
        }
    }
}

fn bytes_of<T: Serialize>(content: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain data of known length: postcard has no way to fail on it")]
    postcard::to_allocvec(content).expect("a policy is plain data")
}

/// What one section takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SectionSize {
    /// Its name.
    pub section: &'static str,
    /// Its length in bytes.
    pub bytes: usize,
}

pub(super) fn sizes(policy: &Policy) -> Vec<SectionSize> {
    let size = |section: Section| SectionSize { section: section.name(), bytes: section.write(policy).len() };
    ALL.into_iter().map(size).collect()
}

pub(super) fn write(policy: &Policy) -> Vec<u8> {
    let written: Vec<_> = ALL.into_iter().map(|section| (section, section.write(policy))).collect();
    let length: usize = written.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut body = Vec::with_capacity(4 + ALL.len() * 12 + length);
    body.extend_from_slice(&(ALL.len() as u32).to_le_bytes());
    for (section, bytes) in &written {
        body.extend_from_slice(&(*section as u16).to_le_bytes());
        body.push(section.version());
        body.push(1);
        body.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    for (_, bytes) in &written {
        body.extend_from_slice(bytes);
    }
    body
}

/// The bytes of each known section, in the order of [`ALL`].
fn split(body: &[u8]) -> Result<[&[u8]; ALL.len()], BundleError> {
    const CUT: BundleError = BundleError::SectionTable("it is cut short");
    let mut table = Cursor(body);
    let count = u32::from_le_bytes(table.take().ok_or(CUT)?);
    if count > MOST_SECTIONS {
        return Err(BundleError::SectionTable("it has more sections than there can be"));
    }
    let entries = (count as usize).saturating_mul(12);
    let mut entries = Cursor(table.slice(entries).ok_or(CUT)?);
    let mut found = [None; ALL.len()];
    let mut before = None;
    while let Some(id) = entries.take().map(u16::from_le_bytes) {
        let [version, required] = entries.take().ok_or(CUT)?;
        let length = u64::from_le_bytes(entries.take().ok_or(CUT)?);
        let length = usize::try_from(length).ok();
        let bytes = length.and_then(|length| table.slice(length));
        let bytes = bytes.ok_or(BundleError::SectionTable("a section is longer than the body"))?;
        if before.is_some_and(|before| before >= id) {
            return Err(BundleError::SectionTable("its numbers do not ascend"));
        }
        before = Some(id);
        let known = Section::find(id).filter(|section| section.version() == version);
        let place = known.and_then(|known| ALL.iter().position(|section| *section == known));
        match (place.and_then(|place| found.get_mut(place)), required) {
            (Some(slot), 1) => *slot = Some(bytes),
            (Some(_), _) => {
                return Err(BundleError::SectionTable("a section that is needed is marked otherwise"));
            }
            (None, 0) => {}
            (None, _) => return Err(BundleError::UnknownSection { id, version }),
        }
    }
    if !table.0.is_empty() {
        return Err(BundleError::SectionTable("the body is longer than its sections"));
    }
    let mut sections = [&[][..]; ALL.len()];
    for (section, bytes) in sections.iter_mut().zip(found) {
        *section = bytes.ok_or(BundleError::SectionTable("a section is missing"))?;
    }
    Ok(sections)
}

fn content<T: DeserializeOwned>(section: Section, bytes: &[u8]) -> Result<T, BundleError> {
    let malformed = |why: String| BundleError::Malformed { section: section.name(), why };
    let (content, rest) = postcard::take_from_bytes(bytes).map_err(|error| malformed(error.to_string()))?;
    if rest.is_empty() { Ok(content) } else { Err(malformed(format!("{} bytes too many", rest.len()))) }
}

/// A list whose place in memory is taken at once: growing it would move a large policy many times over.
fn list<T: DeserializeOwned>(section: Section, bytes: &[u8]) -> Result<Vec<T>, BundleError> {
    let malformed = |why: String| BundleError::Malformed { section: section.name(), why };
    let read = |error: postcard::Error| malformed(error.to_string());
    let (count, mut rest) = postcard::take_from_bytes::<u32>(bytes).map_err(read)?;
    // Nothing in these lists takes less: a count that lies takes no more than a few times the file's length.
    let most = bytes.len() / LEAST_BYTES;
    let mut items = Vec::with_capacity((count as usize).min(most));
    for _ in 0..count {
        let (item, more) = postcard::take_from_bytes(rest).map_err(read)?;
        items.push(item);
        rest = more;
    }
    if rest.is_empty() { Ok(items) } else { Err(malformed(format!("{} bytes too many", rest.len()))) }
}

pub(super) fn read(body: &[u8]) -> Result<Policy, BundleError> {
    let [gateway, upstreams, routes, callers, limits, acl, access, waf] = split(body)?;
    // Routes and rules are nearly all of a large policy, and know nothing of each other.
    let (routes, acl) = std::thread::scope(|scope| {
        let routes = scope.spawn(|| list(Section::Routes, routes));
        let acl = list(Section::Acl, acl);
        let gone = |_| Err(BundleError::Malformed { section: "routes", why: "its reader failed".to_owned() });
        (routes.join().unwrap_or_else(gone), acl)
    });
    let (listeners, admin, countries, hooks, store, overload, telemetry) =
        content(Section::Gateway, gateway)?;
    let (backends, deployments, pools) = content(Section::Upstreams, upstreams)?;
    let (consumers, teams, models, issuers) = content(Section::Callers, callers)?;
    Ok(Policy {
        listeners,
        admin,
        backends,
        deployments,
        pools,
        routes: routes?,
        consumers,
        teams,
        models,
        issuers,
        limits: content(Section::Limits, limits)?,
        acl: acl?,
        access: content(Section::Access, access)?,
        countries,
        hooks,
        waf: content(Section::Waf, waf)?,
        store,
        overload,
        telemetry,
    })
}
