//! Who calls: consumers, issuers of tokens, and administrators.

use rule_table::{
    Admin, AdminOidc, AdminToken, ClientCertificates, Consumer, Credentials, Issuer, Key, KeySet,
    ListenerTls, Role, TlsVersion,
};

use super::edge::secret;
use super::{Ids, ids, reference, references};
use crate::manifest::{self, Manifest, Priority};
use crate::resolve::address;

pub(super) fn consumers(manifest: &Manifest, limits: &Ids) -> Option<Vec<Consumer>> {
    let (teams, issuers) = (ids(manifest.teams.keys()), ids(manifest.issuers.keys()));
    let one = |(name, consumer): (&String, &manifest::Consumer)| {
        let key = |(name, key): (&String, &manifest::KeySource)| Key {
            name: name.clone(),
            sha256: key.sha256.0.clone(),
            prefix: key.prefix.as_ref().map(|prefix| prefix.0.clone()),
            expires: key.expires.map(|date| date.0.0),
        };
        let credential = |credential: &manifest::Credential| {
            Some(match credential {
                manifest::Credential::Certificate(name) => Credentials::Certificate(name.clone()),
                manifest::Credential::Token(token) => Credentials::Subject {
                    issuer: *issuers.get(&token.issuer)?,
                    subject: token.subject.clone(),
                },
            })
        };
        Some(Consumer {
            name: name.clone(),
            keys: consumer.keys.iter().map(key).collect(),
            credentials: consumer.credentials.iter().map(credential).collect::<Option<_>>()?,
            team: reference(consumer.team.as_ref(), &teams)?,
            limits: references(&consumer.limit.0, limits)?,
            priority: consumer.priority.map(Priority::compiled),
        })
    };
    manifest.consumers.iter().map(one).collect()
}

pub(super) fn issuers(manifest: &Manifest) -> Option<Vec<Issuer>> {
    let teams = ids(manifest.teams.keys());
    let one = |(name, issuer): (&String, &manifest::Issuer)| {
        let by_claim = issuer.teams.iter().flat_map(|by_claim| &by_claim.values);
        let by_value = by_claim.map(|(value, team)| Some((value.clone(), *teams.get(team)?)));
        Some(Issuer {
            name: name.clone(),
            issuer: issuer.issuer.clone(),
            keys: match &issuer.keys {
                manifest::KeySet::Discovery => KeySet::Discovery,
                manifest::KeySet::Url(url) => KeySet::Url(url.clone()),
                manifest::KeySet::File(file) => KeySet::File(file.clone()),
            },
            audiences: issuer.audiences.clone(),
            algorithms: issuer.algorithms.iter().map(|algorithm| algorithm.name().to_owned()).collect(),
            scopes: issuer.scopes.clone(),
            subject_claim: issuer.subject_claim.clone(),
            team_claim: issuer.teams.as_ref().map(|teams| teams.claim.clone()),
            teams: by_value.collect::<Option<_>>()?,
            leeway: issuer.leeway.0.0.as_secs(),
        })
    };
    manifest.issuers.iter().map(one).collect()
}

pub(super) fn admin(manifest: &Manifest) -> Option<Option<Admin>> {
    let Some(admin) = &manifest.admin else { return Some(None) };
    let issuers = ids(manifest.issuers.keys());
    let token = |(name, token): (&String, &manifest::AdminToken)| AdminToken {
        name: name.clone(),
        sha256: token.sha256.0.clone(),
        role: role(token.role),
        expires: token.expires.map(|date| date.0.0),
    };
    let oidc = match &admin.oidc {
        None => None,
        Some(oidc) => Some(AdminOidc {
            issuer: *issuers.get(&oidc.issuer)?,
            claim: oidc.claim.clone(),
            roles: oidc.roles.iter().map(|(value, granted)| (value.clone(), role(*granted))).collect(),
        }),
    };
    let clients = admin.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    // Nobody has to show one: tokens are good, too.
    let clients = clients.map(|clients| ClientCertificates {
        authorities: clients.file.clone(),
        required: false,
        crl: None,
    });
    Some(Some(Admin {
        address: address(&admin.address).ok()?.to_string(),
        token: admin.token.as_ref().map(secret),
        tokens: admin.tokens.iter().map(token).collect(),
        oidc,
        certificates: admin
            .certificates
            .iter()
            .map(|(name, granted)| (name.clone(), role(*granted)))
            .collect(),
        tls: admin.tls.as_ref().map(|tls| ListenerTls {
            certificate: tls.certificate.file.clone(),
            key: tls.key.file.clone(),
            names: Vec::new(),
            min_version: TlsVersion::default(),
            clients: clients.clone(),
        }),
        clients,
    }))
}

const fn role(role: manifest::Role) -> Role {
    match role {
        manifest::Role::Viewer => Role::Viewer,
        manifest::Role::Operator => Role::Operator,
        manifest::Role::Publisher => Role::Publisher,
    }
}
