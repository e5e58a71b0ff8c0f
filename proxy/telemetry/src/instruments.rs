//! The recording side of the catalogue, with one function per event and no attribute at call sites. It
//! owns the switch between recording and doing nothing; it refuses to know how numbers are exported.

use std::sync::Arc;

use vocabulary::Reason;
use vocabulary::admin::shadow::Differs;

use crate::recorder::Recorder;
use crate::settled::{
    AttemptSettled, Deployment, HookSettled, Method, Readings, Reload, RequestSettled, Scheme, WafSettled,
};

/// Records what happened. Clones share the same instruments; without export every call is one branch.
#[derive(Clone, Default)]
pub struct Instruments {
    recorder: Option<Arc<Recorder>>,
}

impl Instruments {
    /// Instruments that record nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default()
    }

    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only an export can record"))]
    pub(crate) fn recording(recorder: Recorder) -> Self {
        Self { recorder: Some(Arc::new(recorder)) }
    }

    /// Whether anything is recorded, so that a caller can skip preparing a large argument.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.recorder.is_some()
    }

    /// Counts a request as active until the guard is dropped.
    #[must_use = "the request counts as active for as long as the guard lives"]
    pub fn begin(&self, method: Method, scheme: Scheme) -> ActiveRequest {
        if let Some(recorder) = &self.recorder {
            recorder.active(method, scheme, 1);
        }
        ActiveRequest { recorder: self.recorder.clone(), method, scheme }
    }

    /// Records a request that is over, once. Its reason, if any, is counted too, and so is what rules in
    /// shadow mode would have refused it for.
    pub fn record_request(&self, request: &RequestSettled<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.request(request);
        }
    }

    /// Records an attempt that is over, once: duration, tokens, cost and, if another attempt followed,
    /// the failover.
    pub fn record_attempt(&self, attempt: &AttemptSettled<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.attempt(attempt);
        }
    }

    /// Records that a policy hook was asked, once per request.
    pub fn record_hook(&self, hook: &HookSettled<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.hook(hook);
        }
    }

    /// Counts what a firewall found.
    pub fn record_waf(&self, waf: &WafSettled<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.waf(waf);
        }
    }

    /// Counts a request that was followed through a second policy, and the first difference if there was
    /// one.
    pub fn record_compared(&self, difference: Option<(Differs, Option<Reason>)>) {
        if let Some(recorder) = &self.recorder {
            recorder.compared(difference);
        }
    }

    /// Starts the counters of these deployments at zero, so that the first failover or dollar is an
    /// increase and not a new series. Called with every accepted policy; repeating it is harmless.
    pub fn declare(&self, deployments: &[Deployment<'_>]) {
        if let Some(recorder) = &self.recorder {
            recorder.declare(deployments);
        }
    }

    /// Replaces the state of pools and backends, as of the last tick of the loop.
    pub fn publish(&self, readings: Readings) {
        if let Some(recorder) = &self.recorder {
            recorder.publish(readings);
        }
    }

    /// Sets the generation of the serving policy.
    pub fn generation(&self, generation: u64) {
        if let Some(recorder) = &self.recorder {
            recorder.generation(generation);
        }
    }

    /// Counts a reload.
    pub fn reload(&self, result: Reload) {
        if let Some(recorder) = &self.recorder {
            recorder.reload(result);
        }
    }
}

impl std::fmt::Debug for Instruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instruments").field("enabled", &self.enabled()).finish()
    }
}

/// A request in flight; it stops counting as active when this is dropped.
pub struct ActiveRequest {
    recorder: Option<Arc<Recorder>>,
    method: Method,
    scheme: Scheme,
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        if let Some(recorder) = &self.recorder {
            recorder.active(self.method, self.scheme, -1);
        }
    }
}

impl std::fmt::Debug for ActiveRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActiveRequest").field("method", &self.method).field("scheme", &self.scheme).finish()
    }
}
