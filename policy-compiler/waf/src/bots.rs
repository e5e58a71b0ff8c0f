//! What kind of client a request's head comes from: a browser, a browser's name only, an SDK, a script, a crawler, a
//! scanner. It owns the names and the checks; it refuses addresses, behaviour over time and TLS, which it cannot see.

mod browser;
mod name;

use smallvec::SmallVec;

/// The head of a request, as much as is looked at.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The method, in capitals as it came.
    pub method: &'a str,
    /// Names and values in the order and the case in which they came.
    pub headers: &'a [(&'a str, &'a str)],
    /// Whether the client came over TLS (or from its own machine): browsers then send more.
    pub secure: bool,
    /// Whether it is HTTP/1.1 or older, where the case of names is the client's own. False behind a proxy that writes
    /// them anew.
    pub http1: bool,
}

/// What the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// It says that it is a crawler. Whether it is the one it says has to be settled by its address.
    Crawler,
    /// It says that it is a tool or a library for HTTP.
    Script,
    /// It says that it is a browser without a screen.
    Headless,
    /// It says that it looks for weaknesses, or its name is an attack.
    Scanner,
    /// It says that it is a browser and its head is what that browser sends.
    Browser,
    /// An SDK for models, by its name or its headers.
    ApiClient,
    /// It says that it is a browser and its head is not what that browser sends.
    ImpostorBrowser,
    /// None of these.
    Unknown,
}

impl Class {
    /// Its name, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crawler => "crawler",
            Self::Script => "script",
            Self::Headless => "headless",
            Self::Scanner => "scanner",
            Self::Browser => "browser",
            Self::ApiClient => "api-client",
            Self::ImpostorBrowser => "impostor-browser",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! evidence {
    ($($evidence:ident $name:literal $doc:literal;)*) => {
        /// Why a class was chosen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Evidence {
            $(#[doc = $doc] $evidence,)*
        }

        impl Evidence {
            /// Its name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$evidence => $name,)* }
            }
        }
    };
}

evidence! {
    NoUserAgent "no-user-agent" "There is no user agent.";
    NamedScanner "named-scanner" "The user agent names a scanner.";
    AttackInName "attack-in-name" "The user agent is an attack.";
    NamedSdk "named-sdk" "The user agent names a model provider's SDK or a framework around it.";
    SdkHeaders "sdk-headers" "Headers that the providers' generated SDKs send.";
    NamedHeadless "named-headless" "The user agent or the client hints name a browser without a screen.";
    NamedCrawler "named-crawler" "The user agent names a crawler.";
    NamedTool "named-tool" "The user agent names a tool or library.";
    OldVersion "old-version" "A version that has all but died out, from before browsers described themselves.";
    NoAccept "no-accept" "No Accept, which browsers always send.";
    NoLanguage "no-language" "No Accept-Language, which browsers always send.";
    NoEncoding "no-encoding" "No Accept-Encoding with gzip and deflate, or over TLS none with br.";
    NoFetchMetadata "no-fetch-metadata" "Sec-Fetch headers are missing that this version sends over TLS.";
    FetchMetadata "fetch-metadata" "Sec-Fetch headers that contradict each other or the Accept.";
    NoClientHints "no-client-hints" "Client hints are missing that this version sends over TLS.";
    ForeignClientHints "foreign-client-hints" "Client hints from a browser that has none.";
    HintsDisagree "hints-disagree" "Client hints that contradict the user agent's version, system or mobility.";
    Order "order" "Headers in an order this browser never sends them in.";
    LowercaseNames "lowercase-names" "Names in lower case over HTTP/1.1 that browsers write with capitals.";
    ToolHeaders "tool-headers" "A header of a library that no browser sends.";
    Consistent "consistent" "Everything the named browser always sends is there, and agrees.";
}

/// A class and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the client is.
    pub class: Class,
    /// Why.
    pub evidence: SmallVec<[Evidence; 4]>,
}

impl Verdict {
    fn of(class: Class, evidence: Evidence) -> Self {
        Self { class, evidence: SmallVec::from_slice(&[evidence]) }
    }
}

impl<'a> Head<'a> {
    /// The value of the first header of this name, which is in lower case.
    fn value(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The place of the first header of this name.
    fn place(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }
}

/// Tells clients apart. Building one builds an automaton of the names; using it allocates nothing.
#[derive(Debug)]
pub struct Classifier {
    names: name::Names,
}

impl Classifier {
    /// A classifier of the names this crate knows.
    ///
    /// # Errors
    /// When those outgrow what an automaton can hold, which a test rules out.
    pub fn new() -> Result<Self, aho_corasick::BuildError> {
        Ok(Self { names: name::Names::new()? })
    }

    /// The class of the client, and why.
    pub fn classify(&self, head: &Head<'_>) -> Verdict {
        let sdk = head.headers.iter().any(|(name, _)| starts_folded(name, "x-stainless-"));
        let Some(agent) = head.value("user-agent").filter(|agent| !agent.trim().is_empty()) else {
            return match sdk {
                true => Verdict::of(Class::ApiClient, Evidence::SdkHeaders),
                false => Verdict::of(Class::Unknown, Evidence::NoUserAgent),
            };
        };
        let hints = head.value("sec-ch-ua").unwrap_or_default();
        if name::holds(hints, &["headlesschrome"]) {
            return Verdict::of(Class::Headless, Evidence::NamedHeadless);
        }
        if let Some((class, evidence)) = self.names.named(agent) {
            return Verdict::of(class, evidence);
        }
        match browser::Claim::read(agent) {
            Some(claim) => {
                let faults = claim.faults(head);
                match faults.is_empty() {
                    true => Verdict::of(Class::Browser, Evidence::Consistent),
                    false => Verdict { class: Class::ImpostorBrowser, evidence: faults },
                }
            }
            None if sdk => Verdict::of(Class::ApiClient, Evidence::SdkHeaders),
            None => Verdict { class: Class::Unknown, evidence: SmallVec::new() },
        }
    }
}

impl std::fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Head")
            .field("headers", &self.headers.len())
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// Whether `text` begins with `prefix`, which is in lower case.
fn starts_folded(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests;
