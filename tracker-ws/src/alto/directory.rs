//! The information resource directory (RFC 7285 §9.2): where a server's maps are.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cost_map::METRICS;
use crate::fetch::Location;

/// The media types of resources (RFC 7285 §14.1).
pub(super) const NETWORK_MAP: &str = "application/alto-networkmap+json";
pub(super) const COST_MAP: &str = "application/alto-costmap+json";
pub(super) const DIRECTORY: &str = "application/alto-directory+json";

/// Most resources of a directory.
const MAX_RESOURCES: usize = 4096;

/// One directory.
#[derive(Debug)]
pub(super) struct Directory {
    default_network_map: Option<String>,
    /// By their IDs.
    resources: BTreeMap<String, Resource>,
}

#[derive(Debug)]
struct Resource {
    url: Location,
    what: What,
}

/// Those that can be asked for with GET.
#[derive(Debug)]
enum What {
    NetworkMap,
    CostMap {
        /// IDs of the network maps that it may be of.
        of: Vec<String>,
        /// How well its costs will do, the least best: the place of the metric in [`METRICS`], and whether they are ordinal.
        rank: (usize, bool),
    },
    Directory,
}

/// The pair of maps to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maps {
    pub(super) network_map: Location,
    pub(super) cost_map: Location,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    meta: Meta,
    resources: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default, rename = "cost-types")]
    cost_types: BTreeMap<String, CostType>,
    #[serde(rename = "default-alto-network-map")]
    default_network_map: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CostType {
    cost_metric: String,
    cost_mode: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    uri: String,
    media_type: String,
    accepts: Option<String>,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    uses: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Capabilities {
    #[serde(default, rename = "cost-type-names")]
    cost_type_names: Vec<String>,
}

impl Directory {
    /// Reads what was served at a URL, which references are relative to. Resources that are of no use here are passed over.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(at: &Location, text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if document.resources.len() > MAX_RESOURCES {
            return Err(format!("resources: more than {MAX_RESOURCES}"));
        }
        let mut resources = BTreeMap::new();
        for (id, entry) in document.resources {
            // An empty one is none (RFC 7285 §9.2.2); others are asked with POST.
            if entry.accepts.as_ref().is_some_and(|accepts| !accepts.is_empty()) {
                continue;
            }
            let what = match entry.media_type.as_str() {
                NETWORK_MAP => What::NetworkMap,
                DIRECTORY => What::Directory,
                COST_MAP => match rank(&entry.capabilities, &document.meta.cost_types) {
                    Some(rank) => What::CostMap { of: entry.uses, rank },
                    None => continue,
                },
                _ => continue,
            };
            let url = at
                .resolve(&entry.uri)
                .ok_or_else(|| format!("resources.{id:.64}.uri: {:.200}: not a URL", entry.uri))?;
            if at.is_secure() && !url.is_secure() {
                let problem = "not https:, and the directory is";
                return Err(format!("resources.{id:.64}.uri: {url}: {problem}"));
            }
            resources.insert(id, Resource { url, what });
        }
        Ok(Self {
            default_network_map: document.meta.default_network_map,
            resources,
        })
    }

    /// Other directories it names, with more of the resources.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Location> {
        let is_directory = |resource: &&Resource| matches!(resource.what, What::Directory);
        self.resources
            .values()
            .filter(is_directory)
            .map(|resource| &resource.url)
    }
}

/// How well the costs of a map will do, if they do at all.
fn rank(capabilities: &Capabilities, types: &BTreeMap<String, CostType>) -> Option<(usize, bool)> {
    // A map that is asked for with GET has one.
    let [name] = &capabilities.cost_type_names[..] else {
        return None;
    };
    let of_map = types.get(name)?;
    let place = METRICS.iter().position(|metric| *metric == of_map.cost_metric)?;
    Some((place, of_map.cost_mode == "ordinal"))
}

/// The maps to use, of all that these directories name, the root first: the root's default network map, or else the only
/// one; and of the cost maps of that the one whose metric comes first in [`METRICS`], numerical before ordinal.
///
/// # Errors
/// What is missing.
pub(super) fn choose(directories: &[Directory]) -> Result<Maps, String> {
    let all = || directories.iter().flat_map(|directory| &directory.resources);
    let network_maps = || all().filter(|(_, resource)| matches!(resource.what, What::NetworkMap));
    let default = directories
        .first()
        .and_then(|root| root.default_network_map.as_ref());
    let (id, network_map) = match default {
        Some(default) => network_maps()
            .find(|(id, _)| *id == default)
            .ok_or_else(|| format!("no network map {default:.64}, which is the default"))?,
        None => {
            let mut named = network_maps();
            match (named.next(), named.next()) {
                (Some(only), None) => only,
                (None, _) => return Err("no network map".to_owned()),
                (Some(_), Some(_)) => {
                    return Err("several network maps, and no default-alto-network-map".to_owned());
                }
            }
        }
    };
    let costs = all().filter_map(|(_, resource)| match &resource.what {
        What::CostMap { of, rank } if of.contains(id) => Some((rank, resource)),
        _ => None,
    });
    // Of equals the first, which is nearer to the root.
    let (_, cost_map) = costs
        .min_by_key(|(rank, _)| **rank)
        .ok_or_else(|| format!("no cost map of {id:.64} with one of {}", METRICS.join(", ")))?;
    Ok(Maps {
        network_map: network_map.url.clone(),
        cost_map: cost_map.url.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../tests/alto/rfc7285/directory.json");
    const DELEGATED: &str = include_str!("../../tests/alto/rfc7285/delegated-directory.json");

    fn at(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    /// What is chosen of these documents.
    fn chosen(url: &str, documents: &[&str]) -> Result<(String, String), String> {
        let parse = |text: &&str| Directory::parse(&at(url), text);
        let directories: Vec<_> = documents.iter().map(parse).collect::<Result<_, _>>()?;
        choose(&directories).map(|maps| (maps.network_map.to_string(), maps.cost_map.to_string()))
    }

    /// RFC 7285 §9.2.3, without the comma that is one too many.
    fn example() -> String {
        let broken = "                            \"priv:ietf-example-prop\" ]\n        },\n     },";
        assert_eq!(EXAMPLE.matches(broken).count(), 1);
        EXAMPLE.replace(broken, &broken.replace("},\n     }", "}\n     }"))
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let root = "http://alto.example.com/directory";
        assert_eq!(
            Directory::parse(&at(root), EXAMPLE).map(drop),
            Err("trailing comma at line 57 column 6".to_owned())
        );
        let example = example();
        let maps = (
            "http://alto.example.com/networkmap".to_owned(),
            "http://alto.example.com/costmap/num/routingcost".to_owned(),
        );
        assert_eq!(chosen(root, &[&example]), Ok(maps.clone()));
        let directory = Directory::parse(&at(root), &example).unwrap();
        let named: Vec<String> = directory.directories().map(Location::to_string).collect();
        assert_eq!(named, ["http://custom.alto.example.com/maps"]);
        // The root's numerical costs go before those of the delegated directory, which are ordinal.
        assert_eq!(chosen(root, &[&example, DELEGATED]), Ok(maps.clone()));
        // It has no network map of its own.
        assert_eq!(chosen(root, &[DELEGATED]), Err("no network map".to_owned()));
        // Filtered maps are asked for with POST.
        let alone = example.replace("\"num-routing\" ]", "\"bw-routing\" ]");
        let alone = alone.replace("\"num-hop\" ]", "\"bw-hop\" ]");
        assert_eq!(
            chosen(root, &[&alone]),
            Err(
                "no cost map of my-default-network-map with one of routingcost, hopcount, delay-ow, delay-rt, lossrate"
                    .to_owned()
            )
        );
        let ordinal = "http://custom.alto.example.com/ord/routingcost".to_owned();
        assert_eq!(chosen(root, &[&alone, DELEGATED]), Ok((maps.0, ordinal)));
    }

    #[test]
    fn references_are_relative_to_the_directory() {
        let text = r#"{"meta": {"cost-types": {"c": {"cost-mode": "numerical", "cost-metric": "hopcount"}}},
            "resources": {"n": {"uri": "net", "media-type": "application/alto-networkmap+json", "accepts": ""},
                "c": {"uri": "/costs", "media-type": "application/alto-costmap+json",
                      "capabilities": {"cost-type-names": ["c"]}, "uses": ["n"]},
                "x": {"uri": "::", "media-type": "application/x"}}}"#;
        assert_eq!(
            chosen("https://alto.example/v1/directory", &[text]),
            Ok((
                "https://alto.example/v1/net".to_owned(),
                "https://alto.example/costs".to_owned()
            ))
        );
        let plain = text.replace("/costs", "http://alto.example/costs");
        assert_eq!(
            chosen("https://alto.example/v1/directory", &[&plain]),
            Err("resources.c.uri: http://alto.example/costs: not https:, and the directory is".to_owned())
        );
        assert!(chosen("http://alto.example/v1/directory", &[&plain]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let map = |id: &str, uri: &str| {
            format!(r#""{id}": {{"uri": "{uri}", "media-type": "application/alto-networkmap+json"}}"#)
        };
        for (text, expected) in [
            ("[]".to_owned(), "expected struct Document"),
            ("{}".to_owned(), "missing field `resources`"),
            (r#"{"resources": {}}"#.to_owned(), "no network map"),
            (
                format!(r#"{{"resources": {{{}, {}}}}}"#, map("a", "a"), map("b", "b")),
                "several network maps, and no default-alto-network-map",
            ),
            (
                format!(
                    r#"{{"meta": {{"default-alto-network-map": "c"}}, "resources": {{{}}}}}"#,
                    map("a", "a")
                ),
                "no network map c, which is the default",
            ),
            (
                format!(r#"{{"resources": {{{}}}}}"#, map("a", "ftp://x/")),
                "resources.a.uri: ftp://x/: not a URL",
            ),
            (
                format!(r#"{{"resources": {{{}}}}}"#, map("a", "a")),
                "no cost map of a with one of",
            ),
        ] {
            let said = chosen("http://alto.example/", &[&text]).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
        let many: Vec<String> = (0..=MAX_RESOURCES).map(|id| map(&id.to_string(), "a")).collect();
        let many = format!(r#"{{"resources": {{{}}}}}"#, many.join(","));
        assert_eq!(
            chosen("http://alto.example/", &[&many]),
            Err("resources: more than 4096".to_owned())
        );
    }
}
