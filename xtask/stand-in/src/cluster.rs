//! Three servers that know each other.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use crate::Server;
use crate::process::Settings;

/// A running cluster; dropped, its servers are killed and their folders removed.
#[derive(Debug)]
pub struct Cluster {
    /// The servers, of which the first is the one to connect to.
    pub servers: Vec<Server>,
}

/// Starts a cluster of three with the configuration in this file.
pub fn run_cluster(config: &str) -> Cluster {
    let routes = free_ports().map(|port| format!("nats://127.0.0.1:{port}"));
    let servers = (0..routes.len()).map(|own| {
        let others: Vec<&str> = routes.iter().enumerate().filter(|(place, _)| *place != own).map(|(_, url)| url.as_str()).collect();
        let name = format!("node{own}");
        let more = ["--routes", &others.join(","), "--cluster", &routes[own], "--cluster_name", "cluster", "-n", &name];
        Server::start(Settings { config: Some(PathBuf::from(config)), more: more.map(str::to_owned).to_vec(), ..Settings::default() })
    });
    Cluster { servers: servers.collect() }
}

impl Cluster {
    /// What clients connect to.
    pub fn client_url(&self) -> String {
        self.servers[0].client_url()
    }
}

/// Ports that were free a moment ago, and differ.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("no free port: {error}")));
    listeners.map(|listener| listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}")).port())
}
