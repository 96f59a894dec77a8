use super::*;
use crate::collect::tak::report::Federation;

#[test]
fn the_heap_is_read_and_what_is_missing_stays_unknown() {
    let body = include_bytes!("../fixtures/memory.json");
    let all = Heap {
        used_bytes: Some(543_270_664),
        committed_bytes: Some(1_043_333_120),
        messaging_used_bytes: Some(445_533_456),
        messaging_committed_bytes: Some(524_288_000),
    };
    assert_eq!(heap(body), Ok(all));
    // Older servers tell of the API process only.
    let old = br#"{"heapCommitted":"2048","heapUsed":1024.0}"#;
    let want = Heap { used_bytes: Some(1024), committed_bytes: Some(2048), ..Heap::default() };
    assert_eq!(heap(old), Ok(want));
    for wrong in [&b"{}"[..], br#"{"heapUsed":-1}"#, br#"{"heapUsed":{"value":1}}"#] {
        assert_eq!(heap(wrong), Err(NOTHING.into()));
    }
}

#[test]
fn the_network_is_read() {
    let body =
        br#"{"bytesWritten":5000,"numWrites":9,"bytesRead":"700","numReads":3,"numClients":4}"#;
    let want = Network { read_bytes: Some(700), written_bytes: Some(5000), clients: Some(4) };
    assert_eq!(network(body), Ok(want));
    assert_eq!(network(br#"{"numReads":3}"#), Err(NOTHING.into()));
}

#[test]
fn queues_are_read() {
    let body = br#"{"brokerSize":1,"brokerCapacity":1000,"submissionSize":0,"submissionCapacity":0,"repositorySize":null,"repositoryCapacity":5}"#;
    let queue = |name: &str, size, capacity| Queue { name: name.into(), size, capacity };
    assert_eq!(
        queues(body),
        Ok(vec![queue("submission", 0, None), queue("broker", 1, Some(1000))])
    );
    assert_eq!(queues(b"{}"), Err(NOTHING.into()));
}

#[test]
fn the_database_is_read() {
    let body = br#"{"apiConnected":true,"messagingConnected":false,"maxConnections":1045,"serverVersion":"15.14"}"#;
    let want = Database {
        api: Some(true),
        messaging: Some(false),
        max_connections: Some(1045),
        version: Some("15.14".into()),
    };
    assert_eq!(database(body), Ok(want));
    assert_eq!(database(br#"{"serverVersion":"15.14"}"#), Err(NOTHING.into()));
}

#[test]
fn a_disk_is_read_if_it_can_be_one() {
    let body = br#"{"totalSpace":100,"freeSpace":50,"usableSpace":40,"usedSpace":50}"#;
    assert_eq!(disk(body), Ok(Disk { total_bytes: 100, available_bytes: 40 }));
    for wrong in [
        &br#"{"totalSpace":0,"usableSpace":0}"#[..],
        br#"{"totalSpace":10,"usableSpace":11}"#,
        br#"{"totalSpace":10}"#,
    ] {
        assert_eq!(disk(wrong), Err(NOTHING.into()));
    }
}

#[test]
fn shares_and_meters_are_read() {
    let cpu = br#"{"cpuCount":8,"cpuUsage":0.25,"messagingCpuUsage":0.3}"#;
    assert_eq!(machine_cpu_percent(cpu), Ok(25.0));
    assert_eq!(machine_cpu_percent(br#"{"cpuUsage":-1.0}"#), Err(NOTHING.into()));
    let start = include_bytes!("../fixtures/start_time.json");
    assert_eq!(meter(start), Ok(1_763_880_000.5));
    for wrong in [&br#"{"measurements":[]}"#[..], br#"{"measurements":[1]}"#, b"{}"] {
        assert_eq!(meter(wrong), Err(NOTHING.into()));
    }
}

#[test]
fn inputs_are_read() {
    let readings = inputs(include_bytes!("../fixtures/inputs.json")).expect("a list");
    let tls = InputReading {
        name: "stdssl".into(),
        protocol: Some("tls".into()),
        port: Some(8089),
        clients: Some(3),
        messages: Some(12_345),
        bytes: Some(6_789_012),
    };
    assert_eq!(readings[0], tls);
    assert_eq!((readings.len(), readings[1].name.as_str(), readings[1].bytes), (2, "tcp", None));
    let one = r#"{"input":{"name":"a"}},"#.repeat(MAX_LISTED + 1);
    let many = format!("{{\"data\":[{one}{{}}]}}");
    assert_eq!(inputs(many.as_bytes()).expect("a list").len(), MAX_LISTED);
}

#[test]
fn events_are_counted() {
    let body = br#"{"version":"3","type":"java.util.Map","data":{"cotEvents":77,"cotImages":0}}"#;
    assert_eq!(events(body), Ok(77));
    assert_eq!(events(br#"{"data":{}}"#), Err(NOTHING.into()));
    assert_eq!(events(br#"{"data":[]}"#), Err(NOTHING.into()));
}

#[test]
fn links_are_read() {
    let link = |name: &str, connected, message: &str| Federation {
        name: name.into(),
        connected,
        message: Some(message.into()),
    };
    let body = include_bytes!("../fixtures/outgoing.json");
    assert_eq!(
        outgoing(body),
        Ok(vec![
            link("north", Some(true), "10.9.0.1:9001"),
            link("south", Some(false), "Connection refused"),
            link("west", None, "[fd00::9]:9001"),
        ])
    );
    let body = include_bytes!("../fixtures/active.json");
    assert_eq!(
        active(body),
        Ok(vec![
            link("North County", Some(true), "10.9.0.1:9001"),
            link("10.9.0.7:40123", Some(true), "10.9.0.7:40123"),
        ])
    );
}

#[test]
fn the_status_of_opentakserver_is_read() {
    let status = open_tak_status(include_bytes!("../fixtures/ots_status.json")).expect("it");
    let disk = Disk { total_bytes: 1000, available_bytes: 400 };
    assert_eq!(status, OpenTakStatus { uptime_seconds: Some(3600.5), disk: Some(disk) });
    assert_eq!(open_tak_status(br#"{"online_euds":2}"#), Err(NOTHING.into()));
}
