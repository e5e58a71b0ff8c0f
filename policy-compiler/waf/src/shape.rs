//! How large a request to a model may be: counts and sizes against limits. It owns the comparison; it refuses to
//! measure, to read a body, and to change one.

use smallvec::SmallVec;

macro_rules! measures {
    ($($field:ident $measure:ident $name:literal $doc:literal;)*) => {
        /// What a request to a model measures. A count that a request does not have is nought.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Measures {
            $(#[doc = $doc] pub $field: u64,)*
        }

        /// The most a request may measure; none means no limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub struct Limits {
            $(#[doc = $doc] pub $field: Option<u64>,)*
            /// Whether more tokens than `max_tokens` are cut down to it rather than refused.
            pub clamp_max_tokens: bool,
        }

        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Measure {
            $(#[doc = $doc] $measure,)*
        }

        impl Measure {
            /// Every measure.
            pub const ALL: &'static [Self] = &[$(Self::$measure,)*];

            /// Its name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$measure => $name,)* }
            }

            /// What a request has of it.
            pub const fn of(self, measures: &Measures) -> u64 {
                match self { $(Self::$measure => measures.$field,)* }
            }

            const fn set(self, limits: &mut Limits, most: u64) {
                match self { $(Self::$measure => limits.$field = Some(most),)* }
            }

            /// The most there may be of it.
            pub const fn limit(self, limits: &Limits) -> Option<u64> {
                match self { $(Self::$measure => limits.$field,)* }
            }
        }
    };
}

measures! {
    bytes Bytes "bytes" "Bytes of the body.";
    url_bytes UrlBytes "url-bytes" "Bytes of path and query.";
    header_bytes HeaderBytes "header-bytes" "Bytes of all header names and values.";
    headers Headers "headers" "Headers.";
    depth Depth "depth" "How deep arrays and objects are nested; the outermost is one.";
    keys Keys "keys" "Keys in all objects together.";
    messages Messages "messages" "Messages of the conversation, instructions included.";
    longest_text LongestText "longest-text" "Bytes of the longest text of any message.";
    all_text AllText "all-text" "Bytes of the texts of all messages together.";
    tools Tools "tools" "Tools that are declared.";
    tool_schema ToolSchema "tool-schema" "Bytes of the largest schema of a tool.";
    tool_calls ToolCalls "tool-calls" "Tool calls and results in the conversation.";
    images Images "images" "Images, by address or inline.";
    image_bytes ImageBytes "image-bytes" "Bytes of the largest inline image, decoded.";
    files Files "files" "Files and recordings, by address or inline.";
    stop_sequences StopSequences "stop-sequences" "Stop sequences.";
    choices Choices "choices" "Answers asked for at once (`n`).";
    inputs Inputs "inputs" "Texts to embed at once.";
    max_tokens MaxTokens "max-tokens" "Tokens the answer may have.";
}

/// What is done about a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The request is refused.
    Refuse,
    /// The value is lowered.
    Clamp {
        /// To this.
        to: u64,
    },
}

/// A limit that is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {measured} where {allowed} are allowed", .measure.name())]
pub struct Breach {
    /// Of what.
    pub measure: Measure,
    /// How much there is.
    pub measured: u64,
    /// How much there may be.
    pub allowed: u64,
    /// What is done about it.
    pub remedy: Remedy,
}

impl Limits {
    /// Sets the most there may be of a measure.
    pub fn set(&mut self, measure: Measure, most: u64) {
        measure.set(self, most);
    }

    /// The limits that a request passes, in the order of [`Measure::ALL`].
    pub fn breaches(&self, measures: &Measures) -> SmallVec<[Breach; 2]> {
        let passed = |measure: &Measure| {
            let (measured, allowed) = (measure.of(measures), measure.limit(self)?);
            let clamped = *measure == Measure::MaxTokens && self.clamp_max_tokens;
            let remedy = if clamped { Remedy::Clamp { to: allowed } } else { Remedy::Refuse };
            (measured > allowed).then_some(Breach { measure: *measure, measured, allowed, remedy })
        };
        Measure::ALL.iter().filter_map(passed).collect()
    }

    /// Whether any breach refuses the request.
    pub fn refuses(&self, measures: &Measures) -> bool {
        self.breaches(measures).iter().any(|breach| breach.remedy == Remedy::Refuse)
    }
}

#[cfg(test)]
mod tests;
