//! A request as its backend would get it. It owns which edits are told; making them is `decision`'s.

use decision::{Refusal, Sending as Attempt, Stage};
use rule_table::{Backend, DeploymentId};

use super::Walk;
use crate::explanation::Sending;

impl Walk<'_> {
    /// Stage 7 of a request that was read.
    pub(super) fn rewrite(&mut self) -> Result<(), Refusal> {
        self.stage = Stage::Rewrite;
        let attempt = Attempt {
            body: &self.request.body,
            caller: &self.request.headers,
            credential: None,
            traceparent: None,
        };
        let sent = self.exchange.rewrite(&attempt)?;
        let Some((deployment, serves_as)) =
            self.exchange.attempts.last().map(|attempt| (attempt.deployment, attempt.serves_as))
        else {
            return Ok(());
        };
        let asked = self.exchange.operation;
        let translated = serves_as.filter(|operation| Some(*operation) != asked);
        if let Some(mut told) = self.sending(deployment, &sent.path_and_query) {
            told.translated_to = translated.map(vocabulary::Operation::path);
            told.body_changed = sent.body != self.request.body;
            told.body_bytes = sent.body.len() as u64;
            told.lost_fields.clone_from(&self.exchange.lost_fields);
            self.told.sending = Some(told);
        }
        Ok(())
    }

    /// Stage 7 of a request that is passed on: to the pick, or to the first of those that take turns.
    pub(super) fn pass_on(&mut self) {
        let pool = self.told.pools.last_mut();
        let member = pool.and_then(|pool| {
            let members = &mut pool.members;
            let at = members.iter().position(|member| member.picked);
            let at = at.or_else(|| members.iter().position(|member| member.out.is_none()))?;
            members.get(at).map(|member| member.member.clone())
        });
        let deployments = &self.gate.policy().deployments;
        let Some((id, _)) =
            (0_u32..).zip(deployments).find(|(_, deployment)| Some(&deployment.name) == member.as_ref())
        else {
            return;
        };
        let path =
            self.backend(id).and_then(|backend| self.exchange.piped_path(backend, id, &self.request.path));
        let path = path.unwrap_or_else(|| self.request.path.clone());
        self.told.sending = self.sending(id, &path);
    }

    fn backend(&self, deployment: DeploymentId) -> Option<&Backend> {
        let deployment = self.gate.deployment(deployment)?;
        self.gate.policy().backends.get(deployment.backend as usize)
    }

    /// What holds of every way of sending.
    fn sending(&self, id: DeploymentId, path: &str) -> Option<Sending> {
        let backend = self.backend(id)?;
        let (scheme, usual) = if backend.tls { ("https", 443) } else { ("http", 80) };
        let port = if backend.port == usual { String::new() } else { format!(":{}", backend.port) };
        let edits = || self.exchange.rewrites(backend);
        let route = self.exchange.route()?;
        let pool = self.gate.policy().pools.get(route.pool as usize)?;
        let set = edits().flat_map(|edit| &edit.request_headers.set).map(|(name, _)| name.clone());
        let fields = edits().flat_map(|edit| &edit.body).map(|edit| edit.field.join("."));
        Some(Sending {
            to: self.gate.deployment(id)?.name.clone(),
            url: format!("{scheme}://{}{port}{path}", backend.host),
            translated_to: None,
            body_changed: false,
            body_bytes: self.request.body.len() as u64,
            headers_set: set.collect(),
            headers_removed: edits().flat_map(|edit| edit.request_headers.remove.clone()).collect(),
            fields: fields.collect(),
            system_prefix: edits().any(|edit| edit.system_prefix.is_some()),
            lost_fields: Vec::new(),
            max_attempts: pool.retry.max_attempts,
            deadline_s: route.deadline.as_secs(),
        })
    }
}
