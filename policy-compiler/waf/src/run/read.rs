//! Fills in the values of a request and its answer, phase by phase. It owns which variable sees what; it refuses
//! taking bodies apart, which is [`crate::request`].

use super::Engine;
use super::facts::Facts;
use super::inspection::Circumstances;
use super::state::State;
use crate::fields::{Classes, Fields};
use crate::program::{BodyProcessor, Variable as V};
use crate::request::{self, Body, Line, Multipart, Pair};

pub(super) fn connection(facts: &mut Facts, circumstances: &Circumstances) {
    let client = circumstances.client.ip().to_string();
    facts.set(V::RemoteAddr, client.clone());
    facts.set(V::RemoteHost, client);
    facts.set(V::RemotePort, circumstances.client.port().to_string());
    facts.set(V::ServerAddr, circumstances.server.ip().to_string());
    facts.set(V::ServerPort, circumstances.server.port().to_string());
    facts.set(V::UniqueId, circumstances.unique_id.clone());
}

pub(super) fn request_head(engine: &Engine, facts: &mut Facts, line: &Line<'_>, headers: Vec<Pair>) {
    let head = request::read_head(line, &headers, &engine.program.reading);
    facts.set(V::RequestMethod, line.method);
    facts.set(V::RequestProtocol, line.protocol);
    facts.set(V::RequestLine, head.line);
    facts.set(V::RequestUri, head.uri);
    facts.set(V::RequestUriRaw, head.uri_raw);
    facts.set(V::RequestFilename, head.filename);
    facts.set(V::RequestBasename, head.basename);
    facts.set(V::PathInfo, head.path_info);
    facts.set(V::QueryString, head.query_string);
    facts.set(V::UrlencodedError, if head.urlencoded_error { "1" } else { "0" });
    let host = headers.iter().find(|header| header.name.eq_ignore_ascii_case(b"host"));
    facts.set(V::ServerName, host.map_or(Vec::new(), |host| without_port(&host.value)));
    arguments(engine, facts, head.args, [V::ArgsGet, V::ArgsGetNames]);
    for Pair { name, value } in head.cookies {
        if engine.uses(V::RequestCookiesNames) {
            facts.add(&[V::RequestCookiesNames], name.clone(), name.clone());
        }
        facts.add(&[V::RequestCookies], name, value);
    }
    for Pair { name, value } in headers {
        if engine.uses(V::RequestHeadersNames) {
            facts.add(&[V::RequestHeadersNames], name.clone(), name.clone());
        }
        facts.add(&[V::RequestHeaders], name, value);
    }
    combined_size(facts);
    for (variable, value) in
        [(V::ReqbodyError, "0"), (V::ReqbodyProcessorError, "0"), (V::InboundDataError, "0")]
    {
        facts.set(variable, value);
    }
}

pub(super) fn more_arguments(engine: &Engine, facts: &mut Facts, pairs: Vec<Pair>) {
    arguments(engine, facts, pairs, [V::ArgsGet, V::ArgsGetNames]);
}

fn without_port(host: &[u8]) -> Vec<u8> {
    let end = host.iter().rposition(|byte| *byte == b':').unwrap_or(host.len());
    let bracketed = host.last() == Some(&b']');
    let name = if bracketed { host } else { host.get(..end).unwrap_or(host) };
    name.to_vec()
}

fn arguments(engine: &Engine, facts: &mut Facts, args: Vec<Pair>, [values, names]: [V; 2]) {
    let named = engine.uses(V::ArgsNames) || engine.uses(names);
    for Pair { name, value } in args {
        if named {
            facts.add(&[V::ArgsNames, names], name.clone(), name.clone());
        }
        facts.add(&[V::Args, values], name, value);
    }
}

fn combined_size(facts: &mut Facts) {
    let size: usize = facts
        .ids(V::Args)
        .iter()
        .filter_map(|id| facts.get(*id))
        .map(|value| value.name.len().saturating_add(value.bytes.len()))
        .sum();
    facts.set(V::ArgsCombinedSize, size.to_string());
}

pub(super) fn request_body(
    engine: &Engine,
    facts: &mut Facts,
    state: &State,
    body: &[u8],
    content_type: Option<&[u8]>,
) {
    if !state.request_body {
        return;
    }
    let reading = &engine.program.reading;
    if !body.is_empty() {
        facts.set(V::RequestBodyLength, body.len().to_string());
    }
    if body.len() as u64 > reading.request_body_limit {
        facts.set(V::InboundDataError, "1");
    }
    let read = request::read_body(body, content_type, state.processor, reading);
    // Who took a body apart shows its parts; the whole is for forms and for what nobody could take apart.
    let in_parts = !matches!(read.processor, None | Some(BodyProcessor::Urlencoded)) && read.error.is_none();
    let whole = !in_parts || state.whole_body;
    if whole && !body.is_empty() && engine.uses(V::RequestBody) {
        facts.set(V::RequestBody, body);
    }
    parts(engine, facts, read);
    combined_size(facts);
}

/// A body of a model API: what its schema exempts is no argument, and empty in the body as a whole.
pub(super) fn request_fields(
    engine: &Engine,
    facts: &mut Facts,
    state: &State,
    fields: &Fields,
    exempt: Classes,
) {
    if !state.request_body {
        return;
    }
    facts.set(V::RequestBodyLength, fields.canonical.len().to_string());
    if state.whole_body && engine.uses(V::RequestBody) {
        facts.set(V::RequestBody, fields.visible.as_slice());
    }
    facts.set(V::ReqbodyProcessor, BodyProcessor::Json.name());
    let seen = fields.fields.iter().filter(|field| !exempt.has(field.class));
    let args = seen
        .map(|field| Pair { name: field.path.as_bytes().to_vec(), value: field.value.as_bytes().to_vec() });
    arguments(engine, facts, args.collect(), [V::ArgsPost, V::ArgsPostNames]);
    combined_size(facts);
}

fn parts(engine: &Engine, facts: &mut Facts, body: Body) {
    if let Some(processor) = body.processor {
        facts.set(V::ReqbodyProcessor, processor.name());
    }
    if let Some(error) = body.error {
        for (variable, message) in
            [(V::ReqbodyError, V::ReqbodyErrorMsg), (V::ReqbodyProcessorError, V::ReqbodyProcessorErrorMsg)]
        {
            facts.set(variable, "1");
            facts.set(message, error.clone());
        }
    }
    if body.urlencoded_error {
        facts.set(V::UrlencodedError, "1");
    }
    arguments(engine, facts, body.args, [V::ArgsPost, V::ArgsPostNames]);
    if let Some(xml) = body.xml {
        facts.add(&[V::Xml], b"/*".to_vec(), xml.text);
        for attribute in xml.attributes {
            facts.add(&[V::Xml], b"//@*".to_vec(), attribute);
        }
    }
    if let Some(multipart) = body.multipart {
        multipart_parts(facts, multipart);
    }
}

fn multipart_parts(facts: &mut Facts, multipart: Multipart) {
    let sizes: usize = multipart.files.iter().map(|file| file.content.len()).sum();
    facts.set(V::FilesCombinedSize, sizes.to_string());
    for (variable, flag) in multipart.flags() {
        facts.set(variable, flag);
    }
    for file in multipart.files {
        facts.add(&[V::FilesNames], file.name.clone(), file.name.clone());
        facts.add(&[V::FilesSizes], file.name.clone(), file.content.len().to_string().into_bytes());
        facts.add(&[V::FilesTmpContent], file.name.clone(), file.content);
        facts.add(&[V::Files, V::MultipartFilename], file.name, file.filename);
    }
    for Pair { name, value } in multipart.names {
        facts.add(&[V::MultipartName], name, value);
    }
    for Pair { name, value } in multipart.part_headers {
        facts.add(&[V::MultipartPartHeaders], name, value);
    }
}

pub(super) fn response_head(facts: &mut Facts, status: u16, protocol: &[u8], headers: Vec<Pair>) {
    facts.set(V::ResponseStatus, status.to_string());
    facts.set(V::ResponseProtocol, protocol);
    let mut line = protocol.to_vec();
    line.extend_from_slice(format!(" {status}").as_bytes());
    facts.set(V::StatusLine, line);
    let of = |name: &[u8]| {
        headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|one| one.value.clone())
    };
    if let Some(value) = of(b"content-type") {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        facts.set(V::ResponseContentType, essence.trim_ascii());
    }
    if let Some(value) = of(b"content-length") {
        facts.set(V::ResponseContentLength, value);
    }
    for Pair { name, value } in headers {
        facts.add(&[V::ResponseHeadersNames], name.clone(), name.clone());
        facts.add(&[V::ResponseHeaders], name, value);
    }
}

pub(super) fn response_body(engine: &Engine, facts: &mut Facts, body: &[u8]) {
    if engine.uses(V::ResponseBody) && !body.is_empty() {
        let limit = usize::try_from(engine.program.reading.response_body_limit).unwrap_or(usize::MAX);
        facts.set(V::ResponseBody, body.get(..limit).unwrap_or(body));
    }
}
