//! One connection, made again when it broke. It owns connecting, credentials and the running of scripts; it
//! refuses to keep a connection after anything odd, so no late answer is taken for another's.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo, RedisResult, Script, ScriptInvocation, Value,
};
use rule_table::{SecretRef, SharedStore};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::store::shared::Away;
use crate::upstream::read_secret;

/// A server that is there takes a connection in this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// After a failure it is not tried again for this long; whoever asks meanwhile hears of it at once.
const REST: Duration = Duration::from_millis(100);
/// The longest anything may take; callers with less patience set their own limit.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Where the server is and what to say to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://` or `rediss://`, without credentials.
    pub url: String,
    /// `user:password` or a password; read again for every connection, so that it can be rotated.
    pub auth: Option<SecretRef>,
    /// What relative secret files are relative to.
    pub base: PathBuf,
    /// Begins every key.
    pub prefix: String,
}

impl Settings {
    /// As the manifest says; secret files are relative to `base`.
    #[must_use]
    pub fn new(store: &SharedStore, base: PathBuf) -> Self {
        Self { url: store.url.clone(), auth: store.auth.clone(), base, prefix: store.prefix.clone() }
    }
}

/// A server, and the connection to it when there is one.
pub struct Redis {
    settings: Settings,
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that an old one's failure does not end a new one.
    number: u64,
    failed: Option<(Instant, Away)>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Redis {
    /// A server that is not connected to yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, link: Mutex::default() }
    }

    /// The full name of a key. All have one hash tag, so that a script may use several of them in a cluster.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.settings.prefix)
    }

    /// A call of `code`, to be given keys and arguments.
    pub(super) fn script(&self, code: &str) -> Invocation {
        Invocation { script: Script::new(code), keys: Vec::new(), arguments: Vec::new() }
    }

    /// Runs a script: by its hash, and with its text when the server does not know it yet.
    pub(super) async fn invoke(&self, call: &Invocation) -> Result<Value, Away> {
        let (mut connection, number) = self.connection().await?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, call.run(&mut connection)).await;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.drop_connection(number).await;
                Err(error.into())
            }
            Err(_) => {
                self.drop_connection(number).await;
                Err(Away(format!("no answer within {ANSWER_WITHIN:?}")))
            }
        }
    }

    /// Ends the present connection, so that the next call makes a new one. For callers that gave up waiting.
    pub async fn reset(&self) {
        self.link.lock().await.connection = None;
    }

    async fn drop_connection(&self, number: u64) {
        let mut link = self.link.lock().await;
        if link.number == number {
            link.connection = None;
        }
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Away> {
        let mut link = self.link.lock().await;
        if let Some(connection) = &link.connection {
            return Ok((connection.clone(), link.number));
        }
        if let Some((at, away)) = &link.failed
            && at.elapsed() < REST
        {
            return Err(away.clone());
        }
        // Said before the attempt: its caller may stop waiting for it.
        link.failed = Some((Instant::now(), Away("it does not take connections".to_owned())));
        match self.connect().await {
            Ok(connection) => {
                link.number += 1;
                (link.failed, link.connection) = (None, Some(connection.clone()));
                Ok((connection, link.number))
            }
            Err(away) => {
                link.failed = Some((Instant::now(), away.clone()));
                Err(away)
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Away> {
        let info = self.settings.url.as_str().into_connection_info()?;
        let mut words = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(reference) = &self.settings.auth {
            let secret =
                read_secret(reference, &self.settings.base).map_err(|error| Away(error.to_string()))?;
            words = match secret.expose().split_once(':') {
                Some((user, password)) => words.set_username(user).set_password(password),
                None => words.set_password(secret.expose()),
            };
        }
        let client = Client::open(info.set_redis_settings(words))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .map_err(|_| Away(format!("no connection within {CONNECT_WITHIN:?}")))??;
        warn_if_it_evicts(&mut connection).await?;
        Ok(connection)
    }
}

/// A server that evicts keys when its memory is full forgets leases without telling.
async fn warn_if_it_evicts(connection: &mut MultiplexedConnection) -> Result<(), Away> {
    let memory: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let line = |name: &str| memory.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (bounded, policy) =
        (line("maxmemory:") != Some("0"), line("maxmemory_policy:").unwrap_or("noeviction"));
    if bounded && policy != "noeviction" {
        tracing::warn!(
            policy,
            "the shared store may evict keys when its memory is full, and limits could then be exceeded; \
             set `maxmemory-policy noeviction`"
        );
    }
    Ok(())
}

/// A script with keys and arguments, in the order they are added.
pub(super) struct Invocation {
    script: Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Invocation {
    pub(super) fn key(&mut self, key: String) -> &mut Self {
        self.keys.push(key);
        self
    }

    pub(super) fn arg(&mut self, argument: impl ToString) -> &mut Self {
        self.bytes(argument.to_string().into_bytes())
    }

    pub(super) fn bytes(&mut self, argument: Vec<u8>) -> &mut Self {
        self.arguments.push(argument);
        self
    }

    async fn run(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        let mut call: ScriptInvocation<'_> = self.script.prepare_invoke();
        for key in &self.keys {
            call.key(key);
        }
        for argument in &self.arguments {
            call.arg(argument.as_slice());
        }
        call.invoke_async(connection).await
    }
}
