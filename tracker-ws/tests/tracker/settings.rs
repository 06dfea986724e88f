//! The program's settings: file, environment, flags.

use std::process::Stdio;

use tokio::process::Command;

use crate::peer::within;

/// What the program prints and complains of with this file, these variables and these flags.
pub async fn run(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> (bool, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tracker.toml");
    std::fs::write(&path, file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tracker-ws"))
        .args(["--config", path.to_str().unwrap()])
        .args(flags)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("end", output).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

pub async fn printed(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let (done, out, err) = run(file, variables, &[&["--print-config"], flags].concat()).await;
    assert!(done, "{err}");
    out
}

#[tokio::test]
async fn what_is_printed_reads_back_the_same() {
    let file = "interval = 12.5\nwebtorrent = true\nkey = 'a.pem'\nallow_origins = ['https://a.example']\n\
                [requests]\nper_second = 3\nburst = 4\n";
    let once = printed(file, &[], &[]).await;
    assert!(
        once.contains("interval = 12.5\n") && once.contains("track_timeout = 42.5\n"),
        "{once}"
    );
    assert_eq!(printed(&once, &[], &[]).await, once);
    let defaults = printed("", &[], &[]).await;
    assert!(defaults.contains("listen = \"127.0.0.1:8000\"\n"), "{defaults}");
    assert_eq!(printed(&defaults, &[], &[]).await, defaults);
}

#[tokio::test]
async fn flags_go_before_the_environment_before_the_file() {
    let (file, variable) = ("max_peers = 1\n", ("SHOAL_TRACKER_MAX_PEERS", "2"));
    for (variables, flags, expected) in [
        (&[][..], &[][..], "max_peers = 1\n"),
        (&[variable], &[], "max_peers = 2\n"),
        (&[variable], &["--max-peers", "3"], "max_peers = 3\n"),
        (
            &[("SHOAL_TRACKER_DIALECT", "ppsp,webtorrent")],
            &[],
            "webtorrent = true\n",
        ),
        (
            &[("SHOAL_TRACKER_TRACK_TIMEOUT", "70")],
            &["--interval", "10"],
            "track_timeout = 70\n",
        ),
        (&[], &["--interval", "10"], "track_timeout = 35\n"),
        (&[("SHOAL_TRACKER_THREADS", "3")], &[], "threads = 3\n"),
        (
            &[("SHOAL_TRACKER_THREADS", "3")],
            &["--threads", "2"],
            "threads = 2\n",
        ),
        (
            &[("SHOAL_TRACKER_MANAGEMENT_LISTEN", "127.0.0.1:9")],
            &["--management-token", "0123456789abcdef"],
            "[management]\nlisten = \"127.0.0.1:9\"\n",
        ),
        (
            &[("SHOAL_TRACKER_MANAGEMENT_TOKEN", "0123456789abcdef")],
            &["--management-listen", "127.0.0.1:8"],
            "# Set, and not shown: management.token\n",
        ),
        (
            &[("SHOAL_TRACKER_MANAGEMENT_TOKEN_FILE", "b.txt")],
            &[],
            "[management]\ntoken_file = \"b.txt\"\n",
        ),
        (
            &[
                ("SHOAL_TRACKER_KEY", "a.pem"),
                ("SHOAL_TRACKER_CREATE_KEY", "true"),
            ],
            &[],
            "create_key = true\n",
        ),
        (
            &[("SHOAL_TRACKER_CLUSTER", "redis://engine.example")],
            &["--node-url", "wss://t.example/ppsp"],
            "cluster = \"redis://engine.example\"\nnode_url = \"wss://t.example/ppsp\"\n",
        ),
        (
            &[
                ("SHOAL_TRACKER_CLUSTER_CA", "ca.pem"),
                ("SHOAL_TRACKER_CLUSTER_CERTIFICATE", "other.pem"),
                ("SHOAL_TRACKER_CLUSTER_KEY", "k.pem"),
            ],
            &[
                "--cluster",
                "rediss://a.example,b.example",
                "--cluster-certificate",
                "c.pem",
            ],
            "cluster = \"rediss://a.example,b.example\"\ncluster_ca = \"ca.pem\"\ncluster_certificate = \"c.pem\"\n\
             cluster_key = \"k.pem\"\n",
        ),
        (
            &[
                ("SHOAL_TRACKER_ALTO_NETWORK_MAP", "http://a.example/n"),
                ("SHOAL_TRACKER_ALTO_COST_MAP", "http://a.example/c"),
            ],
            &["--alto-interval", "60"],
            "alto_network_map = \"http://a.example/n\"\nalto_cost_map = \"http://a.example/c\"\nalto_interval = 60\n\
             alto_timeout = 30\n",
        ),
        (
            &[("SHOAL_TRACKER_ALTO_DIRECTORY", "https://a.example/d")],
            &[],
            "alto_directory = \"https://a.example/d\"\n",
        ),
        (
            &[("SHOAL_TRACKER_ALTO_DIRECTORY", "https://a.example/d")],
            &[
                "--alto-directory",
                "https://b.example/d",
                "--ca-certificates",
                "ca.pem",
            ],
            "alto_directory = \"https://b.example/d\"\nalto_interval = 300\nalto_timeout = 30\nca_certificates = \"ca.pem\"\n",
        ),
        (
            &[("SHOAL_TRACKER_CA_CERTIFICATES", "ca.pem")],
            &[],
            "ca_certificates = \"ca.pem\"\n",
        ),
        (
            &[("SHOAL_TRACKER_ALTO_TIMEOUT", "5")],
            &["--prefixes", "p.txt"],
            "alto_timeout = 5\nprefixes = \"p.txt\"\n",
        ),
        (
            &[("SHOAL_TRACKER_GEO_DATABASES", "a.mmdb,b.mmdb")],
            &[],
            "geo_databases = [\"a.mmdb\", \"b.mmdb\"]\n",
        ),
        (
            &[("SHOAL_TRACKER_GEO_DATABASES", "a.mmdb,b.mmdb")],
            &["--geo-database", "c.mmdb"],
            "geo_databases = [\"c.mmdb\"]\n",
        ),
    ] {
        let out = printed(file, variables, flags).await;
        assert!(out.contains(expected), "{variables:?} {flags:?}: {out}");
        assert!(!out.contains("0123456789abcdef"), "{out}");
    }
}

#[tokio::test]
async fn errors_in_the_file_name_the_place_and_the_key() {
    for (file, expected) in [
        (
            "listen = \"localhost\"\n",
            "tracker.toml:1:10: listen: invalid socket address",
        ),
        ("# first\nlisten 1\n", "tracker.toml:2:8: "),
        (
            "lissten = \"127.0.0.1:1\"\n",
            "tracker.toml:1:1: unknown field `lissten`\n",
        ),
        (
            "queue = 8\n\n[signals]\nper_second = 1\nbust = 2\n",
            "tracker.toml:5:1: unknown field `bust`\n",
        ),
        (
            "[signals]\nper_second = 1\n",
            "tracker.toml:1:1: signals: missing field `burst`",
        ),
        (
            "queue = \"8\"\n",
            "tracker.toml:1:9: queue: invalid type: string \"8\"",
        ),
        ("queue = 1\nqueue = 2\n", "tracker.toml:2:1: "),
        (
            "interval = 3\n",
            "tracker.toml:1:12: interval: 3 is not in 10 to 300 seconds\n",
        ),
        (
            "interval = \"long\"\n",
            "tracker.toml:1:12: interval: expected a number of seconds",
        ),
        (
            "init_timeout = -1\n",
            "tracker.toml:1:16: init_timeout: -1 is no number of seconds",
        ),
        (
            "log = \"loud\"\n",
            "tracker.toml:1:7: log: unknown variant `loud`, expected one of `off`, ",
        ),
        (
            "max_offers = 6\n",
            "tracker.toml:1:14: max_offers: 6 is not in 0 to 5",
        ),
        (
            "max_sdp = 100\n",
            "tracker.toml:1:11: max_sdp: 100 is not in 256 to 8192",
        ),
        (
            "max_sockets = 0\n",
            "tracker.toml:1:15: max_sockets: 0 is not in 1 to 1000000",
        ),
        (
            "threads = 257\n",
            "tracker.toml:1:11: threads: 257 is not in 0 to 256",
        ),
        (
            "[posts]\nper_second = 1\nburst = 0\n",
            "tracker.toml:3:9: posts.burst: 0 is not in 1 to 1000000",
        ),
        (
            "origins = [\"tracker.example\"]\n",
            "tracker.toml:1:11: origins: tracker.example: not an origin",
        ),
        (
            "allow_origins = [\"https://a/\"]\n",
            "tracker.toml:1:17: allow_origins: https://a/: not an origin",
        ),
        ("ppsp = false\n", "tracker.toml:1:8: ppsp: no dialect is spoken"),
        (
            "drain_to = \"https://tracker.example\"\n",
            "tracker.toml:1:12: drain_to: https://tracker.example: not a URL such as wss://",
        ),
        (
            "cluster = \"engine.example:6379\"\n",
            "tracker.toml:1:11: cluster: not a URL such as redis://127.0.0.1:6379",
        ),
        (
            "cluster = \"redis://h\"\ncluster_ca = \"ca.pem\"\n",
            "tracker.toml:2:14: cluster_ca: the cluster's engine is not one with TLS (rediss://)",
        ),
        (
            "cluster_key = \"k.pem\"\n",
            "tracker.toml:1:15: cluster_key: the cluster's engine is not one with TLS (rediss://)",
        ),
        (
            "cluster = \"rediss://h\"\ncluster_certificate = \"c.pem\"\n",
            "tracker.toml:2:23: cluster_certificate: cluster_certificate and cluster_key need each other",
        ),
        (
            "cluster = \"rediss://:secret@h#insecure\"\n",
            "tracker.toml:1:11: cluster: not a URL such as redis://127.0.0.1:6379: no fragment is known",
        ),
        (
            "node_url = \"wss://t.example/ppsp\"\n",
            "tracker.toml:1:12: node_url: no cluster is named",
        ),
        (
            "cluster = \"redis://h\"\nnode_url = \"t.example\"\n",
            "tracker.toml:2:12: node_url: t.example: not a URL such as wss://",
        ),
        (
            "[management]\nlisten = \"127.0.0.1:1\"\n",
            "tracker.toml:2:10: management.listen: nobody may manage without a token",
        ),
        (
            "[management]\ntoken = \"short\"\n",
            "tracker.toml:2:9: management.token: a token has 16 to 256 characters",
        ),
        (
            "[management]\ntoken = \"0123456789abcde \"\n",
            "tracker.toml:2:9: management.token: a token has letters, digits and",
        ),
        (
            "[management]\ntoken = \"0123456789abcdef\"\ntoken_file = \"t\"\n",
            "tracker.toml:3:14: management.token_file: there is a token already",
        ),
        (
            "[management]\nlisten = 9000\n",
            "tracker.toml:2:10: invalid type: integer `9000`, expected socket address",
        ),
        (
            "[management]\nport = 9000\n",
            "tracker.toml:2:1: unknown field `port`\n",
        ),
        (
            "create_key = true\n",
            "tracker.toml:1:14: create_key: no key is named",
        ),
        (
            "cost_map = 'c.json'\n",
            "tracker.toml:1:12: cost_map: it and network_map need each other",
        ),
        (
            "alto_cost_map = 'http://a.example/'\n",
            "tracker.toml:1:17: alto_cost_map: it and alto_network_map need each other",
        ),
        (
            "alto_network_map = 'ftp://a.example/'\nalto_cost_map = 'http://a.example/'\n",
            "tracker.toml:1:20: alto_network_map: ftp://a.example/: not a URL such as https://alto.example/networkmap",
        ),
        (
            "alto_directory = 'alto.example'\n",
            "tracker.toml:1:18: alto_directory: alto.example: not a URL such as https://",
        ),
        (
            "alto_directory = 'https://a.example/'\nalto_network_map = 'https://a.example/'\n\
             alto_cost_map = 'https://a.example/'\n",
            "tracker.toml:1:18: alto_directory: alto_network_map is named too",
        ),
        (
            "prefixes = 'p'\nalto_directory = 'https://a.example/'\n",
            "tracker.toml:1:12: prefixes: there is one map only, and alto_directory is named too",
        ),
        (
            "alto_interval = 9\n",
            "tracker.toml:1:17: alto_interval: 9 is not in 10 to 86400 seconds",
        ),
        (
            "alto_timeout = 0.5\n",
            "tracker.toml:1:16: alto_timeout: 0.5 is not in 1 to 300 seconds",
        ),
        (
            "prefixes = 'p'\ngeo_databases = ['a']\n",
            "tracker.toml:2:17: geo_databases: there is one map only, and prefixes is named too",
        ),
        (
            "geo_databases = ['1', '2', '3', '4', '5']\n",
            "tracker.toml:1:17: geo_databases: more than 4",
        ),
    ] {
        let (done, _, err) = run(file, &[], &["--print-config"]).await;
        assert!(!done && err.contains(expected), "{file:?}: {err}");
    }
}

#[tokio::test]
async fn errors_elsewhere_name_the_key() {
    for (variables, flags, expected) in [
        (
            &[][..],
            &["--interval", "3"][..],
            "interval: 3 is not in 10 to 300 seconds",
        ),
        (
            &[],
            &["--interval", "x"],
            "invalid value 'x' for '--interval <SECONDS>'",
        ),
        (
            &[],
            &["--origin", "tracker.example"],
            "origins: tracker.example: not an origin",
        ),
        (&[], &["--create-key"], "create_key: no key is named"),
        (
            &[],
            &["--management-listen", "127.0.0.1:0"],
            "management.listen: nobody may manage without a token",
        ),
        (
            &[("SHOAL_TRACKER_MANAGEMENT_TOKEN", "0123456789abcdef")],
            &["--management-token-file", "t"],
            "management.token_file: there is a token already",
        ),
        (
            &[],
            &["--dialect", "gopher"],
            "invalid value 'gopher' for '--dialect <NAME>'",
        ),
        (
            &[("SHOAL_TRACKER_LISTEN", "localhost")],
            &[],
            "invalid value 'localhost' for '--listen <IP:PORT>'",
        ),
        (
            &[("SHOAL_TRACKER_MAX_PEERS", "0")],
            &[],
            "max_peers: 0 is not in 1 to 1000000",
        ),
    ] {
        let (done, _, err) = run("", variables, flags).await;
        assert!(!done && err.contains(expected), "{variables:?} {flags:?}: {err}");
    }
    let absent = Command::new(env!("CARGO_BIN_EXE_tracker-ws"))
        .args(["--config", "/nowhere/t.toml"])
        .output();
    let absent = within("end", absent).await.unwrap();
    let err = String::from_utf8(absent.stderr).unwrap();
    assert!(
        !absent.status.success() && err.contains("cannot read /nowhere/t.toml: "),
        "{err}"
    );
}
