//! Says a container's ports as short as they can be said. The engine tells them in two shapes: one in
//! its list, another one when it is asked about a single container.

use bollard::models::{PortMap, PortSummary, PortSummaryTypeEnum};

/// Short and readable, by container port. A port published on every IPv4 and every IPv6 address is
/// one port to its user.
pub fn listed(listed: &[PortSummary]) -> Vec<String> {
    let mut ports: Vec<&PortSummary> = listed.iter().collect();
    let key = |port: &PortSummary| {
        let is_v6 = port.ip.as_deref().is_some_and(|ip| ip.contains(':'));
        (port.private_port, port.public_port, port.typ, is_v6, port.ip.clone())
    };
    ports.sort_by_key(|port| key(port));
    ports.dedup_by(|later, earlier| is_twin(earlier, later));
    ports.into_iter().map(port).collect()
}

/// The same, from `{"8089/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8089"}], "9000/tcp": null}`.
pub fn mapped(map: &PortMap) -> Vec<String> {
    let ports = map.iter().flat_map(|(inside, bindings)| {
        let exposed = exposed(inside);
        let bindings = bindings.as_deref().unwrap_or_default();
        let published = bindings.iter().filter_map(|binding| {
            let public_port = binding.host_port.as_deref()?.parse().ok()?;
            let ip = binding.host_ip.clone();
            Some(PortSummary { ip, public_port: Some(public_port), ..exposed.clone()? })
        });
        let published: Vec<PortSummary> = published.collect();
        if published.is_empty() { exposed.into_iter().collect() } else { published }
    });
    listed(&ports.collect::<Vec<_>>())
}

/// `9000/tcp`, as nobody outside sees it.
fn exposed(text: &str) -> Option<PortSummary> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let typ = match protocol {
        "udp" => PortSummaryTypeEnum::UDP,
        "sctp" => PortSummaryTypeEnum::SCTP,
        _ => PortSummaryTypeEnum::TCP,
    };
    Some(PortSummary { private_port: number.parse().ok()?, typ: Some(typ), ..Default::default() })
}

/// Whether `v6` says again on `::` what `v4` says on `0.0.0.0` (or is the very same line).
fn is_twin(v4: &PortSummary, v6: &PortSummary) -> bool {
    let same =
        (v4.private_port, v4.public_port, v4.typ) == (v6.private_port, v6.public_port, v6.typ);
    let both_everywhere = v4.ip.as_deref() == Some("0.0.0.0") && v6.ip.as_deref() == Some("::");
    same && (both_everywhere || v4.ip == v6.ip)
}

fn port(port: &PortSummary) -> String {
    let protocol = port.typ.unwrap_or(PortSummaryTypeEnum::TCP);
    let inside = format!("{}/{protocol}", port.private_port);
    match (port.ip.as_deref(), port.public_port) {
        (_, None) => inside,
        (None | Some(""), Some(public)) => format!("{public}->{inside}"),
        (Some(ip), Some(public)) if ip.contains(':') => format!("[{ip}]:{public}->{inside}"),
        (Some(ip), Some(public)) => format!("{ip}:{public}->{inside}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_on_both_address_families_is_one_port() {
        let port = |ip: &str, public: u16| json!({"IP": ip, "PrivatePort": 80, "PublicPort": public, "Type": "tcp"});
        for (told, shown) in [
            (json!([port("::", 1), port("0.0.0.0", 1)]), vec!["0.0.0.0:1->80/tcp"]),
            (
                json!([port("::", 2), port("0.0.0.0", 1)]),
                vec!["0.0.0.0:1->80/tcp", "[::]:2->80/tcp"],
            ),
            (json!([port("::1", 1)]), vec!["[::1]:1->80/tcp"]),
            (json!([port("", 1)]), vec!["1->80/tcp"]),
            (
                json!([{"PrivatePort": 53, "Type": "udp"}, {"PrivatePort": 9, "Type": "tcp"}]),
                vec!["9/tcp", "53/udp"],
            ),
            (json!([]), vec![]),
        ] {
            let ports: Vec<PortSummary> =
                serde_json::from_value(told.clone()).expect("bollard reads it");
            assert_eq!(listed(&ports), shown, "{told}");
        }
    }

    #[test]
    fn the_ports_of_a_single_container_are_said_as_the_list_says_them() {
        let on = |ip: &str, port: &str| json!({"HostIp": ip, "HostPort": port});
        for (told, shown) in [
            (
                json!({"8089/tcp": [on("0.0.0.0", "8089"), on("::", "8089")], "9000/tcp": null}),
                vec!["0.0.0.0:8089->8089/tcp", "9000/tcp"],
            ),
            (json!({"53/udp": [on("", "5353")], "53": []}), vec!["53/tcp", "5353->53/udp"]),
            (json!({"1/sctp": [on("::1", "7")], "?": null}), vec!["[::1]:7->1/sctp"]),
            (json!({}), vec![]),
        ] {
            let map: PortMap = serde_json::from_value(told.clone()).expect("bollard reads it");
            assert_eq!(mapped(&map), shown, "{told}");
        }
    }
}
