//! What the sources come to, as tables.

use super::*;

fn user(uid: &str, callsign: &str) -> User {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    User { uid: text(uid), callsign: text(callsign), ..User::default() }
}

fn at(uid: &str, address: &str) -> User {
    User { address: Some(address.into()), ..user(uid, uid) }
}

fn listing(source: &str, users: Vec<User>) -> Listing {
    Listing {
        source: source.into(),
        believed: true,
        stale: false,
        partial: false,
        users: Ok(users),
        anonymous: 0,
        note: "n".into(),
    }
}

fn stale(users: Vec<User>) -> Listing {
    Listing { stale: true, ..listing("ots", users) }
}

fn partial(listing: Listing) -> Listing {
    Listing { partial: true, ..listing }
}

fn lying(users: Vec<User>) -> Listing {
    Listing { believed: false, ..listing("fts", users) }
}

fn failed(why: &str) -> Listing {
    Listing { users: Err(why.into()), ..listing("api", vec![]) }
}

fn peers(addresses: &[&str]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| address.parse().expect("an address")).collect()
}

/// `connections distinct callsigns` (`?`: not known) and the message.
fn shown(listings: Vec<Listing>, sockets: Option<&[&str]>) -> (String, String) {
    let peers = sockets.map(peers);
    let sockets = peers.as_ref().map(|peers| Sockets { peers, own: &[] });
    let clients = together(None, listings, sockets);
    let number = |number: Option<u64>| number.map_or("?".into(), |number| number.to_string());
    let name = |user: &User| {
        let name = user.callsign.clone().or(user.uid.clone()).unwrap_or_default();
        user.connections.map_or(name.clone(), |count| format!("{name}*{count}"))
    };
    let list =
        clients.list.map_or("?".into(), |list| list.iter().map(name).collect::<Vec<_>>().join(","));
    let numbers = format!("{} {} [{list}]", number(clients.connections), number(clients.distinct));
    (numbers, clients.message.unwrap_or_default())
}

#[test]
fn sources_and_sockets_are_put_together() {
    const ONE: &[&str] = &["10.0.0.1:1"];
    const PARTIAL: &str =
        "This may not be everybody: api shows takpulse's certificate only users of its own groups.";
    const TWO: &[&str] = &["10.0.0.1:1", "10.0.0.2:1"];
    let ab = || vec![user("1", "b"), user("2", "A")];
    let anonymous = |users, anonymous| Listing { anonymous, ..listing("taky", users) };
    type Case<'a> = (&'a str, Vec<Listing>, Option<&'a [&'a str]>, &'a str, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("nobody was asked", vec![], None, "? ? [?]", ""),
        ("nobody was asked, and sockets", vec![], Some(TWO), "2 ? [?]", ""),
        ("nobody was asked, no sockets", vec![], Some(&[]), "0 0 []", ""),
        ("a list", vec![listing("taky", ab())], None, "2 2 [A,b]", ""),
        ("nobody is on", vec![listing("taky", vec![])], None, "0 0 []", ""),
        ("a list and sockets", vec![listing("taky", ab())], Some(TWO), "2 2 [A,b]", ""),
        ("somebody unnamed", vec![anonymous(ab(), 3)], None, "5 2 [A,b]", ""),
        (
            "somebody unnamed, and sockets",
            vec![anonymous(vec![user("1", "b")], 1)],
            Some(TWO),
            "2 1 [b]",
            "",
        ),
        (
            "the list is longer",
            vec![listing("taky", ab())],
            Some(ONE),
            "1 2 [A,b]",
            "taky tells of 2 connections, but 1 is established.",
        ),
        (
            "the list is shorter",
            vec![listing("taky", vec![user("1", "b")])],
            Some(TWO),
            "2 1 [b]",
            "taky tells of 1 connection, but 2 are established.",
        ),
        (
            "no sockets",
            vec![listing("taky", ab())],
            Some(&[]),
            "0 2 [A,b]",
            "taky tells of 2 connections, but 0 are established.",
        ),
        (
            "a liar",
            vec![lying(ab())],
            None,
            "? ? [?]",
            "Who is on is not known: no source tells the truth.",
        ),
        (
            "a liar and sockets",
            vec![lying(ab())],
            Some(ONE),
            "1 ? [?]",
            "Who is on is not known: no source tells the truth.",
        ),
        (
            "a liar and a list",
            vec![lying(vec![user("9", "fake")]), listing("api", ab())],
            None,
            "2 2 [A,b]",
            "",
        ),
        (
            "no answer",
            vec![failed("set a certificate.")],
            Some(ONE),
            "1 ? [?]",
            "Who is on is not known: set a certificate.",
        ),
        ("no answer, then one", vec![failed("x"), listing("taky", ab())], None, "2 2 [A,b]", ""),
        (
            "no answer, no sockets",
            vec![failed("x")],
            Some(&[]),
            "0 0 []",
            "Who is on is not known: x",
        ),
        (
            "stale",
            vec![stale(ab())],
            None,
            "? ? [A,b]",
            "Some of the users may have left: ots keeps them.",
        ),
        ("stale and empty", vec![stale(vec![])], None, "? ? []", ""),
        (
            "stale, no sockets",
            vec![stale(ab())],
            Some(&[]),
            "0 0 []",
            "At most 0 of the 2 users are connected: ots keeps those who have left.",
        ),
        (
            "stale, fewer sockets",
            vec![stale(ab())],
            Some(ONE),
            "1 ? [A,b]",
            "At most 1 of the 2 users are connected: ots keeps those who have left.",
        ),
        ("stale, enough sockets", vec![stale(ab())], Some(TWO), "2 2 [A,b]", ""),
        (
            "stale with addresses",
            vec![stale(vec![at("a", "10.0.0.9"), at("b", "10.0.0.2"), at("c", "::ffff:10.0.0.1")])],
            Some(TWO),
            "2 2 [b,c]",
            "",
        ),
        (
            "stale, one of two at one address",
            vec![stale(vec![at("a", "10.0.0.1"), at("b", "10.0.0.1")])],
            Some(ONE),
            "1 ? [a,b]",
            "At most 1 of the 2 users are connected: ots keeps those who have left.",
        ),
        ("a part", vec![partial(listing("api", ab()))], None, "? ? [A,b]", PARTIAL),
        (
            "a part, and sockets",
            vec![partial(listing("api", ab()))],
            Some(ONE),
            "1 ? [A,b]",
            PARTIAL,
        ),
        (
            "a part, no sockets",
            vec![partial(listing("api", ab()))],
            Some(&[]),
            "0 ? [A,b]",
            PARTIAL,
        ),
        (
            "a part of a stale one",
            vec![partial(Listing { source: "api".into(), ..stale(ab()) })],
            Some(TWO),
            "2 ? [A,b]",
            PARTIAL,
        ),
        (
            "a true one before a stale one",
            vec![stale(ab()), listing("taky", vec![user("1", "b")])],
            Some(ONE),
            "1 1 [b]",
            "",
        ),
        (
            "one user, several connections",
            vec![listing("api", vec![user("1", "b"), user("1", "b"), user("2", "A")])],
            None,
            "3 2 [A,b*2]",
            "",
        ),
        (
            "without a uid",
            vec![listing("api", vec![user("", "b"), user("", "b"), user("", ""), user("", "")])],
            None,
            "4 3 [b*2,,]",
            "",
        ),
        (
            "a hoarder",
            vec![listing("api", vec![user("1", "b"); 240])],
            None,
            "240 1 [b*240]",
            "b alone holds 240 connections, most of them dead by the look of it: restart TAK on that device.",
        ),
    ];
    for (what, listings, sockets, numbers, message) in cases {
        let found = shown(listings, sockets);
        assert_eq!(found, (numbers.into(), message.into()), "{what}");
    }
}

#[test]
fn takpulses_own_connections_are_not_counted() {
    let peers = peers(&["127.0.0.1:5000", "[::ffff:127.0.0.1]:5001", "127.0.0.1:5002"]);
    let own = [
        peers[2],
        "127.0.0.1:5001".parse().expect("an address"),
        "127.0.0.1:9".parse().expect("one"),
    ];
    let clients = together(None, vec![], Some(Sockets { peers: &peers, own: &own }));
    assert_eq!(clients.connections, Some(1));
}

#[test]
fn everybody_who_was_asked_is_named() {
    let peers = peers(&["10.0.0.1:1"]);
    let sockets = Sockets { peers: &peers, own: &[] };
    let listings =
        vec![lying(vec![user("9", "fake")]), failed("why"), listing("taky", vec![user("1", "b")])];
    let clients = together(Some("base"), listings, Some(sockets));
    let shown: Vec<_> = clients
        .sources
        .iter()
        .map(|s| (s.server.as_deref(), s.name.as_str(), s.believed, s.count, s.message.as_str()))
        .collect();
    let base = Some("base");
    assert_eq!(
        shown,
        [
            (base, "fts", false, Some(1), "n"),
            (base, "api", true, None, "why"),
            (base, "taky", true, Some(1), "n"),
            (
                base,
                "established sockets",
                true,
                Some(1),
                "The connections to the CoT ports that the kernel has."
            ),
        ]
    );
    assert_eq!(clients.list.expect("a list")[0].server.as_deref(), base);
}

#[test]
fn other_sources_fill_what_the_best_one_lacks() {
    let best = User { team: Some("Cyan".into()), last_report: Some(5.0), ..user("1", "b") };
    let other = User {
        team: Some("Red".into()),
        role: Some("HQ".into()),
        software: Some("ATAK".into()),
        ..user("1", "another")
    };
    let liar = User { username: Some("fake".into()), ..other.clone() };
    let listings =
        vec![listing("taky", vec![best]), lying(vec![liar]), stale(vec![other, user("2", "gone")])];
    let list = together(None, listings, None).list.expect("a list");
    let want = User {
        team: Some("Cyan".into()),
        role: Some("HQ".into()),
        software: Some("ATAK".into()),
        last_report: Some(5.0),
        ..user("1", "b")
    };
    assert_eq!(list, [want]);
}

#[test]
fn of_several_connections_the_latest_report_counts() {
    let connection = |address: &str, since, last| User {
        since: Some(since),
        last_report: last,
        ..at("1", address)
    };
    let old = User { role: Some("HQ".into()), ..connection("10.0.0.1", 10.0, Some(20.0)) };
    let new = connection("10.0.0.2", 15.0, Some(30.0));
    let dead = connection("10.0.0.3", 5.0, None);
    let want = User {
        role: Some("HQ".into()),
        connections: Some(3),
        ..connection("10.0.0.2", 5.0, Some(30.0))
    };
    for entries in [[&old, &new, &dead], [&dead, &old, &new], [&new, &dead, &old]] {
        let entries: Vec<_> = entries.into_iter().cloned().collect();
        let list = together(None, vec![listing("api", entries)], None).list.expect("a list");
        assert_eq!(list, std::slice::from_ref(&want));
    }
}

#[test]
fn a_long_list_is_cut_and_says_so() {
    let users: Vec<_> = (0..812).rev().map(|n| user(&n.to_string(), &format!("c{n:03}"))).collect();
    let clients = together(None, vec![listing("api", users)], None);
    let list = clients.list.expect("a list");
    assert_eq!((clients.distinct, list.len()), (Some(812), MAX_USERS));
    assert_eq!(
        (list[0].callsign.as_deref(), list[499].callsign.as_deref()),
        (Some("c000"), Some("c499"))
    );
    assert_eq!(clients.message.as_deref(), Some("The list shows 500 of 812 users."));
}
