//! Deployment: a database role with few rights, and containers with limits.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{database, process::Run, test_app::TestApp};

#[tokio::test]
async fn the_role_of_the_server_is_no_superuser() {
    let app = TestApp::start().await;
    let is_superuser: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(app.db())
        .await
        .expect("a role");
    assert!(!is_superuser, "the tests need a role that is no superuser, as the server has");
}

const COMPOSE: &str = include_str!("../../../docker-compose.yml");
const REPLICAS: &str = include_str!("../../../deploy/compose.replicas.yml");

/// The services of a compose file with their lines.
fn services(compose: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut services: Vec<(&str, Vec<&str>)> = Vec::new();
    let section = compose.lines().skip_while(|line| *line != "services:").skip(1);
    for line in section.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        // A name may have an anchor.
        let name = line.strip_prefix("  ").map(|line| line.split(" &").next().unwrap_or(line));
        match name.and_then(|name| name.strip_suffix(':')) {
            Some(name) if !name.starts_with([' ', '#']) => services.push((name, Vec::new())),
            _ => services.last_mut().expect("a service").1.push(line.trim()),
        }
    }
    services
}

#[test]
fn every_container_has_limits_and_only_the_rights_it_needs() {
    let names: Vec<_> = services(COMPOSE).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["snack-server", "snack-postgres", "snack-redis"]);
    let proxy = services(REPLICAS).into_iter().filter(|(name, _)| *name == "snack-proxy");
    for (name, lines) in services(COMPOSE).into_iter().chain(proxy) {
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
        assert!(has("mem_limit: ") && has("pids_limit: "), "{name} has no limit");
        let dropped = lines.iter().zip(&lines[1..]).any(|(one, next)| (*one, *next) == ("cap_drop:", "- ALL"));
        assert!(dropped, "{name} keeps capabilities");
        assert!(has("- no-new-privileges:true"), "{name} may gain rights");
    }
    assert!(COMPOSE.contains("POSTGRES_USER: postgres"), "the server's role would be the superuser");
}

#[test]
fn only_the_proxy_of_several_servers_publishes_a_port() {
    let services = services(REPLICAS);
    let names: Vec<_> = services.iter().map(|(name, _)| *name).collect();
    let servers = ["snack-server-1", "snack-server-2", "snack-server-3"];
    assert_eq!(names, [&["snack-proxy"][..], &servers, &["snack-postgres", "snack-redis"]].concat());
    for (name, lines) in services {
        if servers.contains(&name) {
            assert!(lines.contains(&"ports: !reset []"), "{name} would take the port of the proxy");
        } else if name != "snack-proxy" {
            assert_eq!(lines[..3], ["extends:", "file: ../docker-compose.yml", &format!("service: {name}")]);
        }
    }
}

/// Settings of the manifests for Kubernetes, with their values.
fn settings_of_manifests() -> BTreeMap<&'static str, &'static str> {
    let config = include_str!("../../../deploy/kubernetes/config.yaml").split_once("\ndata:\n").expect("data").1;
    let secret = include_str!("../../../deploy/kubernetes/secret.yaml").split_once("\nstringData:\n").expect("data").1;
    let lines = config.lines().chain(secret.lines()).filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| line.trim_start().split_once(": ").expect("a setting")).collect()
}

#[tokio::test]
async fn the_server_starts_with_the_manifests_when_their_placeholders_are_replaced() {
    let settings = settings_of_manifests();
    let documentation = include_str!("../../../docs/CONFIGURATION.md");
    for setting in settings.keys() {
        assert!(documentation.contains(&format!("`{setting}`")), "there is no setting {setting}");
    }
    let unchanged = settings.iter().fold(Run::bare(&["serve"]), |run, (name, value)| run.set(name, value));
    let line = unchanged.end().await.expect_failure();
    assert!(line.starts_with("JWT_SECRET"), "{line}");

    let own = Run::on(&database::create().await, &["serve"]);
    let replaced = ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"];
    let run = settings
        .iter()
        .filter(|(name, _)| !replaced.contains(name))
        .fold(own, |run, (name, value)| run.set(name, value));
    // Nothing leaves this machine, and tests do not share a port.
    let server = run.set("AWS_ENDPOINT", "https://127.0.0.1:9").set("METRICS_ADDR", "127.0.0.1:0").serve().await;
    let response = reqwest::get(format!("http://{}/", server.address)).await.expect("a response");
    let headers = response.headers();
    assert!(headers.contains_key("strict-transport-security"), "PUBLIC_URL is not https: {headers:?}");
}

#[test]
fn every_setting_is_documented_and_in_the_compose_file() {
    let compose = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml"));
    let documentation = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md"));
    let source = concat!(
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/mod.rs")),
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/environment.rs"))
    );
    let is_name = |text: &&str| text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let settings: BTreeSet<&str> = source.split('"').filter(is_name).collect();
    assert!(settings.contains("LIMIT_CONNECTIONS_ADDRESS"), "{settings:?}");
    let rows = documentation.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<&str> = rows.filter(is_name).collect();
    assert_eq!(documented, settings);
    for setting in documented {
        assert!(compose.contains(&format!("      {setting}:")), "{setting} cannot be set in the compose file");
    }
}
