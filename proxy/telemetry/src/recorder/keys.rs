//! What distinguishes one attribute set from another. It owns owned and borrowed forms of the same key,
//! so that a lookup allocates nothing.

use hashbrown::Equivalent;
use vocabulary::{Operation, Reason};

use crate::settled::{AiSettled, AttemptSettled, Deployment, HookSettled, Method, RequestSettled, Scheme};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RequestKey<S> {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) route: Option<S>,
    pub(super) status: u16,
    pub(super) reason: Option<Reason>,
}

impl<'a> RequestKey<&'a str> {
    pub(super) fn of(request: &RequestSettled<'a>) -> Self {
        Self {
            method: request.method,
            scheme: request.scheme,
            route: request.route,
            status: request.status,
            reason: request.reason,
        }
    }

    pub(super) fn to_owned(self) -> RequestKey<Box<str>> {
        RequestKey {
            method: self.method,
            scheme: self.scheme,
            route: self.route.map(Box::from),
            status: self.status,
            reason: self.reason,
        }
    }
}

impl Equivalent<RequestKey<Box<str>>> for RequestKey<&str> {
    fn equivalent(&self, key: &RequestKey<Box<str>>) -> bool {
        self.route == key.route.as_deref()
            && (self.method, self.scheme, self.status, self.reason)
                == (key.method, key.scheme, key.status, key.reason)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HookKey<S> {
    pub(super) hook: S,
    pub(super) outcome: &'static str,
    pub(super) cached: bool,
}

impl<'a> HookKey<&'a str> {
    pub(super) fn of(hook: &HookSettled<'a>) -> Self {
        Self { hook: hook.hook, outcome: hook.outcome, cached: hook.cached }
    }

    pub(super) fn to_owned(self) -> HookKey<Box<str>> {
        HookKey { hook: self.hook.into(), outcome: self.outcome, cached: self.cached }
    }
}

impl Equivalent<HookKey<Box<str>>> for HookKey<&str> {
    fn equivalent(&self, key: &HookKey<Box<str>>) -> bool {
        *self.hook == *key.hook && (self.outcome, self.cached) == (key.outcome, key.cached)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AnswerKey<S> {
    pub(super) operation: Operation,
    pub(super) provider: Option<S>,
    pub(super) model: S,
    pub(super) pool: Option<S>,
    pub(super) reason: Option<Reason>,
}

impl<'a> AnswerKey<&'a str> {
    pub(super) fn of(ai: &AiSettled<'a>, reason: Option<Reason>) -> Self {
        Self { operation: ai.operation, provider: ai.provider, model: ai.model, pool: ai.pool, reason }
    }

    pub(super) fn to_owned(self) -> AnswerKey<Box<str>> {
        AnswerKey {
            operation: self.operation,
            provider: self.provider.map(Box::from),
            model: self.model.into(),
            pool: self.pool.map(Box::from),
            reason: self.reason,
        }
    }
}

impl Equivalent<AnswerKey<Box<str>>> for AnswerKey<&str> {
    fn equivalent(&self, key: &AnswerKey<Box<str>>) -> bool {
        *self.model == *key.model
            && self.provider == key.provider.as_deref()
            && self.pool == key.pool.as_deref()
            && (self.operation, self.reason) == (key.operation, key.reason)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AttemptKey<S> {
    pub(super) backend: S,
    pub(super) provider: S,
    pub(super) model: S,
    pub(super) pool: S,
    pub(super) address: S,
    pub(super) port: u16,
    pub(super) operation: Operation,
    pub(super) reason: Option<Reason>,
}

impl<'a> AttemptKey<&'a str> {
    pub(super) fn of(attempt: &AttemptSettled<'a>) -> Self {
        Self::to(&attempt.deployment, attempt.operation, attempt.reason)
    }

    pub(super) fn to(deployment: &Deployment<'a>, operation: Operation, reason: Option<Reason>) -> Self {
        Self {
            backend: deployment.backend,
            provider: deployment.provider,
            model: deployment.model,
            pool: deployment.pool,
            address: deployment.address,
            port: deployment.port,
            operation,
            reason,
        }
    }

    pub(super) fn to_owned(self) -> AttemptKey<Box<str>> {
        AttemptKey {
            backend: self.backend.into(),
            provider: self.provider.into(),
            model: self.model.into(),
            pool: self.pool.into(),
            address: self.address.into(),
            port: self.port,
            operation: self.operation,
            reason: self.reason,
        }
    }
}

impl Equivalent<AttemptKey<Box<str>>> for AttemptKey<&str> {
    fn equivalent(&self, key: &AttemptKey<Box<str>>) -> bool {
        *self.backend == *key.backend
            && *self.model == *key.model
            && *self.pool == *key.pool
            && *self.provider == *key.provider
            && *self.address == *key.address
            && (self.port, self.operation, self.reason) == (key.port, key.operation, key.reason)
    }
}
