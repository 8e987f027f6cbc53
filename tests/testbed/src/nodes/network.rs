//! One switch with a cable to this machine and to each node.
//!
//! The switch has a network namespace of its own: on the machine there is one interface per run, no
//! forwarding is switched on, and no firewall of the machine sees what nodes say to each other.

use super::place::Place;
use super::space::{Space, call};
use crate::error::Result;

/// The switch's own interface.
const SWITCH: &str = "switch";

/// Makes the switch and the machine's cable to it; routes lead to the pods of `nodes` nodes.
pub(crate) fn switch(place: Place, switch: &Space, nodes: u8) -> Result<()> {
    let ip = ["ip", "-batch", "-"].map(str::to_owned);
    call(&ip, &machine(place, switch.id(), nodes))?;
    switch.ip(&format!("link add {SWITCH} type bridge\nlink set {SWITCH} up\n{}", plug("machine")))
}

/// Connects a node to the switch.
pub(crate) fn connect(place: Place, switch: &Space, node: &Space, number: u8, nodes: u8) -> Result<()> {
    node.ip(&cable(place, switch.id(), number, nodes))?;
    switch.ip(&plug(&format!("node{number}")))
}

/// The machine's cable.
fn machine(place: Place, switch: u32, nodes: u8) -> String {
    let (name, host) = (place.name(), place.host());
    let mut lines = format!(
        "link add {name} type veth peer name machine netns {switch}\n\
         address add {host}/24 dev {name}\nlink set {name} up\n"
    );
    for number in 1..=nodes {
        lines.push_str(&format!("route add {} via {}\n", place.pods(number), place.node(number)));
    }
    lines
}

/// A node's cable, and the ways to the pods of the others.
fn cable(place: Place, switch: u32, number: u8, nodes: u8) -> String {
    let mut lines = format!(
        "link add eth0 type veth peer name node{number} netns {switch}\n\
         address add {}/24 dev eth0\nlink set eth0 up\nroute add default via {}\n",
        place.node(number),
        place.host(),
    );
    for other in (1..=nodes).filter(|other| *other != number) {
        lines.push_str(&format!("route add {} via {}\n", place.pods(other), place.node(other)));
    }
    lines
}

/// The switch's end of a cable.
fn plug(end: &str) -> String {
    format!("link set {end} master {SWITCH}\nlink set {end} up\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_the_way_to_the_others_pods() {
        let place = Place::first();
        let ways = |text: &str| text.matches("route add 198.18.").count();
        assert_eq!(ways(&machine(place, 7, 3)), 3);
        let second = cable(place, 7, 2, 3);
        assert!(second.contains("node2 netns 7") && second.contains("198.18.0.12/24"), "{second}");
        assert!(!second.contains("add 198.18.2.0/24 via"), "its own pods are its own: {second}");
        assert_eq!(ways(&second), 2);
    }
}
