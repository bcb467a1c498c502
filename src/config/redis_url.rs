//! `REDIS_URL`: one Redis, or some nodes of a Redis Cluster.

use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Maximum length in bytes.
const MAX_LENGTH: usize = 8192;
/// Maximum number of nodes. A few are enough, because each node knows the others.
const MAX_NODES: usize = 100;

/// Problem of a URL. Never the URL itself, which may have a password.
const PROBLEM: &str = "must be redis://host:6379, rediss://host:6379, redis-cluster://host:6379,host:6379 or \
                       rediss-cluster://host:6379,host:6379, each with user:password@ before the host if needed";

/// Addresses with user and password.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    /// At least one, and only one without a cluster.
    pub nodes: Vec<ConnectionInfo>,
    pub is_cluster: bool,
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("must be at most {MAX_LENGTH} bytes"));
        }
        let (scheme, rest) = text.split_once("://").ok_or(PROBLEM)?;
        let scheme = match scheme {
            "redis-cluster" => "redis",
            "rediss-cluster" => "rediss",
            _ => return Ok(Self { nodes: vec![node(text)?], is_cluster: false }),
        };
        let (user, hosts) = rest.rsplit_once('@').map_or(("", rest), |(user, hosts)| (user, hosts));
        let at = if user.is_empty() { "" } else { "@" };
        if hosts.contains(['/', '?', '#']) {
            return Err("must end after the last host: a cluster has no other database than 0".to_owned());
        }
        let nodes: Vec<_> =
            hosts.split(',').map(|host| node(&format!("{scheme}://{user}{at}{host}"))).collect::<Result<_, _>>()?;
        if nodes.len() > MAX_NODES {
            return Err(format!("must have at most {MAX_NODES} nodes"));
        }
        Ok(Self { nodes, is_cluster: true })
    }
}

fn node(url: &str) -> Result<ConnectionInfo, String> {
    let info = url.into_connection_info().map_err(|_| PROBLEM)?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => Err("must not end in #insecure".to_owned()),
        _ => Ok(info),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> (Vec<String>, bool) {
        let url: RedisUrl = text.parse().expect(text);
        (url.nodes.iter().map(|node| node.addr().to_string()).collect(), url.is_cluster)
    }

    #[test]
    fn the_nodes_of_a_cluster_are_separated_by_commas() {
        let one = |address: &str| (vec![address.to_owned()], false);
        assert_eq!(addresses("redis://localhost"), one("localhost:6379"));
        assert_eq!(addresses("rediss://:pw@redis.example:6380/2"), one("redis.example:6380"));
        let nodes = ["a:6379", "10.0.0.2:7000", "::1:7001"].map(str::to_owned).to_vec();
        for scheme in ["redis-cluster", "rediss-cluster"] {
            let url = format!("{scheme}://user:p%40ss@a,10.0.0.2:7000,[::1]:7001");
            assert_eq!(addresses(&url), (nodes.clone(), true));
            for node in url.parse::<RedisUrl>().expect("a URL").nodes {
                assert_eq!(matches!(node.addr(), ConnectionAddr::TcpTls { .. }), scheme == "rediss-cluster");
                let settings = node.redis_settings();
                assert_eq!((settings.username(), settings.password()), (Some("user"), Some("p@ss")));
            }
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let too_many = format!("redis-cluster://:hidden@{}", vec!["a"; MAX_NODES + 1].join(","));
        for text in [
            "hidden",
            "http://:hidden@a",
            "redis://:hidden@",
            "redis://:hidden@a:port",
            "redis://:hidden@a/x",
            "rediss://:hidden@a/#insecure",
            "redis-cluster://:hidden@",
            "redis-cluster://:hidden@a,",
            "redis-cluster://:hidden@a:port,b",
            "redis-cluster://:hidden@a,b/1",
            "redis-cluster://:hid#den@a,b",
            "rediss-cluster://:hidden@a,b#insecure",
            &too_many,
            &format!("redis://:{}@a", "hidden".repeat(2000)),
        ] {
            let error = text.parse::<RedisUrl>().expect_err(text);
            assert!(!error.contains("hid") && !error.contains('\n'), "{error}");
        }
        let shown = format!("{:?}", "redis-cluster://:hidden@a,b".parse::<RedisUrl>());
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
