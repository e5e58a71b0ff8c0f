//! Files a server has been given, and OpenAI's API for them. It owns them in memory, in order of arrival;
//! it refuses the disk.

use bytes::Bytes;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::asked::hash;
use super::chat::CREATED;
use super::errors::Complaint;
use super::multipart;
use super::respond::{json, plain};
use super::shared::Shared;

/// Files kept; one more is refused.
const MOST_FILES: usize = 10_000;

/// Files by order of arrival.
#[derive(Debug, Default)]
pub(super) struct Files {
    uploads: u64,
    kept: Vec<File>,
}

#[derive(Debug)]
struct File {
    id: String,
    filename: String,
    purpose: String,
    content: Bytes,
}

/// What is asked of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    One(String),
    Content(String),
}

/// Answers what is asked of the files.
pub(super) fn answer(
    shared: &Shared,
    asked: &Asked,
    method: &Method,
    content_type: &str,
    body: &Bytes,
) -> Result<Response<Answer>, Complaint> {
    let mut files = shared.files.lock();
    match (asked, method) {
        (Asked::All, &Method::POST) => files.upload(content_type, body).map(|file| json(&file)),
        (Asked::All, &Method::GET) => {
            let data: Vec<Value> = files.kept.iter().map(File::describe).collect();
            Ok(json(&json!({"object": "list", "data": data, "has_more": false})))
        }
        (Asked::One(id), &Method::GET) => Ok(json(&files.get(id)?.describe())),
        (Asked::One(id), &Method::DELETE) => {
            files.get(id)?;
            files.kept.retain(|file| file.id != *id);
            Ok(json(&json!({"id": id, "object": "file", "deleted": true})))
        }
        (Asked::Content(id), &Method::GET) => {
            Ok(plain(StatusCode::OK, "application/octet-stream", files.get(id)?.content.clone()))
        }
        _ => Err(Complaint::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for files."))),
    }
}

impl Files {
    fn get(&self, id: &str) -> Result<&File, Complaint> {
        let file = self.kept.iter().find(|file| file.id == id);
        file.ok_or_else(|| Complaint::not_found(format!("No such File object: {id}")).about("id"))
    }

    fn upload(&mut self, content_type: &str, body: &Bytes) -> Result<Value, Complaint> {
        let parts = multipart::parts(content_type, body)?;
        let part = |name: &str| parts.iter().find(|part| part.name == name);
        let file = part("file").ok_or_else(|| missing("file"))?;
        let purpose = part("purpose").ok_or_else(|| missing("purpose"))?;
        if self.kept.len() >= MOST_FILES {
            return Err(Complaint::bad_request(format!("This server keeps at most {MOST_FILES} files.")));
        }
        self.uploads += 1;
        let file = File {
            id: format!("file-{:016x}", hash(self.uploads, file.content)),
            filename: file.filename.clone().unwrap_or_else(|| "upload".to_owned()),
            purpose: String::from_utf8_lossy(purpose.content).into_owned(),
            content: Bytes::copy_from_slice(file.content),
        };
        let described = file.describe();
        self.kept.push(file);
        Ok(described)
    }
}

fn missing(name: &str) -> Complaint {
    Complaint::bad_request(format!("'{name}' is a required property")).about(name)
}

impl File {
    fn describe(&self) -> Value {
        json!({
            "id": self.id, "object": "file", "bytes": self.content.len(), "created_at": CREATED,
            "filename": self.filename, "purpose": self.purpose, "status": "processed",
        })
    }
}
