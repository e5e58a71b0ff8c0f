//! Why a token is not accepted, and what its bearer is told. It owns the words; it refuses to repeat
//! anything of the token.

use std::time::Duration;

use rule_table::IssuerId;
use vocabulary::Reason;

use crate::Refusal;

/// When it is worth asking again while an issuer is away.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is no token that could be verified.
    Malformed(&'static str),
    /// Its issuer is none of the manifest's.
    UnknownIssuer,
    /// Its algorithm is none of its issuer's.
    Algorithm,
    /// No key of the issuer at hand could have signed it; a fresh set may have one.
    UnknownKey(IssuerId),
    /// The issuer's keys were never had.
    NoKeys(IssuerId),
    /// It was not signed by its issuer, or changed since.
    Signature,
    /// It is over.
    Expired,
    /// It has not begun.
    NotYet,
    /// It was made for somebody else.
    Audience,
    /// It lacks this scope or role.
    Scope(String),
    /// Its groups were left out, since there are too many of them.
    TooManyGroups,
    /// None of its groups or roles is a team's.
    NoTeam,
}

impl TokenFault {
    /// The issuer whose keys should be had anew.
    #[must_use]
    pub fn wants_keys_of(&self) -> Option<IssuerId> {
        match self {
            Self::UnknownKey(id) | Self::NoKeys(id) => Some(*id),
            _ => None,
        }
    }

    /// What its bearer is told.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let invalid = |what: &str| {
            let words = format!("the token is not accepted: {what}; get another from its issuer");
            Refusal::new(Reason::InvalidToken, words)
        };
        match self {
            Self::Malformed(what) => invalid(what),
            Self::UnknownIssuer => invalid("its issuer (`iss`) is none that is believed here"),
            Self::Algorithm => invalid("its algorithm (`alg`) is not among those its issuer signs with"),
            Self::UnknownKey(_) => invalid("its key (`kid`) is not among its issuer's"),
            Self::Signature => invalid("its signature is not its issuer's"),
            Self::Audience => invalid("it was made for another audience (`aud`)"),
            Self::NoKeys(_) => {
                let mut refusal = Refusal::new(
                    Reason::IssuerUnavailable,
                    "the issuer's keys cannot be had, so that no token can be verified; try again shortly",
                );
                refusal.retry_after = Some(AGAIN_AFTER);
                refusal
            }
            Self::Expired => {
                Refusal::new(Reason::ExpiredToken, "the token has expired; get another from its issuer")
            }
            Self::NotYet => {
                Refusal::new(Reason::ExpiredToken, "the token is not valid yet (`nbf`); check the clocks")
            }
            Self::Scope(scope) => Refusal::new(
                Reason::InsufficientScope,
                format!("the token lacks the scope or role `{scope}`; ask the issuer's operator to grant it"),
            ),
            Self::TooManyGroups => Refusal::new(
                Reason::InsufficientScope,
                "the token has too many groups to carry them, so no team can be told; let the issuer emit application roles, or only groups assigned to the application",
            ),
            Self::NoTeam => Refusal::new(
                Reason::InsufficientScope,
                "none of the token's groups or roles belongs to a team of this gateway",
            ),
        }
    }
}
