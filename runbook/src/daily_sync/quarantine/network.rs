//! Who reaches the quarantine, and whom it reaches: the rules of its security group. Nothing but
//! the workers speaks to it, and it begins no connection: what Aurora itself needs does not pass
//! the group's outbound rules, which are for a DB instance that acts as a client
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Overview.RDSSecurityGroups.html).

use crate::security_groups::{Peer, Rule, SecurityGroup};

/// What is open beyond that, and how to close it. `workers` are the groups that the workers have;
/// without a port, any one of tcp will do.
pub fn check(group: &SecurityGroup, workers: &[String], port: Option<i32>) -> Vec<String> {
    let id = &group.id;
    let mut wrong = Vec::new();
    for rule in &group.outbound {
        for peer in &rule.peers {
            wrong.push(format!(
                "the security group {id} lets out {} to {}: delete this outbound rule, for a quarantine \
                needs none",
                traffic(rule),
                name(peer)
            ));
        }
    }
    let ours = |peer: &Peer| matches!(peer, Peer::Group(group) if workers.contains(group));
    let only_the_port = |rule: &Rule| {
        let one = rule.ports.filter(|(first, last)| first == last).map(|(first, _)| first);
        rule.protocol == "tcp" && one.is_some() && (port.is_none() || one == port)
    };
    let narrow = port.map_or_else(|| "tcp and the cluster's port".to_owned(), |port| format!("tcp {port}"));
    for rule in &group.inbound {
        for peer in &rule.peers {
            if !ours(peer) {
                wrong.push(format!(
                    "the security group {id} lets in {} from {}: delete this inbound rule, for only the \
                    workers ({}) may come in",
                    traffic(rule),
                    name(peer),
                    workers.join(", ")
                ));
            } else if !only_the_port(rule) {
                wrong.push(format!(
                    "the security group {id} lets in {} from {}: narrow this inbound rule to {narrow}",
                    traffic(rule),
                    name(peer)
                ));
            }
        }
    }
    wrong
}

fn traffic(rule: &Rule) -> String {
    let protocol = if rule.protocol == "-1" { "everything" } else { &rule.protocol };
    match rule.ports {
        None => protocol.to_owned(),
        Some((first, last)) if first == last => format!("{protocol} {first}"),
        Some((first, last)) => format!("{protocol} {first} to {last}"),
    }
}

fn name(peer: &Peer) -> &str {
    match peer {
        Peer::Group(name) | Peer::Other(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: &str, ports: Option<(i32, i32)>, peers: &[Peer]) -> Rule {
        Rule { protocol: protocol.into(), ports, peers: peers.to_vec() }
    }

    fn found(inbound: &[Rule], outbound: &[Rule]) -> Vec<String> {
        let group =
            SecurityGroup { id: "sg-q".into(), inbound: inbound.to_vec(), outbound: outbound.to_vec() };
        check(&group, &["sg-workers".into(), "sg-more".into()], Some(5432))
    }

    fn group(id: &str) -> Peer {
        Peer::Group(id.into())
    }

    fn other(who: &str) -> Peer {
        Peer::Other(who.into())
    }

    #[test]
    fn a_group_that_only_the_workers_pass_on_the_port_is_shut() {
        let workers = rule("tcp", Some((5432, 5432)), &[group("sg-workers"), group("sg-more")]);
        assert_eq!(found(&[workers], &[]), Vec::<String>::new());
        assert_eq!(found(&[], &[]), Vec::<String>::new(), "nobody at all");
    }

    #[test]
    fn every_way_out_is_named() {
        let all = rule("-1", None, &[other("0.0.0.0/0"), other("::/0")]);
        let narrow = rule("tcp", Some((443, 443)), &[other("pl-1"), group("sg-workers")]);
        let said = found(&[], &[all, narrow]);
        assert_eq!(said.len(), 4, "{said:?}");
        assert_eq!(
            said[0],
            "the security group sg-q lets out everything to 0.0.0.0/0: delete this outbound rule, for a \
            quarantine needs none"
        );
        assert!(said[2].contains("lets out tcp 443 to pl-1"), "{said:?}");
        assert!(said[3].contains("to sg-workers"), "also to the workers: {said:?}");
    }

    #[test]
    fn whoever_else_may_come_in_is_named() {
        for peer in [other("10.0.0.0/8"), other("pl-1"), group("sg-app"), group("sg-q"), other("clouds")] {
            let said = found(&[rule("tcp", Some((5432, 5432)), &[group("sg-workers"), peer.clone()])], &[]);
            let [only] = &said[..] else { panic!("{said:?}") };
            assert!(only.contains(&format!("lets in tcp 5432 from {}: delete", name(&peer))), "{only}");
            assert!(only.contains("only the workers (sg-workers, sg-more) may come in"), "{only}");
        }
    }

    #[test]
    fn before_there_is_a_cluster_any_one_port_will_do() {
        let said = |protocol: &str, ports| {
            let inbound = vec![rule(protocol, ports, &[group("sg-workers")])];
            let group = SecurityGroup { id: "sg-q".into(), inbound, outbound: vec![] };
            check(&group, &["sg-workers".into()], None)
        };
        assert_eq!(said("tcp", Some((5433, 5433))), Vec::<String>::new());
        for (protocol, ports) in [("udp", Some((5432, 5432))), ("tcp", Some((1, 65535))), ("-1", None)] {
            assert!(
                said(protocol, ports)[0].contains("narrow this inbound rule to tcp and the cluster's port")
            );
        }
    }

    #[test]
    fn the_workers_may_come_to_no_other_port() {
        for (protocol, ports, words) in [
            ("-1", None, "everything from"),
            ("tcp", Some((0, 65535)), "tcp 0 to 65535 from"),
            ("tcp", Some((5433, 5433)), "tcp 5433 from"),
            ("udp", Some((5432, 5432)), "udp 5432 from"),
        ] {
            let said = found(&[rule(protocol, ports, &[group("sg-workers")])], &[]);
            let [only] = &said[..] else { panic!("{said:?}") };
            assert!(only.contains(words) && only.contains("narrow this inbound rule to tcp 5432"), "{only}");
        }
    }
}
