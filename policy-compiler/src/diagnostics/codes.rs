//! The registry of codes: each with its severity, title and explanation. It owns every code there is;
//! `sluicegate explain` and the reference page are printed from it.
//! Long because it is one registry, whose order is its numbers.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No bundle is made.
    Error,
    /// A bundle is made, but probably not what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// In lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $severity:ident $title:literal $explanation:literal)*) => {
        /// What kind of thing a finding is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $title, ".")] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As written, such as `SG0202`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// A few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Why it is a finding and how to act on it, in Markdown.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }
        }
    };
}

codes! {
NotYaml "SG0001" Error "not readable"
"The text is neither YAML nor JSON. Usual causes: a tab used for indentation, a quotation mark or bracket that is not closed, a value with `: ` in it that is not in quotes."

DuplicateKey "SG0002" Error "duplicate key"
"A name is written twice in one map. Readers of YAML differ in which of the two they keep, so neither is taken."

Indirection "SG0003" Error "anchor, alias or tag"
"Anchors (`&x`), aliases (`*x`) and tags (`!x`) are not part of the manifest language: a reader should see every value where it holds. What is shared is shared by name: limits, pools, identities.

A value that merely begins with `*` or `&`, such as a host, needs quotes: `host: \"*.llm.corp\"`."

AmbiguousScalar "SG0004" Error "ambiguous scalar"
"YAML 1.1 and 1.2 read some unquoted words differently: `no`, `on` and `y` may be booleans, `1:30` may be 90, `0755` may be 493. A tool in the chain that follows the other version would see another policy. Write `true` or `false`, a plain decimal number, or put the text in quotes."

TooDeep "SG0005" Error "nested too deeply"
"Maps and lists may be nested 64 deep; the language itself needs no more than eight. A bracket that is never closed is the usual cause."

TooLarge "SG0006" Error "too large"
"A manifest, all its files together, may be 64 MiB long, which is hundreds of thousands of routes."

OneDocument "SG0007" Error "not exactly one document"
"A manifest is one YAML document. It is not empty, and no `---` begins a second one."

KeyNotText "SG0008" Error "key is not a name"
"A map's keys are plain names. A map or list stands where a name is expected; often a `{` or `[` at the beginning of a key that needs quotes."

Internal "SG0099" Error "fault of the compiler"
"The manifest passed every check, and the compiler could still not make a bundle of it. That is a bug; please report it with the manifest, without its secrets."

UnknownField "SG0101" Error "unknown field"
"The field is not part of the language here. It may be misspelt, indented under the wrong parent, or belong to another section. Unknown fields are refused because a misspelt limit would otherwise limit nothing."

MissingField "SG0102" Error "missing field"
"A field that has no default is not written."

WrongType "SG0103" Error "wrong type"
"The value is of another type than the field holds: text, number, boolean, list or map. Quantities carry their unit and so are text: `30s`, `8MiB`, `95%`, `2.50 USD/1M`."

MalformedValue "SG0104" Error "malformed value"
"The value does not have the form that the field needs. Most often a unit is missing or misspelt."

OutOfRange "SG0105" Error "number out of range"
"The number is smaller or larger than the field allows."

NotAnOption "SG0106" Error "not one of the options"
"The field takes one of a few words, and this is none of them."

MalformedName "SG0107" Error "malformed name"
"Names become labels of metrics, fields of logs and parts of URLs, so they keep to lower-case letters, digits, `-`, `_` and `.`, at most 63. Models and deployments keep the names they have elsewhere."

WrongCount "SG0108" Error "too few or too many"
"The map, list or text has fewer or more entries than make sense. References to secrets and the access log take exactly one field."

UnsupportedVersion "SG0109" Error "unsupported language version"
"This build reads `apiVersion: sluicegate/v1`."

MovedField "SG0110" Error "field has moved"
"The field is part of the language, but stands elsewhere now. The fix says where."

UnknownCode "SG0111" Error "level of an unknown finding"
"`findings` sets what is done about a finding by its code, and no finding has this one. A misspelt code would change nothing."

FixedLevel "SG0112" Error "error of the language lowered"
"Warnings and notes can be allowed, warned of or denied, in `findings` and on the command line. An error of the language says that the manifest has no meaning, or none that can be held: no level makes a bundle of it."

UnknownIdentity "SG0201" Error "unknown identity"
"`auth` names an entry of `identities`, and there is no such entry."

UnknownPool "SG0202" Error "unknown pool"
"`pool` of a route and `to` of a fallback name an entry of `pools`, and there is no such entry."

UnknownMember "SG0203" Error "unknown pool member"
"A member is `backend/deployment`: a backend, and one of its `models` or `deployments`. A backend whose kind has no models, or with just one model, may stand alone."

AmbiguousMember "SG0204" Error "ambiguous pool member"
"The member names a backend that has several models or deployments. Write which: `backend/deployment`."

RepeatedMember "SG0205" Error "pool member written twice"
"The same deployment is a member twice, perhaps once as `backend` and once as `backend/deployment`. It would get twice its share."

UnknownLimit "SG0206" Error "unknown limit"
"`limit` names an entry of `limits`, and there is no such entry."

UnknownConsumer "SG0207" Error "unknown consumer"
"`consumers` of a route, and `unless` of a fallback, name entries of `consumers`, and there is no such entry."

Unused "SG0208" Warning "unused definition"
"Nothing refers to this pool, backend, identity, limit or consumer. Either something that should refer to it does not, or it can go."

SameMatch "SG0301" Error "two routes with the same match"
"Two routes take exactly the same requests, and the order of the file never decides. Remove one, or make one more specific."

OverlappingRoutes "SG0302" Error "two routes are equally specific"
"Some requests match both routes and neither is more specific. Specificity compares, in this order: host (exact, then the longer wildcard), path (exact, then the longer prefix), whether methods are named, the number of headers, the number of header values, whether a model is named. Add a condition to one of them."

MalformedPath "SG0303" Error "malformed path"
"A path begins with `/` and is compared as the caller sends it, without its query. `/*` at its end takes everything below; no other `*` is a wildcard."

MalformedHost "SG0304" Error "malformed host"
"A host is a name or address without scheme, port and path, or `*.` and a name for every host below it. Leave it out to match any host."

MalformedHeader "SG0305" Error "malformed header"
"A header's name is a token of RFC 9110: letters, digits and ``!#$%&'*+-.^_`|~``. Its value holds visible characters and inner spaces."

NoOperation "SG0306" Error "no AI operation at this path"
"A route to AI backends needs a path at which callers find an operation: `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/responses`, `/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`, or a prefix of them such as `/v1/*`. Other paths of a provider, such as `/v1/audio/*`, need `passThrough: true`."

ModelOnPipedRoute "SG0307" Error "model condition on a piped route"
"Requests to backends without models (kinds `http`, `kserve`, `azure-ml`, `azure-cognitive`) are passed through unread, so the model in the body is not known and cannot be a condition."

ModelNotServed "SG0308" Warning "no member serves this model"
"The route takes requests for a model that no member of its pool has."

MalformedAddress "SG0310" Error "malformed address"
"An address is an IP address and a port: `127.0.0.1:8080`, `0.0.0.0:443`, `[::1]:8080`. Port 0 lets the system choose."

AddressTaken "SG0311" Error "address used twice"
"Two sockets of this manifest would need the same address and port. `0.0.0.0` covers every IPv4 address."

UselessTimeout "SG0312" Warning "timeout longer than the deadline"
"A route's `deadline` ends the request before the backend's own `firstByte` or `firstToken` timeout can pass, so that a slow backend is never failed over."

UselessHeartbeat "SG0313" Warning "heartbeat cannot help"
"`heartbeat` keeps a stream's connection alive until its first token. Ingresses cut connections that are idle for a while, many after 240 s and some after 60 s, so it has to come more often than that; once a second is more than any needs; after the route's `deadline` nothing is waited for; and what is passed through unread has no place for it."

OperationNotServed "SG0314" Error "no member offers the operation"
"The path of the route is one operation, and no kind of backend in its pool offers it or can have it translated: every request would be refused. Chat, responses and messages are carried from one API to another; completions, embeddings and token counts are not."

UselessPassThrough "SG0315" Warning "nothing to pass through"
"`passThrough` lets requests to paths that are no operation read here (audio, files, realtime) go to AI backends as they are. It has no effect where the path is one operation, where a model is a condition, since only what is read has one, or where everything is passed through anyway."

OverlapUnknown "SG0320" Note "overlap that could not be proven"
"Whether two equally specific routes ever take the same request depends on hours of two time zones, whose difference changes with the seasons, or the work for it reached its bound. Where they do, the one whose name comes first is taken."

RouteNeverTaken "SG0321" Warning "route that is never taken"
"More specific routes, each at its own hours, take every request of this one at every hour of the week. It is the only way in which several routes can hide one: there is always another host, path, method, value or caller than some others name."

RouteForNobody "SG0322" Warning "route for nobody"
"`match.consumer` says whose requests the route takes, and `consumers` who may use it. Nobody is named in both, so that every request it takes is refused."

ConditionsContradict "SG0323" Warning "conditions that contradict each other"
"All conditions of a route have to hold at once, and no request meets these. Names of headers are the same in upper and lower case, and of a header sent twice the first value counts."

EmptyPool "SG0401" Error "pool without members"
"A pool picks from its members and has none."

MixedPool "SG0402" Error "pool mixes AI and HTTP members"
"Members of a pool stand in for each other. A backend whose kind has no models is passed through unread, an AI backend is not: they need pools of their own."

WrongKind "SG0403" Error "field does not fit the kind"
"`deployments` and `apiVersion` belong to kind `azure-openai`; `models` to kinds `openai`, `vllm`, `llama-cpp`, `mistral` and `anthropic`; kinds `azure-cognitive`, `azure-ml`, `kserve` and `http` have neither."

NoModels "SG0404" Error "AI backend without models"
"An AI backend serves something: `deployments` for kind `azure-openai`, `models` for the others."

MemberWithoutPrice "SG0405" Error "adaptive pool needs prices"
"An adaptive pool weighs a likely miss of its objective against what each member costs. A member that states neither `price` nor `cost` would look free and draw all traffic."

ObjectiveUnused "SG0406" Warning "objective has no effect"
"Only strategy `adaptive` aims for an objective."

WeightUnused "SG0407" Warning "weight has no effect"
"Only strategy `weighted` looks at weights."

NoWeight "SG0408" Error "all weights are zero"
"A weighted pool needs a member with a weight above 0."

MalformedUrl "SG0409" Error "malformed URL"
"A backend's URL is `http://` or `https://`, a host, optionally a port and a path prefix. It has no query, no fragment and no credentials; an IPv6 address stands in brackets. An egress proxy's URL is `http://`, a host and a port; a sign-in service's is `https://` and a host. For AI backends it does not end in `/v1`, which the gateway adds."

AdaptivePiped "SG0410" Error "adaptive pool of HTTP members"
"Strategy `adaptive` needs tokens, prices and first tokens, which backends without models do not have."

UselessProbe "SG0411" Error "health probe cannot work"
"A probe needs a path that begins with `/` and answers 2xx to a GET, or `spendTokens: true` on an AI backend. Only kinds `vllm`, `llama-cpp` and `kserve` have a path that is known beforehand."

ProbeOverlap "SG0412" Warning "probe takes longer than its interval"
"A probe may still be waiting when the next is due. Make `timeout` at most `interval`."

QuotaFieldUnused "SG0413" Warning "quota field has no effect"
"`burst` and `outputWeight` belong to `shape: leaky-bucket`, as provisioned throughput has it."

EmptyQuota "SG0414" Error "empty quota"
"A quota states `tokens`, `requests` or both."

PoolTooLarge "SG0415" Error "pool with too many members"
"A pick looks at every member of its pool, so a pool has at most 64. Route by model or header to several pools instead."

TlsOnPlainUrl "SG0416" Error "TLS options without TLS"
"`tls` of a backend says whom to trust and what to present in a TLS handshake, but the URL is `http://`, so there is none: neither side would be verified."

LateFirstByte "SG0417" Warning "first byte may come after the first token"
"`firstByte` bounds the wait for the response header and `firstToken` the wait for the header and the first event. The first of the two to pass ends the attempt, so that a longer `firstByte` never does."

EgressLoop "SG0418" Error "egress proxy leads back"
"The egress proxy has the address of the backend itself, or of one of this gateway's own listeners. Requests would never leave."

OutputBeyondWindow "SG0419" Error "more output than the context window holds"
"`contextWindow` holds input and output together, so `maxOutput` is at most as large. One of the two is not what the model has."

NamelessTls "SG0420" Note "TLS to a bare address"
"The URL has an address and no name, so the certificate has to be for that address (RFC 9525 §6.4). Few are; where another server comes to have the address, nothing but the authority that signed tells them apart."

ObjectiveOutOfReach "SG0421" Warning "objective below every member's first token"
"Every member of the pool states how long its first token takes (`expectedTtft`), and the objective asks for less than the fastest. The pool will pay for the fastest members and miss its objective all the same, until what it measures says otherwise."

InlineSecret "SG0501" Error "secret in the manifest"
"A secret's value stands in the manifest. Manifests are read by many, kept in version control and sent to the gateway, so the language only has references: `{env: NAME}` or `{file: path}`. Replace it, and revoke the secret if the file was ever shared."

MalformedKeyHash "SG0502" Error "not a key hash"
"A consumer's key is stated by its SHA-256, 64 lower-case hex digits: `printf %s \"$KEY\" | sha256sum`. If the key itself stands there, revoke it."

SharedKey "SG0503" Error "one key for two consumers"
"The same key hash belongs to two consumers, so a caller could not be told from the other."

OpenRoute "SG0504" Warning "route open to anyone"
"A listener can be reached from other machines, and this route needs no key: whoever reaches it spends your money. Add `consumers`, or write `public: true` if that is meant."

OpenAdmin "SG0505" Error "admin API reachable without token"
"The admin API listens beyond loopback and has no token. It shows traffic and would let anyone on the network read it. Bind it to 127.0.0.1 or add a token."

PlainCredential "SG0506" Warning "credential sent unencrypted"
"The backend is reached by plain `http://` beyond this machine, and a credential is sent to it that anyone on the way can read."

NoCredential "SG0507" Warning "no credential for a hosted backend"
"Hosted AI backends refuse calls without a key; this one has no `auth`."

PublicAndConsumers "SG0508" Error "public, yet for named consumers"
"`public: true` lets everyone in, `consumers` only some. Remove one of them."

PlainKeys "SG0509" Note "keys travel unencrypted to this listener"
"The listener can be reached from other machines and has no TLS, so callers' keys can be read on the way, unless something in front of it ends TLS."

UselessEntra "SG0510" Warning "Entra ID where it is not understood"
"The backend's kind takes a key of its own. A token of Microsoft Entra ID is of use to Azure's services, and to kind `http` where what is behind it asks for one; anyone else would be handed a token that is good for calling Azure."

MissingEnv "SG0601" Error "environment variable not set"
"A secret is to be read from an environment variable that is not set, or empty, for this process."

UnreadableFile "SG0602" Error "file cannot be read"
"A secret or certificate is to be read from a file that cannot be opened. Paths are relative to the manifest. Check that the file exists and that the gateway's user may read it."

NotPem "SG0603" Error "not a PEM file"
"A certificate file has at least one `BEGIN CERTIFICATE` block, a key file one `BEGIN … PRIVATE KEY` block. Convert DER with `openssl x509 -inform der` or `openssl pkey -inform der`."

EmptyLimit "SG0701" Error "empty limit"
"A limit states at least one of `requests`, `tokens`, `streams` and `budget`."

UncountableTokens "SG0702" Warning "tokens cannot be counted here"
"Requests to backends without models are passed through unread, so a limit on tokens has no effect on this route."

MalformedEndpoint "SG0801" Error "malformed OTLP endpoint"
"An OTLP endpoint is `http://` or `https://`, a host and a port, without query and credentials. Credentials go into `headers`."

ProtocolMismatch "SG0802" Warning "port of the other OTLP transport"
"By custom port 4317 takes gRPC and 4318 takes HTTP. The endpoint and `protocol` disagree."

FallbackCycle "SG0901" Error "fallbacks lead in a circle"
"A pool's fallback leads, perhaps by others, back to it. A request never enters a pool twice, so that one of the fallbacks would silently never be taken. Remove one of them."

FallbackNeverFires "SG0902" Warning "fallback that can never fire"
"Nothing a request meets leads there. A list of fallbacks is looked at in order and the first whose condition holds is taken, so one that asks for no more than an earlier one is never reached: to go on from one pool to a third, give the second a fallback of its own. `exhausted` holds whenever no member is left, whatever the last one said. With `maxAttempts: 1` a failed attempt was the last. `content-filter` and `context-window` need requests that are read."

SmallerWindow "SG0903" Warning "fallback holds less"
"The largest context window of the fallback pool is smaller than that of the pool it stands in for, so that long requests are refused there just when the first pool cannot serve them. For the condition `context-window` it has to be larger to be of any use."

FallbackCannotServe "SG0904" Error "fallback cannot serve"
"No member of the fallback pool offers an operation of any route that leads there, and none can be translated. A pool of models cannot stand in for one that is passed through unread, nor the other way round."

AttemptsEndFirst "SG0905" Warning "attempts end before the fallback"
"`maxAttempts` of the pool a request begins in counts every attempt, those in fallback pools as well. Where it is no more than the members that are tried first, a request that fails on each of them is over before the fallback is asked. A request makes at most 10 attempts, so a chain of more members ends early whatever is written. Without `maxAttempts` there are as many as it takes to reach the last pool."

DoubleGeneration "SG0906" Warning "may pay for a second generation"
"`ambiguous: always` repeats a request of which nobody knows whether a backend still works on it. A backend that is paid by the token may then be paid twice. With an `idempotencyHeader`, where the backend honours one, it is not."

RetriesMultiply "SG0907" Warning "retries multiply an outage"
"Retries are bounded by `maxAttempts` for each request and by `budget` for all together. With a budget of 100 % or more an outage is answered by at least twice the load, which keeps backends down that would have come back."

MissingCapability "SG0908" Warning "fallback lacks a capability"
"Every member of the pool states that its model can do something (`tools`, `vision`, `jsonMode`), and a member of the fallback pool states what it can do without that among it. Requests that need it are served until they go on to that member. Members that state nothing are not judged."

ReservedHeader "SG1001" Error "header is not for the manifest to edit"
"Some headers belong to one connection (RFC 9110 §7.6.1), say where a message ends (RFC 9112 §6), carry a credential, or are set by the gateway. Edited by hand they break requests, let one be smuggled inside another, or send keys astray. Credentials are stated by `auth`."

ContradictoryEdits "SG1002" Error "edits contradict each other"
"The same header or field is given two edits of which only one can have an effect: `set` and `remove`, `set` and `default`, or a name in two spellings."

RoutedField "SG1003" Error "field is read before any edit"
"`model`, `stream` and the prompt decide where a request goes, how it is counted and how its answer is read, before any edit. Use a route's `match`, a model's `upstreamName` or a `systemPrefix` instead."

UselessClamp "SG1004" Error "clamp without effect"
"A clamp keeps a number within `min` and `max`: it states at least one of them, the first is not above the second, and the field holds a number."

UnreadBody "SG1005" Error "edit of a body that is not read"
"Requests to backends without models are passed through unread, so their bodies and prompts cannot be edited. Headers and the path can."

PathOfOperation "SG1006" Error "path rewrite where the path is the operation"
"On AI routes the path names the operation, and what is sent to a backend follows from its kind. A path can be rewritten where requests are passed through; for AI backends state a path prefix in the backend's `url`."

EditUndone "SG1007" Warning "header edit that is always undone"
"Requests are edited by the route and then by the backend, answers by the backend and then by the route. Here whatever the first one does to the header, the second sets or removes it in every case, so that the first edit has no effect."

UnpricedBudget "SG1101" Error "budget where no price is known"
"A budget counts what tokens cost, and a request it is counted for can come to a member without `price` or `cost`. What that member is paid would never be counted. State its price, or keep the budget to routes whose members have one."

UnenforceableHard "SG1102" Error "hard where nothing bounds a request"
"A hard limit reserves the most a request can take, and what it generates is bounded upstream. That needs `tokens` or `budget` to hold, requests that are read, and a `maxOutput` on every member they can come to, for callers that name no ceiling."

LimitBelowRequest "SG1103" Warning "limit below what one request may take"
"A hard limit reserves the most a request can take. The longest answer of a member it is counted for alone is more than the whole amount, so that a request which names no lower `max_tokens` is always refused."

UnservedModel "SG1104" Warning "terms of a model that nobody serves"
"`models` names a model that no member of a pool serves under that name. It may be misspelt; its limits hold for nothing."

UnsharedCapacity "SG1105" Error "amortised costs that cannot be told"
"A budget with `costs: amortised` counts a request's share of capacity that is paid by the hour: the part of the deployment's `quota.tokens` that it takes. That needs a budget, and a quota of tokens on every member with `cost` that its requests can come to."

MalformedStore "SG1150" Error "shared store cannot be reached"
"A shared store is named by `redis://host:port`, or `rediss://` for TLS, with the number of a database as path if it is not 0. Its password is a reference beside it. Names of keys begin with `prefix`."

PlainStore "SG1151" Warning "password sent to the shared store unencrypted"
"Whoever can read the network between a gateway and its store can read the password, and with it change every count. Write `rediss://`."

NothingShared "SG1152" Error "shared limit without a shared store"
"Replicas share a limit through a store they all reach. Without one each counts for itself, and together they let through a multiple of the limit."

NoShare "SG1153" Warning "limit too small to be shared out"
"With `whenAway: local-share` a replica that cannot reach the store allows its even part of each limit. A limit smaller than the number of replicas has no such part, and refuses everything then."

NoStream "SG1154" Error "fewer streams than replicas"
"Requests under way are not leased: each replica allows its even part of them, rounded down. Where that is nothing, every request is refused."

UnknownIssuer "SG1201" Error "unknown issuer"
"A credential, a listener or the admin API names an entry of `issuers`, and there is no such entry."

RepeatedIssuer "SG1202" Error "issuer written twice"
"A token says who issued it and nothing of which entry is meant, so one of the two would never be asked. One entry takes several audiences."

UnusableKeySet "SG1203" Error "keys of an issuer cannot be fetched"
"The issuer's keys are fetched from its `issuer` URL, or from `keys`. Whoever can change that answer can make tokens for anybody, so the way there is encrypted, unless it stays on this machine."

SharedCredential "SG1204" Error "credential shared by consumers"
"A subject or a certificate tells who calls, so it is one consumer's, once."

UnaskedCertificate "SG1205" Error "client certificates that nobody asks for"
"Client certificates are asked for where `tls.clients`, of the listener or of `admin`, says which authorities sign them. Without it nobody shows one: neither roles in `admin.certificates` nor `certificates` in a listener's `authn` have an effect."

SharedAdminToken "SG1206" Error "admin token shared by names"
"What an administrator did is recorded under the name of the token, so each name has its own."

MalformedNetwork "SG1301" Error "not a network"
"A network is an address with the length of its prefix, such as `10.0.0.0/8` or `2001:db8::/32`, or a single address. Bits beyond the prefix have to be zero: who writes `10.1.2.3/8` may have meant the address or the network, and the two differ by sixteen million hosts."

EmptyAccess "SG1302" Warning "access rule refuses nothing"
"The rule names neither networks, nor countries, nor headers."

CountriesWithoutFile "SG1303" Error "countries without a database"
"Which country an address is in stands in a database. Name one in MaxMind's format: `countries: {file: geo.mmdb}`."

NeverAllowed "SG1304" Error "allowed and denied at once"
"What is denied stays denied, whatever `allow` says. A network all of whose addresses are denied, by one network or several together, or a country in both lists, is never let in by its being allowed."

PublicPrivate "SG1305" Error "private listener on a public address"
"A listener with `private: true` has an address that the public Internet can route to. Give it one of RFC 1918, RFC 4193 or the like. With `0.0.0.0` or `[::]` the gateway looks at the machine's interfaces when it starts."

EveryoneTrusted "SG1306" Warning "everyone may state an address"
"Proxies in front of the gateway are believed when they say for whom they ask. Trusting every address lets any caller state any address, so that access rules by address mean nothing. Name the networks that the proxies are in."

UnknownAccess "SG1307" Error "unknown access rule"
"`access` of a listener or route names entries of `access`, and there is no such entry."

RequiredCredential "SG1308" Error "required header is a credential or the gateway's own"
"A header that an access rule requires has its values in the manifest. Credentials do not belong there, and keys of callers are `consumers`. Headers that concern one connection, or that the gateway sets, say nothing of a caller."

NoWayIn "SG1309" Error "listener without a way in"
"`authn` of a listener says which ways in it takes: `keys`, `certificates`, and issuers by name. With none of them every caller is refused, and left out it takes all."

NobodyAdmitted "SG1310" Warning "access rules that let nobody through"
"A request has to satisfy every enforced access rule of its listener and of its route, what the route matches, and a private listener's bounds. Here no address, no country or no value of a header satisfies them all, so that everybody is refused. The proof is exact over networks; what country an address is in is not known to it."

UnknownListener "SG1401" Error "unknown listener"
"`listener` of a rule of `acl` names entries of `listeners`, and there is no such entry."

UnknownZone "SG1402" Error "unknown time zone"
"`zone` is a name of the IANA time zone database, such as `Europe/Stockholm` or `America/New_York`, which knows when clocks change. Abbreviations such as `CEST` are not names: several zones share one."

WholeWeek "SG1403" Warning "time that is always"
"The window ends in the minute it begins, a day later, on every day of the week. It takes the requests of any time, as a route without `time` does."

StatusWithoutBlock "SG1404" Error "status of a rule that refuses nothing"
"`status` is what a refused request is answered. `allow` and `log` refuse nothing, so one of the two fields is not what was meant."

MalformedPattern "SG1405" Error "pattern that nothing matches"
"A pattern of `userAgent` is compared with a header's value, which has printable characters and no space at either end. `*` stands for any characters, also none."

MalformedQuery "SG1406" Error "query that nothing matches"
"Parameters of a query are compared as they are sent, percent-encoded. A name or value with `&`, `#`, a space or a character outside ASCII, or a name with `=`, cannot be sent so."

OversizedPattern "SG1407" Warning "patterns too large"
"Patterns of `userAgent` are read for every request that comes to the rule. One is read at most once for each of its `*`, so that there is no pattern that takes for ever, and all of one list together should have no more than 1,024 of these and 16 KiB."

AclTie "SG1420" Error "access rules without an order"
"Rules of the access control list are asked by priority, and the first that applies decides. Two of one priority that can both apply to a request have to do the same: names and file order never decide."

AclNeverDecides "SG1421" Warning "access rule that never decides"
"Earlier rules of the access control list, one or several together, take every request that this one applies to. Where it is an exception to them, it needs a lower priority than theirs. The proof is exact over networks, hosts, paths, headers, patterns and sizes, and takes unknown countries and sizes into account."

AclNeverApplies "SG1422" Warning "conditions that nothing meets"
"What the rule asks for in `when` is all taken away again by `unless`, so that it applies to no request."

AclUnknown "SG1423" Note "access rules that could not be proven"
"Whether a rule decides anything is a question about all rules before it together. The work for that has a bound, and here it was reached, or conditions depend on each other (a country and an address, a kind of program and a pattern of its name) in ways that the compiler does not know. Nothing is wrong; nothing is proven either."

RouteBlocked "SG1424" Warning "route behind rules that block everything"
"The access control list is asked before routes are. Its rules, one or several together, block every request that this route takes, and none that allows comes before them. The proof is exact over what rules and routes look at, and takes for granted that an unknown country or size makes a rule do what its `onFailure` says."

UnknownPlace "SG1501" Error "unknown place"
"A place is the zone `eu` or `us`, a country by its two letters of ISO 3166-1 in lower case, or, for where something is processed, `global`. Norway is `\"no\"`, in quotes, since some readers of YAML take the bare word for false."

UnknownRegion "SG1502" Error "unknown region"
"The compiler knows which country each Azure region lies in, and this region is not in its table. If it is new, say where data is processed there: `processing: eu` on the backend or its deployments."

ContradictoryProcessing "SG1503" Error "stated place contradicts the SKU"
"Where an Azure deployment processes data follows from its SKU: `Standard` and `ProvisionedManaged` in its region, `DataZone…` anywhere in the EU or the United States, `Global…` anywhere at all. `processing` may say the same or something wider, never something narrower: residency would be promised and not kept."

NoResidentMember "SG1504" Error "no backend within a team's residency"
"The team's data has to stay in a place, and none of the routes its consumers may use leads to a backend of which it is known that it processes data there. A backend of which nothing is known does not qualify."

FallbackOutsideResidency "SG1505" Warning "fallback that residency forbids"
"Everybody who uses this pool has data that has to stay in a place, and no member of the fallback pool is known to process data there. The fallback is never taken, just when it is needed."

UselessRegion "SG1506" Warning "region tells nothing"
"The provider decides where this kind of backend processes data, whatever region its name has. State `processing` as its contract has it."

UnknownHook "SG1507" Error "unknown hook"
"`hook` names an entry of `hooks`, and there is no such entry."

MalformedHook "SG1508" Error "hook cannot be asked"
"A hook's URL is `http://` or `https://`, a host, an optional port and a path, without query and credentials: a secret goes into `header`, by reference."

PlainHook "SG1509" Warning "secret sent to a hook unencrypted"
"The hook is reached by plain `http://` beyond this machine, with a header that anyone on the way can read."

SlowHook "SG1510" Warning "hook outlasts the request"
"The hook may take as long as the route has for the whole request, so that a slow hook ends requests whatever its `onFailure` says."

EmptyOverload "SG1511" Error "nothing to shed at"
"`overload` states `maxInFlight`, `maxBuffered` or both."

UnknownDataClass "SG1512" Error "class of data that no team has"
"`unless: {dataClass: …}` keeps data of a class from a fallback, and no team has data of this class. A misspelt class would keep nobody from it."

UnknownTeam "SG1513" Error "unknown team"
"`team` names an entry of `teams`, and there is no such entry."

PublicSpending "SG1601" Warning "anyone may spend without limit"
"A route is public, leads to a backend that is paid by the token, and no enforced limit counts its requests: not the route's, and not that of each model there. Whoever finds the address decides what it costs."

UnlimitedConsumer "SG1602" Note "consumer without a limit"
"Others are limited, and this consumer can reach backends that are paid by the token without any enforced limit of its own, its team, the route or the models. If that is meant, allow this finding."

LimitBeyondQuota "SG1603" Warning "limit above what providers allow"
"The quotas of all backends that requests under this limit can come to add up to less than the limit allows, so that providers refuse before it does. Of a budget: what the quotas allow, all of it at the highest price, costs less than the budget in its period."

Oversubscribed "SG1604" Note "consumers together above the pool's quota"
"Everybody who may use the pool is limited, and if all use what they may at once, it is more than the quotas of its members. Many plan so, since not all come at once; then somebody is refused by the provider and not by a limit."

PriceTwice "SG1610" Error "price that changes twice at once"
"`changes` of a price holds one entry for each time, and two of these begin at the same moment, so that nobody can tell which one holds."

PriceBeyondEnd "SG1611" Warning "price that ends before it begins"
"`until` tells when the last price of a model stops being known to hold, and a change begins later. Between the two nobody says what a token costs; the gateway counts with the price before."

PriceExpired "SG1612" Warning "price that may be out of date"
"The day in `until` has come, and the gateway goes on counting with the last price it knows. Look up what the provider takes today, and state it with a later `until` or without one. Costs, budgets and adaptive shares are only as true as prices."

UnreadInclude "SG1701" Error "included file cannot be read"
"`include` names files relative to the file it stands in. This one does not exist or cannot be read."

IncludeOutside "SG1702" Error "include leads elsewhere"
"Included files stand in the folder of the manifest's first file or below it, so that the folder is all there is to a gateway's policy: it can be copied, mounted and reviewed whole. Absolute paths, and `..` beyond that folder, are refused."

IncludeCycle "SG1703" Error "files include each other"
"A file includes itself, by way of others or at once, or files include each other more than eight deep."

EmptyInclude "SG1704" Warning "include matches no file"
"No file has a name of this pattern. `*` stands for any characters within one name and `?` for one; a name that begins with a dot has to be written with its dot."

FilesContradict "SG1705" Error "two files contradict each other"
"The order of files never decides, so two files may not say different things of one field. Included files add; what shall replace something else goes into an overlay: `--overlay prod.yaml`."

IncludeWidens "SG1706" Error "included file widens what another says"
"An entry belongs to the file that defines it. Another file may repeat it, and may add to it what only takes something away from callers, such as `limit` and `access` of a route, where it has none. Anything else would let a team's file change what the base file promises; so would a rule of `acl` that allows requests before another file's rule can block them."

IncludeElsewhere "SG1707" Error "include where nothing can be included"
"An overlay includes no files, and a manifest that is sent to a running gateway has to come whole: the gateway would read its own disk, not the sender's. `sluicegate publish` joins the files before it sends them."

OverlayOfNothing "SG1708" Warning "overlay takes away what is not there"
"`null` in an overlay takes a field away. There is no such field, so its name may be misspelt and what was meant to go is still there."

UnknownWaf "SG1901" Error "unknown firewall"
"`waf` of a route or listener names an entry of the section `waf`, and there is no such entry."

UncompiledRules "SG1902" Error "rule set cannot be compiled"
"A firewall's `ruleset` names a folder of rules in ModSecurity's language, such as OWASP CRS. What this language does not have, a data file that is absent, half a chain: each is told with the rule file and its line, and nothing is compiled, since a rule left out is an attack let in. `sluicegate waf import DIR` tells what a folder holds."

MalformedWaf "SG1903" Error "firewall that cannot be read"
"A value of a firewall names something that does not exist or cannot be written so: a rule's id, a target in ModSecurity's words (`ARGS:comment`), a path of a body (`messages.*.content`), a kind of secret."

UselessWaf "SG1904" Warning "part of a firewall without effect"
"Part of a firewall needs another part that is absent: `paranoia`, `thresholds`, `exclusions` and `overrides` need a `ruleset`; `fields`, `exempt`, `prompts`, `jailbreak` and the limits of `shape` on what a body holds need a `schema`; `keyFailures` counts only for a listener that names the firewall."

OpenedFamily "SG1905" Warning "exclusion opens a family of rules"
"What is left out takes the last rule of a family, such as SQL injection, away from values that it looked at before: attacks of this kind pass there. The compiler proves it by comparing the rule set with and without what is left out. If the backend behind cannot be attacked this way, allow this finding; otherwise leave out single rules for a single target."

ExemptedClass "SG1906" Warning "rules do not see what programs read"
"`exempt` names a class of fields besides prose, code and media. Names, addresses, arguments of tools and fields that nobody knows are read by programs, not people: injection works there."
}

impl Code {
    /// Whether it is about reading the text at all.
    pub(crate) fn is_syntax(self) -> bool {
        self.as_str().starts_with("SG00")
    }

    /// The code written so, in any case.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_found_by_their_text() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        assert!(Code::ALL.iter().all(|code| Code::find(code.as_str()) == Some(*code)));
        assert_eq!(Code::find(" sg0202 "), Some(Code::UnknownPool));
        assert_eq!(Code::find("SG9999"), None);
    }
}
