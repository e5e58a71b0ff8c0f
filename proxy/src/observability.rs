//! Telemetry as the manifest asks for it, started and stopped with the gateway. It owns turning the
//! policy's section into exporters and files; names and delivery are `telemetry`'s.

use std::path::Path;
use std::time::Duration;

use rule_table::{AccessLogTarget, OtlpProtocol, Telemetry as Section};
use telemetry::access_log::AccessLogError;
use telemetry::otlp::Secret;
use telemetry::{AccessLog, Drops, Export, ExportConfig, ExportError, Protocol, Sampling, Telemetry};

use crate::costs::Costs;
use crate::settlement::Observers;
use crate::upstream::{SecretError, read_secret};

/// How long a stop waits for what is queued.
const FLUSH: Duration = Duration::from_secs(3);
/// A request at least this long is worth a trace whatever the dice said.
const SLOW: Duration = Duration::from_secs(30);

/// Why telemetry does not start.
#[derive(Debug, thiserror::Error)]
pub enum ObservabilityError {
    /// The exporter refuses its settings.
    #[error("telemetry.otlp: {0}")]
    Export(#[from] ExportError),
    /// A header's secret cannot be read.
    #[error("telemetry.otlp.headers.{header}: {source}")]
    Header {
        /// Its name.
        header: String,
        /// Why.
        source: SecretError,
    },
    /// The access log cannot be opened.
    #[error("telemetry.accessLog: {0}")]
    AccessLog(#[from] AccessLogError),
}

/// Running telemetry.
#[derive(Debug)]
pub(crate) struct Observability {
    export: Option<Telemetry>,
    access_log: AccessLog,
}

impl Observability {
    /// Starts what the section asks for; files are relative to `base`.
    pub(crate) fn start(section: &Section, base: &Path) -> Result<Self, ObservabilityError> {
        let drops = Drops::default();
        let export = config(section, base)?.map(|config| Export::start(&config, &drops)).transpose()?;
        let target = match &section.access_log {
            AccessLogTarget::Off => telemetry::AccessLogTarget::Off,
            AccessLogTarget::Stdout => telemetry::AccessLogTarget::Stdout,
            AccessLogTarget::File(file) => telemetry::AccessLogTarget::File(base.join(file)),
        };
        Ok(Self { export, access_log: AccessLog::start(&target, &drops)? })
    }

    /// What requests report to.
    pub(crate) fn observers(&self) -> Observers {
        Observers {
            instruments: self.export.as_ref().map(Telemetry::instruments).unwrap_or_default(),
            traces: self.export.as_ref().map(Telemetry::traces).unwrap_or_default(),
            access_log: self.access_log.clone(),
            costs: Costs::default(),
            stories: None,
        }
    }

    /// Flushes and stops. Blocks, for a bounded time.
    pub(crate) fn shutdown(self) {
        if !self.access_log.shutdown(FLUSH) {
            tracing::warn!("the access log did not finish writing in time");
        }
        if self.export.is_some_and(|export| !export.shutdown(FLUSH)) {
            tracing::warn!("the collector did not take everything in time");
        }
    }
}

fn config(section: &Section, base: &Path) -> Result<Option<ExportConfig>, ObservabilityError> {
    let Some(otlp) = &section.otlp else { return Ok(None) };
    let protocol = match otlp.protocol {
        OtlpProtocol::Grpc => Protocol::Grpc,
        OtlpProtocol::HttpProtobuf => Protocol::HttpProtobuf,
    };
    let headers = otlp.headers.iter().map(|(name, reference)| {
        let secret = read_secret(reference, base);
        let secret = secret.map_err(|source| ObservabilityError::Header { header: name.clone(), source })?;
        Ok((name.clone(), Secret::new(secret.expose())))
    });
    let headers = headers.collect::<Result<_, ObservabilityError>>()?;
    Ok(Some(ExportConfig {
        headers,
        interval: otlp.interval,
        service_name: section.service_name.clone(),
        service_version: env!("CARGO_PKG_VERSION").to_owned(),
        instance_id: uuid::Uuid::now_v7().to_string(),
        sampling: Sampling { ratio: section.trace_sampling, slow: Some(SLOW) },
        ..ExportConfig::new(otlp.endpoint.clone(), protocol)
    }))
}

/// The process's own log on standard error.
pub(crate) fn log_to_stderr(json: bool) {
    let format =
        if json { telemetry::operational::Format::Json } else { telemetry::operational::Format::Text };
    let filter = std::env::var("SLUICEGATE_LOG").unwrap_or_else(|_| "warn,sluicegate=info".to_owned());
    // A second subscriber in one process (a test) is no reason not to serve.
    let _ = telemetry::operational::init(format, &filter);
}
