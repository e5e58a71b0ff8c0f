//! What a rule does when it matches. It owns the shapes; it refuses to act.

use serde::{Deserialize, Serialize};

use super::{BodyProcessor, Target, Text};

/// `SecRuleEngine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum EngineMode {
    /// Rules run and refuse.
    #[default]
    On,
    /// Rules run and tell what they would have done.
    DetectionOnly,
    /// No rule runs.
    Off,
}

/// What a match does to the request. `block` is resolved to what its default action says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum Disruption {
    /// Nothing.
    #[default]
    Pass,
    /// It is refused with this status. `drop` and `redirect` are refusals too.
    Deny(u16),
    /// `allow`: no further rule of any phase but logging.
    Allow,
    /// `allow:phase`: no further rule of this phase.
    AllowPhase,
    /// `allow:request`: no further rule until the answer.
    AllowRequest,
}

/// What a link does at once when its test holds, for each value that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// `setvar`.
    Set {
        /// In which collection.
        collection: Collection,
        /// Its name; compared in lower case once expanded.
        name: Text,
        /// What becomes of it.
        change: Change,
    },
    /// `ctl`.
    Ctl(Ctl),
    /// `skipAfter`, `skip`: rules of this phase before this place of [`super::Program::rules`] are passed over.
    /// When the whole chain matched.
    GoTo(u32),
    /// `initcol`: the collection is the one kept under this key.
    InitCollection {
        /// Which.
        collection: Collection,
        /// The key.
        key: Text,
    },
    /// `expirevar`.
    Expire {
        /// In which collection.
        collection: Collection,
        /// Its name.
        name: Text,
        /// After so many seconds.
        seconds: Text,
    },
}

/// A collection that rules write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Collection {
    /// Of this request.
    Tx,
    /// Of the client's address, across requests.
    Ip,
    /// Of all requests.
    Global,
    /// Of the session.
    Session,
    /// Of the user.
    User,
    /// Of the resource.
    Resource,
}

/// What `setvar` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// `name=value`.
    Assign(Text),
    /// `name=+value`; numbers, what is none counts as 0.
    Add(Text),
    /// `name=-value`.
    Subtract(Text),
    /// `!name`.
    Unset,
}

/// `ctl`: changes how the rest of this request is inspected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ctl {
    /// `ruleEngine`.
    RuleEngine(EngineMode),
    /// `requestBodyAccess`.
    RequestBodyAccess(bool),
    /// `responseBodyAccess`.
    ResponseBodyAccess(bool),
    /// `requestBodyProcessor`.
    RequestBodyProcessor(BodyProcessor),
    /// `forceRequestBodyVariable`.
    ForceRequestBodyVariable(bool),
    /// `ruleRemoveById`, `…ByTag`, `…ByMsg`: these rules do not run any more.
    RemoveRules(Removal),
    /// `ruleRemoveTargetById`, `…ByTag`, `…ByMsg`: these rules do not see this target any more.
    RemoveTarget {
        /// Which rules.
        rules: Removal,
        /// What they do not see.
        target: Target,
    },
    /// `auditEngine`, `auditLogParts`, `debugLogLevel`: accepted, without effect here.
    Nothing,
}

/// Rules by their place in [`super::Program::rules`], in order, as ranges with both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Removal(pub Vec<(u32, u32)>);
