//! A writer of MaxMind's format (version 2.0), as far as tests want it: IPv4, records of 24 bits.

use std::net::Ipv4Addr;

/// A value of the data section.
#[derive(Clone)]
pub enum Value {
    Text(&'static str),
    Number(u32),
    Map(Vec<(&'static str, Value)>),
}

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A database that has these networks.
pub fn database(kind: &str, networks: &[(Ipv4Addr, u8, Value)]) -> Vec<u8> {
    // The two children of each node; none is nothing found.
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (address, length, value) in networks {
        let at = data.len();
        value.write(&mut data);
        let bit = |place: u8| (address.to_bits() >> (31 - place) & 1) as usize;
        let mut node = 0;
        for place in 0..length - 1 {
            node = match nodes[node][bit(place)] {
                Child::Node(next) => next,
                _ => {
                    nodes.push([Child::Nothing; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][bit(place)] = Child::Node(next);
                    next
                }
            };
        }
        nodes[node][bit(length - 1)] = Child::Data(at);
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for child in nodes.into_iter().flatten() {
        let record = match child {
            Child::Nothing => count,
            Child::Node(node) => node,
            Child::Data(at) => count + 16 + at,
        };
        file.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(MARKER);
    metadata(kind, count, &mut file);
    file
}

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    Data(usize),
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => string(text, out),
            Self::Number(number) => unsigned(6, *number, out),
            Self::Map(members) => {
                control(7, members.len(), out);
                for (name, value) in members {
                    string(name, out);
                    value.write(out);
                }
            }
        }
    }
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let byte = |number: usize| u8::try_from(number).unwrap();
    match size.checked_sub(29) {
        None => out.push(kind << 5 | byte(size)),
        Some(rest) => out.extend_from_slice(&[kind << 5 | 29, byte(rest)]),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    control(2, text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn unsigned(kind: u8, number: u32, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let bytes = &bytes[number.leading_zeros() as usize / 8..];
    control(kind, bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn metadata(kind: &str, nodes: usize, out: &mut Vec<u8>) {
    control(7, 9, out);
    for (name, number) in [
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
        ("ip_version", 4),
        ("record_size", 24),
    ] {
        string(name, out);
        unsigned(5, number, out);
    }
    string("node_count", out);
    unsigned(6, u32::try_from(nodes).unwrap(), out);
    string("database_type", out);
    string(kind, out);
    // The types that follow are numbered from 8 on, in a byte of their own.
    string("build_epoch", out);
    out.extend_from_slice(&[4, 9 - 7, 0x65, 0, 0, 0]);
    string("languages", out);
    out.extend_from_slice(&[0, 11 - 7]);
    string("description", out);
    control(7, 0, out);
}
