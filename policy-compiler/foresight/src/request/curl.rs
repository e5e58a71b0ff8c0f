//! A curl command line, as browsers and documentation give it. It owns the flags that shape a request and what
//! curl adds by itself (curl's manual, "-d", "--json", "-H"); it refuses flags it does not know by name, and to
//! read files. Quoting is `shlex`'s.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Fault, Request, Rest, Target};

/// What curl calls itself; rules on bots read it.
const AGENT: HeaderValue = HeaderValue::from_static("curl/8.7.1");

/// Flags that shape the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Method,
    Header,
    Data,
    /// As it is, a leading `@` included.
    RawData,
    Json,
    Url,
    User,
    Agent,
    Cookie,
    Get,
    Head,
    Compressed,
    /// Says nothing about the request.
    Nothing,
    /// Says nothing about the request, and takes a value.
    NothingWith,
}

impl Flag {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "-X" | "--request" => Self::Method,
            "-H" | "--header" => Self::Header,
            "-d" | "--data" | "--data-ascii" | "--data-binary" => Self::Data,
            "--data-raw" => Self::RawData,
            "--json" => Self::Json,
            "--url" => Self::Url,
            "-u" | "--user" => Self::User,
            "-A" | "--user-agent" => Self::Agent,
            "-b" | "--cookie" => Self::Cookie,
            "-G" | "--get" => Self::Get,
            "-I" | "--head" => Self::Head,
            "--compressed" => Self::Compressed,
            "-s" | "--silent" | "-S" | "--show-error" | "-i" | "--include" | "-v" | "--verbose" | "-k"
            | "--insecure" | "-L" | "--location" | "-N" | "--no-buffer" | "-f" | "--fail"
            | "--fail-with-body" | "--http1.1" | "--http2" => Self::Nothing,
            "-o" | "--output" | "-m" | "--max-time" | "--connect-timeout" | "-w" | "--write-out" => {
                Self::NothingWith
            }
            _ => return None,
        })
    }

    fn takes_value(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::Compressed | Self::Nothing)
    }
}

#[derive(Default)]
struct Command {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<String>,
    data: Option<String>,
    json: bool,
    user: Option<String>,
    agent: Option<String>,
    cookie: Option<String>,
    get: bool,
    head: bool,
    compressed: bool,
}

pub(super) fn parse(start: Rest<'_>) -> Result<Request, Fault> {
    let line = start.line;
    let fault = |what: &str, fix: &str| Fault::new(line, what, fix);
    let text = std::str::from_utf8(start.rest)
        .map_err(|_| fault("the command line is no UTF-8", "write the request as raw HTTP"))?;
    if text.contains(" $'") {
        return Err(fault(
            "quotes of the form $'…' are not read",
            "write '…' or \"…\", or the request as raw HTTP",
        ));
    }
    let text = text.replace("\r\n", "\n");
    let words = shlex::split(&text)
        .ok_or_else(|| fault("a quote or a backslash has no end", "close it, as a shell would need it"))?;
    let command = read(words.into_iter().skip(1), line)?;
    build(command, line)
}

fn read(mut words: impl Iterator<Item = String>, line: usize) -> Result<Command, Fault> {
    let mut command = Command::default();
    while let Some(word) = words.next() {
        // What a continued line may leave behind.
        if word.trim().is_empty() {
            continue;
        }
        if !word.starts_with('-') || word == "-" {
            set(&mut command, Flag::Url, word, line)?;
            continue;
        }
        // `-sSX POST`, `-XPOST`: short flags run together, the last one's value may be attached.
        let long = word.starts_with("--");
        let mut left = word.as_str();
        loop {
            let (name, attached) = if long {
                (left.to_owned(), "")
            } else {
                let mut letters = left.trim_start_matches('-').chars();
                let name = letters.next().map(|letter| format!("-{letter}")).unwrap_or_default();
                (name, letters.as_str())
            };
            let flag = Flag::named(&name).ok_or_else(|| unknown(&name, line))?;
            if flag.takes_value() {
                let value = if attached.is_empty() { words.next() } else { Some(attached.to_owned()) };
                let value = value.ok_or_else(|| {
                    Fault::new(line, format!("`{name}` lacks its value"), "write it after the flag")
                })?;
                set(&mut command, flag, value, line)?;
                break;
            }
            set(&mut command, flag, String::new(), line)?;
            if attached.is_empty() {
                break;
            }
            left = attached;
        }
    }
    Ok(command)
}

fn unknown(name: &str, line: usize) -> Fault {
    // What follows `=` may be a secret.
    let name = name.split('=').next().unwrap_or_default();
    Fault::new(
        line,
        format!("the flag `{name}` is not read"),
        "leave it out if it does not shape the request, or write the request as raw HTTP",
    )
}

fn set(command: &mut Command, flag: Flag, value: String, line: usize) -> Result<(), Fault> {
    match flag {
        Flag::Method => command.method = Some(value),
        Flag::Header => command.headers.push(value),
        Flag::Data | Flag::Json if value.starts_with('@') => {
            return Err(Fault::new(
                line,
                "the body is in another file",
                "write it after `-d`, or the request as raw HTTP with its body after an empty line",
            ));
        }
        Flag::Data | Flag::RawData | Flag::Json => {
            command.json |= flag == Flag::Json;
            command.data = Some(match command.data.take() {
                Some(before) if flag != Flag::Json => format!("{before}&{value}"),
                Some(before) => before + &value,
                None => value,
            });
        }
        Flag::Url if command.url.is_some() => {
            return Err(Fault::new(
                line,
                "there are two URLs",
                "explain one request at a time, and put quotes around values with spaces",
            ));
        }
        Flag::Url => command.url = Some(value),
        Flag::User => command.user = Some(value),
        Flag::Agent => command.agent = Some(value),
        Flag::Cookie => command.cookie = Some(value),
        Flag::Get => command.get = true,
        Flag::Head => command.head = true,
        Flag::Compressed => command.compressed = true,
        Flag::Nothing | Flag::NothingWith => {}
    }
    Ok(())
}

fn build(command: Command, line: usize) -> Result<Request, Fault> {
    let fault = |what: &str, fix: &str| Fault::new(line, what, fix);
    let url = command.url.as_deref().ok_or_else(|| fault("there is no URL", "write it after the flags"))?;
    let mut target = Target::read(url, true, line)?;
    let mut data = command.data.clone();
    if command.get
        && let Some(data) = data.take()
    {
        let joint = if target.query.is_empty() { "" } else { "&" };
        target.query.push_str(&format!("{joint}{data}"));
    }
    let usual = match (&data, command.head) {
        (_, true) => "HEAD",
        (Some(_), false) => "POST",
        (None, false) => "GET",
    };
    let method = command.method.as_deref().unwrap_or(usual);
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| fault("the value of `-X` is no method", "write one such as `POST`"))?;
    let headers = headers(&command, data.is_some(), line)?;
    Ok(Request::assemble(method, &target, headers, Bytes::from(data.unwrap_or_default())))
}

/// What curl sends by itself, then what the command line says.
fn headers(command: &Command, has_data: bool, line: usize) -> Result<HeaderMap, Fault> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Fault::new(line, "a header holds what no header can", "leave out control characters")
        })
    };
    let mut headers = HeaderMap::new();
    if command.agent.as_deref() != Some("") {
        headers.insert(USER_AGENT, command.agent.as_deref().map_or(Ok(AGENT), value)?);
    }
    let json = HeaderValue::from_static("application/json");
    headers.insert(ACCEPT, if command.json { json.clone() } else { HeaderValue::from_static("*/*") });
    if has_data {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, if command.json { json } else { form });
    }
    if let Some(user) = &command.user {
        headers.insert(AUTHORIZATION, value(&format!("Basic {}", STANDARD.encode(user)))?);
    }
    if let Some(cookie) = &command.cookie {
        headers.insert(COOKIE, value(cookie)?);
    }
    if command.compressed {
        headers.insert(http::header::ACCEPT_ENCODING, HeaderValue::from_static("deflate, gzip, br, zstd"));
    }
    let mut said: Vec<HeaderName> = Vec::new();
    for header in &command.headers {
        let bad = || Fault::new(line, "a value of `-H` is no header", "write `-H 'Name: value'`");
        // `Name;` sends an empty value, `Name:` none at all.
        let (name, text) = match (header.split_once(':'), header.strip_suffix(';')) {
            (Some((name, text)), _) => (name, Some(text.trim()).filter(|text| !text.is_empty())),
            (None, Some(name)) => (name, Some("")),
            (None, None) => return Err(bad()),
        };
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
        if !said.contains(&name) {
            headers.remove(&name);
            said.push(name.clone());
        }
        if let Some(text) = text {
            headers.append(name, value(text)?);
        }
    }
    Ok(headers)
}
