//! The two JSON documents of RFC 7285.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{CostMapError, Document, MAX_DOCUMENT, MAX_PIDS, MAX_PREFIXES, Pid};
use crate::prefix::Prefix;

/// Longest name of a PID (RFC 7285 §10.1).
const MAX_NAME: usize = 64;
/// Metrics of which less is better (RFC 7285 §14.2, RFC 9439).
pub(crate) const METRICS: [&str; 5] = ["routingcost", "hopcount", "delay-ow", "delay-rt", "lossrate"];

/// From a PID, to a PID, what it costs.
pub(super) type CostEntries = Vec<(Pid, Pid, f32)>;

/// What a network map says.
pub(super) struct NetworkMap {
    pub(super) pids: HashMap<String, Pid>,
    pub(super) prefixes: Vec<(Prefix, Pid)>,
    /// Its `resource-id` and `tag` (RFC 7285 §10.3).
    vtag: Option<(String, String)>,
}

/// Reads an InfoResourceNetworkMap (RFC 7285 §11.2.1.6).
pub(super) fn network_map(document: Document<'_>) -> Result<NetworkMap, CostMapError> {
    let refuse = |member: String, problem: &str| Err(wrong(document, member, problem));
    let root = parse(document)?;
    let root = object(document, "the document", &root)?;
    let map = object(document, "network-map", member(root, "network-map"))?;
    let mut network = NetworkMap {
        pids: HashMap::new(),
        prefixes: Vec::new(),
        vtag: vtag(&member(root, "meta")["vtag"]),
    };
    let mut owners: BTreeMap<Prefix, &str> = BTreeMap::new();
    for (name, groups) in map {
        let of_pid = format!("network-map.{name:.64}");
        if !is_pid_name(name) {
            return refuse(of_pid, "not the name of a PID");
        }
        let pid = match Pid::try_from(network.pids.len()) {
            Ok(pid) if network.pids.len() < MAX_PIDS => pid,
            _ => return refuse(of_pid, "more than 2048 PIDs"),
        };
        network.pids.insert(name.clone(), pid);
        for (family, addresses) in object(document, &of_pid, groups)? {
            let of_family = format!("{of_pid}.{family:.64}");
            // Address types that a later RFC adds are ignored, as §10.4.2 has it.
            if !["ipv4", "ipv6"].contains(&family.as_str()) {
                continue;
            }
            let Value::Array(addresses) = addresses else {
                return refuse(of_family, "not an array");
            };
            for (index, text) in addresses.iter().enumerate() {
                let here = || format!("{of_family}[{index}]");
                let prefix = text.as_str().and_then(|text| prefix(family, text));
                let Some(prefix) = prefix else {
                    let problem = format!("{:.100} is not an {family} prefix", text.to_string());
                    return refuse(here(), &problem);
                };
                match owners.insert(prefix, name) {
                    None => network.prefixes.push((prefix, pid)),
                    Some(owner) if owner == name => {}
                    Some(owner) => {
                        let problem = format!("{text} is in {owner} already");
                        return refuse(here(), &problem);
                    }
                }
                if network.prefixes.len() > MAX_PREFIXES {
                    return refuse(here(), "more than 1048576 prefixes");
                }
            }
        }
    }
    Ok(network)
}

/// Reads an InfoResourceCostMap (RFC 7285 §11.2.3.6) of this network map. Pairs it leaves out have no entry.
pub(super) fn cost_map(document: Document<'_>, network: &NetworkMap) -> Result<CostEntries, CostMapError> {
    let refuse = |member: String, problem: &str| Err(wrong(document, member, problem));
    let root = parse(document)?;
    let root = object(document, "the document", &root)?;
    let meta = member(root, "meta");
    if let (Some(vtag_of_map), Value::Array(vtags)) = (&network.vtag, &meta["dependent-vtags"])
        && !vtags
            .iter()
            .any(|depends_on| vtag(depends_on).as_ref() == Some(vtag_of_map))
    {
        let (id, tag) = vtag_of_map;
        let problem = format!("of another network map than {id:.64}, tag {tag:.64}");
        return refuse("meta.dependent-vtags".to_owned(), &problem);
    }
    if let Value::String(metric) = &meta["cost-type"]["cost-metric"]
        && !METRICS.contains(&metric.as_str())
    {
        let problem = format!("{metric:.64} is not one of {}", METRICS.join(", "));
        return refuse("meta.cost-type.cost-metric".to_owned(), &problem);
    }
    let map = object(document, "cost-map", member(root, "cost-map"))?;
    let mut entries = Vec::new();
    for (from_name, row) in map {
        let of_row = format!("cost-map.{from_name:.64}");
        let Some(from) = network.pids.get(from_name) else {
            return refuse(of_row, "no PID of the network map");
        };
        for (to_name, cost) in object(document, &of_row, row)? {
            let here = format!("{of_row}.{to_name:.64}");
            let Some(to) = network.pids.get(to_name) else {
                return refuse(here, "no PID of the network map");
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is too large is refused below"
            )]
            let small = cost.as_f64().map(|cost| cost as f32);
            match small {
                Some(cost) if cost >= 0.0 && cost.is_finite() => entries.push((*from, *to, cost)),
                _ => return refuse(here, "not a number from 0 to 3e38"),
            }
        }
    }
    Ok(entries)
}

fn parse(document: Document<'_>) -> Result<Value, CostMapError> {
    let name = document.name.to_owned();
    if document.text.len() > MAX_DOCUMENT {
        return Err(CostMapError::TooLong {
            document: name,
            limit: MAX_DOCUMENT,
        });
    }
    serde_json::from_str(document.text).map_err(|source| CostMapError::Json {
        document: name,
        source,
    })
}

fn wrong(document: Document<'_>, member: String, problem: &str) -> CostMapError {
    CostMapError::Member {
        document: document.name.to_owned(),
        member,
        problem: problem.to_owned(),
    }
}

/// A member, or null where there is none.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

fn object<'a>(
    document: Document<'_>,
    name: &str,
    value: &'a Value,
) -> Result<&'a Map<String, Value>, CostMapError> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Err(wrong(document, name.to_owned(), "missing")),
        _ => Err(wrong(document, name.to_owned(), "not an object")),
    }
}

/// A version tag, as far as it is one.
fn vtag(value: &Value) -> Option<(String, String)> {
    let text = |name: &str| Some(value[name].as_str()?.to_owned());
    Some((text("resource-id")?, text("tag")?))
}

fn is_pid_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-:@_.".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_plain)
}

/// A prefix such as `192.0.2.0/24`. Bits after its length say nothing.
fn prefix(family: &str, text: &str) -> Option<Prefix> {
    let of_family = text.contains('/') && text.contains(':') == (family == "ipv6");
    text.parse().ok().filter(|_| of_family)
}
