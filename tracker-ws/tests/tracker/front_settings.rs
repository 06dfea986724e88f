//! Settings of proxies, TLS and access.

use crate::peer::A;
use crate::settings::{printed, run};

#[tokio::test]
async fn what_is_printed_reads_back_the_same() {
    let file = format!(
        "trusted_proxies = ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']\nproxy_protocol = true\n\
         forwarded_header = 'x-forwarded-for'\ntls_certificate = 'c.pem'\ntls_key = 'k.pem'\n\
         swarm_policy = 'allow-list'\nallowed_swarms = ['{A}']\nallowed_swarms_file = 'swarms'\n\
         token_keys = ['p.pem', 'jwks.json']\ntoken_issuers = ['https://portal.example']\n\
         denied_tokens = ['a']\ndenied_tokens_file = 'denied'\n"
    );
    let once = printed(&file, &[], &[]).await;
    for line in [
        "trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1/32\", \"2001:db8::/32\"]\n",
        "forwarded_header = \"x-forwarded-for\"\n",
        "swarm_policy = \"allow-list\"\n",
        "token_keys = [\"p.pem\", \"jwks.json\"]\n",
        "denied_tokens_file = \"denied\"\n",
    ] {
        assert!(once.contains(line), "{line}{once}");
    }
    assert_eq!(printed(&once, &[], &[]).await, once);
    let defaults = printed("", &[], &[]).await;
    for line in [
        "trusted_proxies = []\n",
        "proxy_protocol = false\n",
        "forwarded_header = \"none\"\n",
        "swarm_policy = \"open\"\n",
    ] {
        assert!(defaults.contains(line), "{line}{defaults}");
    }
}

#[tokio::test]
async fn flags_and_the_environment() {
    let proxy = ("SHOAL_TRACKER_TRUSTED_PROXY", "10.0.0.0/8,::1");
    for (variables, flags, expected) in [
        (
            &[proxy][..],
            &[][..],
            "trusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]\n",
        ),
        (
            &[proxy],
            &["--trusted-proxy", "192.0.2.1"],
            "trusted_proxies = [\"192.0.2.1/32\"]\n",
        ),
        (&[proxy], &["--proxy-protocol"], "proxy_protocol = true\n"),
        (
            &[proxy, ("SHOAL_TRACKER_PROXY_PROTOCOL", "true")],
            &[],
            "proxy_protocol = true\n",
        ),
        (
            &[proxy],
            &["--forwarded-header", "forwarded"],
            "forwarded_header = \"forwarded\"\n",
        ),
        (
            &[
                ("SHOAL_TRACKER_TLS_CERTIFICATE", "c.pem"),
                ("SHOAL_TRACKER_TLS_KEY", "a.pem"),
            ],
            &["--tls-key", "k.pem"],
            "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n",
        ),
        (
            &[("SHOAL_TRACKER_SWARM_POLICY", "allow-list")],
            &["--allowed-swarms-file", "swarms"],
            "allowed_swarms_file = \"swarms\"\n",
        ),
        (
            &[
                ("SHOAL_TRACKER_TOKEN_KEYS_URL", "https://a.example/"),
                ("SHOAL_TRACKER_TOKEN_KEYS_INTERVAL", "60"),
            ],
            &["--swarm-policy", "token"],
            "token_keys = []\ntoken_keys_url = \"https://a.example/\"\ntoken_keys_interval = 60\n",
        ),
        (
            &[
                ("SHOAL_TRACKER_TOKEN_KEYS_URL", "https://a.example/"),
                ("SHOAL_TRACKER_TOKEN_KEYS_INTERVAL", "60"),
            ],
            &[
                "--token-keys-url",
                "http://127.0.0.1/",
                "--token-keys-interval",
                "70",
            ],
            "token_keys_url = \"http://127.0.0.1/\"\ntoken_keys_interval = 70\n",
        ),
        (
            &[("SHOAL_TRACKER_TOKEN_KEY", "a.pem,b.pem")],
            &["--swarm-policy", "token", "--token-issuer", "me"],
            "token_keys = [\"a.pem\", \"b.pem\"]\ntoken_keys_interval = 300\ntoken_leeway = 60\ntoken_issuers = [\"me\"]\n",
        ),
        (&[("SHOAL_TRACKER_TOKEN_LEEWAY", "0")], &[], "token_leeway = 0\n"),
        (
            &[("SHOAL_TRACKER_TOKEN_LEEWAY", "0")],
            &["--token-leeway", "300"],
            "token_leeway = 300\n",
        ),
        (
            &[("SHOAL_TRACKER_DENIED_TOKENS_FILE", "denied")],
            &["--denied-token", "a", "--denied-token", "b"],
            "denied_tokens = [\"a\", \"b\"]\ndenied_tokens_file = \"denied\"\n",
        ),
    ] {
        let out = printed("", variables, flags).await;
        assert!(out.contains(expected), "{variables:?} {flags:?}: {expected}{out}");
    }
    let flags = ["--print-config", "--trusted-proxy", "10.0.0.1/8"];
    let (done, _, said) = run("", &[], &flags).await;
    let expected =
        "'10.0.0.1/8' for '--trusted-proxy <PREFIX>': not an address or prefix such as 192.0.2.0/24";
    assert!(!done && said.contains(expected), "{said}");
}

#[tokio::test]
async fn errors_in_the_file_name_the_place_and_the_key() {
    let short = "allowed_swarms = ['abc']\n";
    for (file, expected) in [
        (
            "trusted_proxies = ['10.0.0.0/8', 'proxy']\n",
            "tracker.toml:1:19: trusted_proxies: proxy: not an address or prefix such as 192.0.2.0/24",
        ),
        (
            "log = 'info'\nproxy_protocol = true\n",
            "tracker.toml:2:18: proxy_protocol: trusted_proxies names none",
        ),
        (
            "forwarded_header = 'forwarded'\n",
            "tracker.toml:1:20: forwarded_header: trusted_proxies names none",
        ),
        (
            "forwarded_header = 'via'\n",
            "tracker.toml:1:20: forwarded_header: unknown variant `via`, expected one of `none`, ",
        ),
        (
            "tls_certificate = 'c.pem'\n",
            "tracker.toml:1:19: tls_certificate: tls_certificate and tls_key need each other",
        ),
        (
            "tls_key = 'k.pem'\n",
            "tracker.toml:1:11: tls_key: tls_certificate and tls_key need each other",
        ),
        (
            short,
            "tracker.toml:1:18: allowed_swarms: abc: not a swarm ID: 40 to 260 lower-case hex digits",
        ),
        (
            "swarm_policy = 'closed'\n",
            "tracker.toml:1:16: swarm_policy: unknown variant `closed`, expected one of `open`, ",
        ),
        (
            "swarm_policy = 'allow-list'\n",
            "tracker.toml:1:16: swarm_policy: allow-list: allowed_swarms and allowed_swarms_file name none",
        ),
        (
            "swarm_policy = 'token'\n",
            "tracker.toml:1:16: swarm_policy: token: token_keys and token_keys_url name none",
        ),
        (
            "token_keys_url = 'http://portal.example/jwks.json'\n",
            "tracker.toml:1:18: token_keys_url: http://portal.example/jwks.json: not a URL such as https://",
        ),
        (
            "token_keys_interval = 9\n",
            "tracker.toml:1:23: token_keys_interval: 9 is not in 10 to 86400 seconds",
        ),
        (
            "token_leeway = 301\n",
            "tracker.toml:1:16: token_leeway: 301 is not in 0 to 300 seconds",
        ),
        (
            "swarm_policy = 'token'\ntoken_keys = ['p.pem']\nwebtorrent = true\n",
            "tracker.toml:1:16: swarm_policy: token: not possible with webtorrent",
        ),
    ] {
        let (done, _, said) = run(file, &[], &["--print-config"]).await;
        assert!(!done && said.contains(expected), "{file}: {expected}\n{said}");
    }
}

#[tokio::test]
async fn files_that_are_wrong_end_the_start() {
    for (file, expected) in [
        (
            "tls_certificate = '/missing/c.pem'\ntls_key = 'k.pem'\n",
            "tracker-ws: tls_certificate: /missing/c.pem: cannot read it: No such file",
        ),
        (
            "swarm_policy = 'token'\ntoken_keys = ['/missing/p.pem']\n",
            "tracker-ws: token_keys: /missing/p.pem: cannot read it: No such file",
        ),
    ] {
        let (done, _, said) = run(file, &[], &["--listen", "127.0.0.1:0"]).await;
        assert!(!done && said.contains(expected), "{file}: {said}");
    }
}
