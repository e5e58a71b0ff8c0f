//! A database of countries made for one test. It owns just enough of MaxMind's published format, version 2.0:
//! IPv4, 24-bit records; it refuses to hold any real address's country.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A node of the search tree: what each bit leads to.
#[derive(Clone, Copy, Debug, Default)]
struct Node([Leads; 2]);

#[derive(Clone, Copy, Debug, Default)]
enum Leads {
    #[default]
    Nowhere,
    Node(usize),
    Data(usize),
}

/// A database in which these networks, of which none contains another, are in these countries.
#[must_use]
pub fn database(networks: &[(&str, &str)]) -> Vec<u8> {
    let (mut nodes, mut data, mut known) = (vec![Node::default()], Vec::new(), BTreeMap::new());
    for (network, country) in networks {
        let offset = *known.entry(*country).or_insert_with(|| {
            let offset = data.len();
            let names: [&[u8]; 4] = [&map(1), &text("country"), &map(1), &text("iso_code")];
            data.extend(names.concat());
            data.extend(text(country));
            offset
        });
        let (address, length) = network.split_once('/').expect("a network");
        let bits = address.parse::<Ipv4Addr>().expect("an address").to_bits();
        let length: u32 = length.parse().expect("a length");
        let mut at = 0;
        for depth in 0..length {
            let bit = usize::from(bits >> (31 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[at].0[bit] = Leads::Data(offset);
            } else if let Leads::Node(next) = nodes[at].0[bit] {
                at = next;
            } else {
                nodes.push(Node::default());
                nodes[at].0[bit] = Leads::Node(nodes.len() - 1);
                at = nodes.len() - 1;
            }
        }
    }
    let mut file = Vec::new();
    for lead in nodes.iter().flat_map(|node| node.0) {
        let record = match lead {
            Leads::Nowhere => nodes.len(),
            Leads::Node(next) => next,
            Leads::Data(offset) => nodes.len() + 16 + offset,
        };
        file.extend(&u32::try_from(record).expect("a small database").to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.extend(metadata(u16::try_from(nodes.len()).expect("a small database")));
    file
}

fn metadata(nodes: u16) -> Vec<u8> {
    let mut data = map(9);
    for (name, value) in [
        ("binary_format_major_version", number(2)),
        ("binary_format_minor_version", number(0)),
        ("build_epoch", vec![0x02, 0x02, 0x65, 0x00]),
        ("database_type", text("Test-Country")),
        ("description", [map(1), text("en"), text("made for a test")].concat()),
        ("ip_version", number(4)),
        ("languages", [vec![0x01, 0x04], text("en")].concat()),
        ("node_count", [vec![0xc2], nodes.to_be_bytes().to_vec()].concat()),
        ("record_size", number(24)),
    ] {
        data.extend(text(name));
        data.extend(value);
    }
    data
}

fn map(entries: u8) -> Vec<u8> {
    vec![0xe0 | entries]
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 29).expect("a short text");
    [&[0x40 | length], text.as_bytes()].concat()
}

/// An unsigned 16-bit number.
fn number(value: u8) -> Vec<u8> {
    vec![0xa1, value]
}
