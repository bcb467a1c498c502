//! Nodes of a cluster and the slots of its masters.

use std::{collections::HashMap, sync::Arc};

use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, RedisResult, Value, cluster_routing::Slot,
};

use super::node::Node;

/// Number of slots of every cluster.
const SLOTS: u16 = 16384;
/// Maximum number of nodes that Redis recommends.
const MAX_NODES: usize = 1000;

/// The cluster as one of its nodes sees it.
pub struct View {
    /// Tells whether this node serves commands.
    pub is_ok: bool,
    /// Higher after every failover.
    pub epoch: u64,
    ranges: Vec<Range>,
}

/// Slots of a master.
struct Range {
    first: u16,
    last: u16,
    /// The master, and then its replicas.
    nodes: Vec<ConnectionInfo>,
}

impl View {
    /// Asks a node.
    pub async fn ask(address: ConnectionInfo) -> RedisResult<Self> {
        let client = redis::Client::open(address.clone())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        let (info, ranges): (String, Vec<Vec<Value>>) = pipeline.query_async(&mut connection).await?;
        let field = |name: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        Ok(Self {
            is_ok: field("cluster_state") == Some("ok"),
            epoch: field("cluster_current_epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default(),
            ranges: ranges.into_iter().map(|range| Range::parse(range, &address)).collect::<RedisResult<_>>()?,
        })
    }
}

impl Range {
    /// Parses `[first, last, master, replicas...]`. User, password and TLS of every node are those of `asked`.
    fn parse(range: Vec<Value>, asked: &ConnectionInfo) -> RedisResult<Self> {
        let mut values = range.into_iter();
        let mut slot = || u16::from_redis_value(values.next().unwrap_or(Value::Nil));
        let (first, last) = (slot()?, slot()?);
        let nodes: Vec<_> =
            values.filter_map(|node| parse_node(node, asked).transpose()).collect::<RedisResult<_>>()?;
        if nodes.is_empty() {
            return Err((ErrorKind::Client, "slots without a known node").into());
        }
        Ok(Self { first, last, nodes })
    }
}

/// Parses `[host, port, ...]`. None if the address is not known to the node that was asked.
fn parse_node(node: Value, asked: &ConnectionInfo) -> RedisResult<Option<ConnectionInfo>> {
    let fields = Vec::<Value>::from_redis_value(node)?;
    let [host, port, ..] = fields.as_slice() else {
        return Err((ErrorKind::Client, "a node without an address").into());
    };
    let (host, port) = (Option::<String>::from_redis_value_ref(host)?, u16::from_redis_value_ref(port)?);
    let host = match (host.as_deref(), asked.addr()) {
        (Some("?"), _) => return Ok(None),
        // The node that was asked does not know its own address.
        (None | Some(""), ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) => host.clone(),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let address = match asked.addr() {
        ConnectionAddr::TcpTls { tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    Ok(Some(asked.clone().set_addr(address)))
}

/// Slots with the nodes that are responsible for them.
#[derive(Default)]
pub struct Topology {
    masters: Vec<Arc<Node>>,
    /// Masters by their index.
    slots: HashMap<Slot, usize>,
    /// Masters and replicas.
    pub addresses: Vec<ConnectionInfo>,
}

/// A node with the slots that it is responsible for.
pub struct Share {
    pub node: Arc<Node>,
    /// Ranges of slots. Empty for a single Redis.
    pub slots: String,
    /// Hash tag of keys that this node has.
    pub tag: String,
}

/// Items by their index that share a command.
pub type Group = Vec<usize>;

/// Groups with their node.
type Assigned = Vec<(Arc<Node>, Vec<Group>)>;

impl Topology {
    /// Topology of a view. Nodes of `former` keep their connections.
    pub fn new(view: View, former: &Self) -> RedisResult<Self> {
        let mut topology = Self::default();
        for Range { first, last, nodes } in view.ranges {
            let name = nodes[0].addr().to_string();
            let is_same = |node: &Arc<Node>| node.name() == name;
            let master = if let Some(at) = topology.masters.iter().position(is_same) {
                at
            } else {
                topology.masters.push(match former.masters.iter().find(|node| is_same(node)) {
                    Some(node) => Arc::clone(node),
                    None => Arc::new(Node::new(nodes[0].clone())?),
                });
                topology.addresses.extend(nodes);
                topology.masters.len() - 1
            };
            topology.slots.extend((first..=last).filter_map(Slot::new).map(|slot| (slot, master)));
            if topology.addresses.len() > MAX_NODES {
                return Err(RedisError::from((ErrorKind::Client, "too many nodes")));
            }
        }
        Ok(topology)
    }

    /// Tells whether every slot has a master.
    pub fn is_complete(&self) -> bool {
        self.slots.len() == usize::from(SLOTS)
    }

    pub fn masters(&self) -> impl Iterator<Item = &Node> {
        self.masters.iter().map(Arc::as_ref)
    }

    /// Each master with its slots, and with a hash tag that keeps a key in one of them.
    pub fn shares(&self) -> Vec<Share> {
        let masters: Vec<_> = (0..SLOTS).map(|slot| Slot::new(slot).and_then(|slot| self.slots.get(&slot))).collect();
        let mut ranges = vec![Vec::new(); self.masters.len()];
        let mut first = 0;
        for range in masters.chunk_by(|one, next| one == next) {
            let next = first + range.len();
            if let Some(master) = range[0] {
                ranges[*master].push(format!(" {first}-{}", next - 1));
            }
            first = next;
        }
        let mut tags = vec![None; self.masters.len()];
        let mut missing = self.masters.len();
        for tag in (0..u32::MAX).map(|number| number.to_string()) {
            if missing == 0 {
                break;
            }
            if let Some(master) = self.slots.get(&Slot::for_key(&tag))
                && tags[*master].is_none()
            {
                tags[*master] = Some(tag);
                missing -= 1;
            }
        }
        let shares = self.masters.iter().zip(ranges).zip(tags);
        shares
            .filter_map(|((node, ranges), tag)| {
                Some(Share { node: Arc::clone(node), slots: ranges.concat(), tag: tag? })
            })
            .collect()
    }

    /// Groups items by the slots of their keys, and the groups by node. Also returns the items whose slot has no node.
    pub fn assign(&self, keys: impl Iterator<Item = String>) -> (Assigned, Group) {
        let mut slots: HashMap<Slot, Group> = HashMap::new();
        for (at, key) in keys.enumerate() {
            slots.entry(Slot::for_key(key)).or_default().push(at);
        }
        let mut groups: Vec<Vec<Group>> = self.masters.iter().map(|_| Vec::new()).collect();
        let mut unassigned = Vec::new();
        for (slot, group) in slots {
            match self.slots.get(&slot) {
                Some(master) => groups[*master].push(group),
                None => unassigned.extend(group),
            }
        }
        let assigned = self.masters.iter().cloned().zip(groups).filter(|(_, groups)| !groups.is_empty());
        (assigned.collect(), unassigned)
    }
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: u16, last: u16, hosts: &[Value]) -> Vec<Value> {
        let node = |host: &Value| Value::Array(vec![host.clone(), Value::Int(7000), text("id")]);
        [first, last].map(|slot| Value::Int(slot.into())).into_iter().chain(hosts.iter().map(node)).collect()
    }

    #[test]
    fn nodes_have_the_user_and_the_encryption_of_the_node_that_was_asked() {
        let asked = "rediss://user:pw@asked:6379".into_connection_info().expect("a URL");
        let hosts = [text(""), Value::Nil, text("?"), text("10.0.0.2")];
        let parsed = Range::parse(range(0, 99, &hosts), &asked).expect("a range");
        let addresses: Vec<_> = parsed.nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(addresses, ["asked:7000", "asked:7000", "10.0.0.2:7000"]);
        for node in parsed.nodes {
            assert!(matches!(node.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
            assert_eq!(node.redis_settings().password(), Some("pw"));
        }
        for wrong in [range(0, 99, &[]), range(0, 99, &[text("?")]), vec![Value::Nil], vec![]] {
            assert!(Range::parse(wrong, &asked).is_err());
        }
    }

    #[tokio::test]
    async fn items_are_grouped_by_slot_and_node_and_nodes_are_kept() {
        let asked = "redis://asked".into_connection_info().expect("a URL");
        let topology = |ranges: &[(u16, u16, &str)], former: &Topology| {
            let parse =
                |(first, last, host): &(u16, u16, &str)| Range::parse(range(*first, *last, &[text(host)]), &asked);
            let ranges = ranges.iter().map(parse).collect::<RedisResult<_>>().expect("ranges");
            Topology::new(View { is_ok: true, epoch: 1, ranges }, former).expect("a topology")
        };
        let first = topology(&[(0, 99, "a"), (100, 12000, "b"), (12001, 12100, "a")], &Topology::default());
        assert!(!first.is_complete());
        let second = topology(&[(0, 12181, "b"), (12182, 16383, "c")], &first);
        assert!(second.is_complete());
        let shares = |topology: &Topology| -> Vec<_> {
            let shares = topology.shares().into_iter();
            shares
                .map(|share| (share.node.name().to_owned(), share.slots, topology.slots[&Slot::for_key(&share.tag)]))
                .collect()
        };
        let expected = |shares: &[(&str, &str)]| -> Vec<_> {
            (0..).zip(shares).map(|(at, (name, slots))| ((*name).to_owned(), (*slots).to_owned(), at)).collect()
        };
        assert_eq!(shares(&first), expected(&[("a:7000", " 0-99 12001-12100"), ("b:7000", " 100-12000")]));
        assert_eq!(shares(&second), expected(&[("b:7000", " 0-12181"), ("c:7000", " 12182-16383")]));
        assert!(Arc::ptr_eq(&first.masters[1], &second.masters[0]), "its connection is kept");
        // The slots of "bar" and "foo" are 5061 and 12182.
        let keys = ["foo", "bar", "{foo}1", "{bar}1"].map(str::to_owned);
        let (assigned, unassigned) = first.assign(keys.clone().into_iter());
        let named = |assigned: Assigned| -> Vec<_> {
            assigned.into_iter().map(|(node, groups)| (node.name().to_owned(), groups)).collect()
        };
        assert_eq!((named(assigned), unassigned), (vec![("b:7000".to_owned(), vec![vec![1, 3]])], vec![0, 2]));
        let (assigned, unassigned) = second.assign(keys.into_iter());
        let expected = [("b:7000".to_owned(), vec![vec![1, 3]]), ("c:7000".to_owned(), vec![vec![0, 2]])];
        assert_eq!((named(assigned), unassigned), (expected.to_vec(), vec![]));
    }
}
