//! nginx as a second yardstick, where it is installed. It owns its configuration; it refuses to be needed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::Fallible;
use crate::cores::Cores;
use crate::process::Server;

/// The program, if it is on the path.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

/// Starts it as a reverse proxy to `backend` with one process, its files below `folder`.
pub(crate) async fn start(
    program: &Path,
    backend: SocketAddr,
    folder: &Path,
    cores: Cores,
) -> Fallible<Server> {
    // nginx cannot choose a port by itself; another process may take this one first, which ends the run.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration(address, backend, folder))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-e").arg(folder.join("nginx-error.log")).arg("-c").arg(file);
    Server::silent(command, address, cores).await
}

/// One process without a master, keep-alive on both sides, nothing logged.
fn configuration(address: SocketAddr, backend: SocketAddr, folder: &Path) -> String {
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
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    )
}
