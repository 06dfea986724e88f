//! Reading and writing messages: the specification's examples, the RFC's own inconsistencies, refusals.

use serde_json::{Value, json};
use tracker_protocol::*;

const A: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const B: &str = "0d6c4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";

fn request(members: Value) -> Value {
    let mut message = json!({"version": 1, "transaction_id": "1", "peer_id": "d8e0"});
    message
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    json!({ "PPSPTrackerProtocol": message })
}

fn decode(value: &Value) -> Request {
    Request::decode(&value.to_string()).unwrap()
}

fn refused(value: &Value) -> Refused {
    Request::decode(&value.to_string()).unwrap_err()
}

/// What the strict writer makes of it.
fn rewritten(value: &Value) -> Value {
    let request = decode(value);
    let frame = request.encode().unwrap();
    assert_eq!(Request::decode(&frame).unwrap(), request);
    serde_json::from_str::<Value>(&frame).unwrap()["PPSPTrackerProtocol"].take()
}

#[test]
fn connect_of_the_specification() {
    let offer = json!({"kind":"offer","swarm":A,"from":"d8e0","to":"","oid":"3q2-7wAAAAAAAAAAAAAAAA","n":0,
        "ts":1_700_000_000_123_u64,"sdp":"v=0\r\n","prof":{"proto":"ppspp/1","ch":[0,1,3],"mms":262_144},
        "key":"DWzf","sig":"MEY"});
    let value = request(json!({
        "request_type": "CONNECT",
        "connect": {
            "peer_num": {"peer_count":8,"ability_nat":"STUN","concurrent_links":0,"online_time":0,"upload_bandwidth":4000},
            "swarm_action": [{"swarm_id":A,"action":"JOIN","peer_mode":"LEECH"}]},
        "ext": {
            "supports": ["signal/1","offers/1","cert/1","status/1"],
            "auth": {"key":"DWzf","sig":"kJ3"},
            "want": ["cert"],
            "status": {"role":"browser","link":"wifi","power":"battery","battery":71,"saver":false,"up_kbps":4000},
            "offers": [offer],
            "near": 4100}}));
    let written = rewritten(&value);
    assert_eq!(written, value["PPSPTrackerProtocol"]);
}

#[test]
fn find_report_switch_and_keep_alive_of_the_specification() {
    let find = request(json!({"request_type":"FIND",
        "find":{"swarm_id":A,"peer_num":{"peer_count":5,"ability_nat":"STUN","upload_bandwidth":600}},
        "ext":{"exclude":["51aa"],"near":4100}}));
    assert_eq!(rewritten(&find), find["PPSPTrackerProtocol"]);
    let report = request(
        json!({"request_type":"STAT_REPORT","stat_report":{"type":"STREAM_STATS","stat":[
        {"swarm_id":A,"uploaded_bytes":52_428_800,"downloaded_bytes":104_857_600,"available_bandwidth":4_000_000,
         "concurrent_links":12,"ext":{"qos":{"ttff_ms":640,"late_chunks":1},"map":{"b":0,"r":"ZBQI"}}}]}}),
    );
    assert_eq!(rewritten(&report), report["PPSPTrackerProtocol"]);
    let switch = request(
        json!({"request_type":"CONNECT","connect":{"peer_num":{"peer_count":5},"swarm_action":[
        {"swarm_id":A,"action":"LEAVE","peer_mode":"LEECH"},{"swarm_id":B,"action":"JOIN","peer_mode":"LEECH"}]}}),
    );
    assert_eq!(rewritten(&switch), switch["PPSPTrackerProtocol"]);
    let cert = request(json!({"request_type":"CERT","cert":{"swarm_id":A}}));
    assert_eq!(rewritten(&cert), cert["PPSPTrackerProtocol"]);
    let keep_alive = request(json!({"request_type":"STAT_REPORT"}));
    assert_eq!(rewritten(&keep_alive), keep_alive["PPSPTrackerProtocol"]);
}

#[test]
fn answers_of_the_specification() {
    let answer = json!({"PPSPTrackerProtocol":{
        "version":1,"response_type":0,"error_code":0,"transaction_id":"1",
        "peer_addr":{"ip_address":{"address_type":"ipv4","address":"203.0.113.90"},"port":51820,"priority":1,
            "type":"REFLEXIVE","asn":"64496"},
        "swarm_result":[{"swarm_id":A,"result":0,"peer_group":{"peer_info":[
            {"peer_id":"51aa","peer_addr":{"ip_address":{"address_type":"ipv4","address":"203.0.113.7"},"port":6778,
                "priority":9,"type":"HOST","connection":"wired","asn":"64511","peer_protocol":"PPSP-PP"},
                "ext":{"mode":"SEEDER","role":"super","via":["udp","signal"]}},
            {"peer_id":"9c04","peer_addr":{"ip_address":{"address_type":"ipv6","address":"::"},"port":0,
                "priority":4,"type":"REFLEXIVE","peer_protocol":"PPSP-PP-WEBRTC"},"ext":{"mode":"LEECH","via":["signal"]}}]},
            "ext":{"members":17}}],
        "ext":{"interval":30,"track_timeout":95,"offers_sent":1,
            "certs":[{"swarm_id":A,"cert":"MIIB","expires":1_700_003_600_u64}]}}});
    let failure = json!({"PPSPTrackerProtocol":{"version":1,"response_type":1,"error_code":6,"transaction_id":"1",
        "ext":{"reason":"token-expired"}}});
    let hello = json!({"PPSPTrackerEvent":{"version":1,"event":"HELLO",
        "nonce":"q0mPb3v1k4Xo8w0t9c2yYkq7m3l5n1r6s8u0x2z4A6E","time":1_700_000_000_000_u64,
        "supports":["signal/1","offers/1"],"limits":{"frame":65536,"offers":5,"peers":29,"sdp":8192},"tracker_key":"DWzf"}});
    let push = json!({"PPSPTrackerEvent":{"version":1,"event":"SIGNAL","signal":{"kind":"candidate","swarm":A,
        "from":"d8e0","to":"9c04","oid":"AAEC","n":1,"ts":5,"cand":"{}","sig":"x"}}});
    for frame in [answer, failure, hello, push] {
        let message = FromTracker::decode(&frame.to_string()).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&message.encode().unwrap()).unwrap(),
            frame
        );
    }
    let unknown = json!({"PPSPTrackerEvent":{"version":1,"event":"PEERS","peers":[{"x":1}]}});
    let message = FromTracker::decode(&unknown.to_string()).unwrap();
    assert_eq!(message, FromTracker::Event(Event::Other("PEERS".to_owned())));
}

#[test]
fn quirk_1_bare_objects() {
    let address = json!({"ip_address":{"address_type":"ipv4","address":"192.0.2.2"},"port":80,"priority":1,"type":"HOST"});
    let value = request(json!({"request_type":"CONNECT","connect":{"peer_addr":address,
        "swarm_action":{"swarm_id":A,"action":"JOIN","peer_mode":"SEEDER"}}}));
    let written = rewritten(&value);
    assert_eq!(written["connect"]["peer_addr"], json!([address]));
    assert!(written["connect"]["swarm_action"].is_array());
    let answer = json!({"PPSPTrackerProtocol":{"version":1,"response_type":0,"error_code":0,"transaction_id":"1",
        "swarm_result":{"swarm_id":A,"result":0,"peer_group":{"peer_info":{"peer_id":"51aa","peer_addr":address}}}}});
    let FromTracker::Response(response) = FromTracker::decode(&answer.to_string()).unwrap() else {
        panic!()
    };
    assert_eq!(
        response.swarm_result[0].peer_group.as_ref().unwrap().peer_info[0].peer_id,
        "51aa"
    );
}

#[test]
fn quirk_2_numbers_as_strings() {
    let value = request(json!({"version":"1","request_type":"CONNECT","connect":{
        "peer_num":{"peer_count":"5","concurrent_links":"5","online_time":"200","upload_bandwidth":"600"},
        "swarm_action":[{"swarm_id":A,"action":"JOIN","peer_mode":"LEECH"}]}}));
    let expected = json!({"peer_count":5,"concurrent_links":5,"online_time":200,"upload_bandwidth":600});
    assert_eq!(rewritten(&value)["connect"]["peer_num"], expected);
    let answer = json!({"PPSPTrackerProtocol":{"version":1,"response_type":"1","error_code":"06","transaction_id":12345}});
    let FromTracker::Response(response) = FromTracker::decode(&answer.to_string()).unwrap() else {
        panic!()
    };
    assert_eq!(
        (response.code, response.transaction_id.as_str()),
        (ErrorCode::AuthenticationRequired, "12345")
    );
}

#[test]
fn quirk_3_find_in_the_root() {
    let value = request(json!({"request_type":"FIND","swarm_id":A,"peer_num":{"peer_count":5}}));
    assert_eq!(
        rewritten(&value)["find"],
        json!({"swarm_id":A,"peer_num":{"peer_count":5}})
    );
}

#[test]
fn quirk_4_stat_in_capitals() {
    let stat = json!({"swarm_id":A,"uploaded_bytes":512,"downloaded_bytes":768,"available_bandwidth":1_024_000,
        "concurrent_links":"5"});
    let value =
        request(json!({"request_type":"STAT_REPORT","stat_report":{"type":"STREAM_STATS","Stat":stat}}));
    assert_eq!(
        rewritten(&value)["stat_report"]["stat"][0]["concurrent_links"],
        json!(5)
    );
}

#[test]
fn quirk_6_address_without_type() {
    let address =
        json!({"ip_address":{"address_type":"ipv4","address":"192.0.2.2"},"port":"80","priority":1});
    let value = request(json!({"request_type":"CONNECT","connect":{"peer_addr":address,
        "swarm_action":[{"swarm_id":A,"action":"JOIN","peer_mode":"SEEDER"}]}}));
    assert_eq!(rewritten(&value)["connect"]["peer_addr"][0]["type"], "HOST");
    let answer = json!({"PPSPTrackerProtocol":{"version":1,"response_type":0,"error_code":0,"transaction_id":"1",
        "peer_addr":address}});
    let message = FromTracker::decode(&answer.to_string()).unwrap();
    let written: Value = serde_json::from_str(&message.encode().unwrap()).unwrap();
    assert_eq!(written["PPSPTrackerProtocol"]["peer_addr"]["type"], "REFLEXIVE");
}

#[test]
fn quirk_8_leave_without_mode() {
    let value = |action| {
        request(json!({"request_type":"CONNECT","connect":{"swarm_action":[{"swarm_id":A,"action":action}]}}))
    };
    assert_eq!(
        rewritten(&value("LEAVE"))["connect"]["swarm_action"][0]["peer_mode"],
        "LEECH"
    );
    let error = refused(&value("JOIN"));
    assert!(error.to_string().contains("peer_mode"), "{error}");
}

#[test]
fn unknown_members_are_ignored_everywhere() {
    let value = json!({"x":1,"PPSPTrackerProtocol":{"x":[1],"version":1,"request_type":"CONNECT","transaction_id":"1",
        "peer_id":"d8e0","cert":{},"connect":{"x":null,"peer_num":{"x":{}},
        "swarm_action":[{"x":"","swarm_id":A,"action":"JOIN","peer_mode":"LEECH"}]},"ext":{"x":true}}});
    decode(&value);
}

#[test]
fn other_versions_get_02_with_their_transaction() {
    let full = request(json!({"version":2,"request_type":"FIND","find":{"swarm_id":A}}));
    let strange =
        json!({"PPSPTrackerProtocol":{"version":"2","transaction_id":"1","request_type":{"new":"form"}}});
    for value in [full, strange] {
        let error = refused(&value);
        assert_eq!(
            (error.code, error.transaction_id.as_str()),
            (ErrorCode::UnsupportedVersion, "1")
        );
        let response: Value = serde_json::from_str(&error.response().encode().unwrap()).unwrap();
        assert_eq!(response["PPSPTrackerProtocol"]["error_code"], 2);
        assert_eq!(response["PPSPTrackerProtocol"]["response_type"], 1);
    }
}

#[test]
fn malformed_requests_get_01_and_name_what_is_wrong() {
    for (frame, id, named) in [
        ("{".to_owned(), "", "EOF"),
        ("[]".to_owned(), "", "invalid"),
        ("{}".to_owned(), "", "PPSPTrackerProtocol"),
        (
            request(json!({"request_type":"JOIN"})).to_string(),
            "1",
            "request_type",
        ),
        (
            request(json!({"request_type":"CONNECT"})).to_string(),
            "1",
            "connect",
        ),
        (request(json!({"request_type":"FIND"})).to_string(), "1", "find"),
        (
            request(json!({"request_type":"FIND","find":{"swarm_id":"xyz"}})).to_string(),
            "1",
            "swarm_id",
        ),
        (
            request(json!({"request_type":"CONNECT","connect":{"swarm_action":[]}})).to_string(),
            "1",
            "swarm_action",
        ),
        (
            request(json!({"request_type":"STAT_REPORT","stat_report":{"type":"X","stat":[]}})).to_string(),
            "1",
            "type",
        ),
        (
            request(json!({"request_type":"SIGNAL"})).to_string(),
            "1",
            "signal",
        ),
        (
            request(json!({"peer_id":7,"request_type":"FIND","find":{"swarm_id":A}})).to_string(),
            "1",
            "string",
        ),
        (
            request(json!({"peer_id":"","request_type":"FIND","find":{"swarm_id":A}})).to_string(),
            "1",
            "peer_id",
        ),
        (
            request(json!({"request_type":"FIND","find":{"swarm_id":A,"peer_num":{"peer_count":-1}}}))
                .to_string(),
            "1",
            "number",
        ),
        (
            request(json!({"transaction_id":"x".repeat(65),"request_type":"STAT_REPORT"})).to_string(),
            "",
            "transaction_id",
        ),
        (
            request(json!({"request_type":"STAT_REPORT","ext":[[[[[[[[1]]]]]]]]})).to_string(),
            "",
            "deeper",
        ),
        (
            request(json!({"request_type":"CERT"})).to_string(),
            "1",
            "cert: missing",
        ),
        (
            request(json!({"request_type":"CERT","cert":{"swarm_id":"67"}})).to_string(),
            "1",
            "swarm_id",
        ),
        (
            request(json!({"request_type":"STAT_REPORT","ext":{"status":{"battery":900}}})).to_string(),
            "1",
            "status.battery",
        ),
        (
            request(json!({"request_type":"STAT_REPORT","ext":{"want":vec!["x"; 65]}})).to_string(),
            "1",
            "want",
        ),
        (" ".repeat(65_537), "", "too long"),
    ] {
        let error = Request::decode(&frame).unwrap_err();
        assert_eq!(
            (error.code, error.transaction_id.as_str()),
            (ErrorCode::BadRequest, id),
            "{frame:.200}"
        );
        assert!(error.to_string().contains(named), "{error} for {frame:.200}");
    }
}

#[test]
fn contradictory_answers_are_refused() {
    for (members, named) in [
        (json!({"response_type":0,"error_code":3}), "response_type"),
        (json!({"response_type":1,"error_code":0}), "response_type"),
        (json!({"response_type":1,"error_code":7}), "error_code"),
        (json!({"version":2,"response_type":0,"error_code":0}), "version 2"),
    ] {
        let error = FromTracker::decode(&request(members).to_string()).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    let certificates = vec![json!({"swarm_id":A,"cert":"MIIB","expires":1}); 17];
    let many = json!({"response_type":0,"error_code":0,"ext":{"certs":certificates}});
    let error = FromTracker::decode(&request(many).to_string()).unwrap_err();
    assert_eq!(error.to_string(), "PPSPTrackerProtocol.ext.certs: more than 16");
    let both = json!({"PPSPTrackerProtocol":{"version":1,"response_type":0,"error_code":0,"transaction_id":"1"},
        "PPSPTrackerEvent":{"version":1,"event":"X"}});
    assert!(FromTracker::decode(&both.to_string()).is_err());
}

#[test]
fn messages_that_do_not_fit_a_frame_are_not_written() {
    let body = RequestBody::StatReport(Vec::new());
    let ext = RequestExt {
        exclude: vec!["x".repeat(70_000)],
        ..RequestExt::default()
    };
    let request = Request {
        transaction_id: "1".to_owned(),
        peer_id: "p".to_owned(),
        body,
        ext,
    };
    assert!(matches!(request.encode(), Err(EncodeError::TooLong(_))));
}

fn connect_from(addresses: Value) -> Value {
    request(json!({"request_type":"CONNECT","connect":{"peer_addr":addresses,
        "swarm_action":[{"swarm_id":A,"action":"JOIN","peer_mode":"LEECH"}]}}))
}

fn address(address_type: &str, address: &str) -> Value {
    json!({"ip_address":{"address_type":address_type,"address":address},"port":6778,"priority":9,"type":"HOST",
        "connection":"wired","asn":"64511","peer_protocol":"PPSP-PP"})
}

#[test]
fn addresses_are_written_in_canonical_form() {
    let value = connect_from(json!([
        address("ipv6", "2001:DB8:0:0:0:0:0:1"),
        address("ipv4", "192.0.2.2")
    ]));
    let expected = json!([address("ipv6", "2001:db8::1"), address("ipv4", "192.0.2.2")]);
    assert_eq!(rewritten(&value)["connect"]["peer_addr"], expected);
}

#[test]
fn addresses_that_are_none_are_refused_by_name() {
    let edited = |member: &str, value: Value| {
        let mut edited = address("ipv4", "192.0.2.2");
        edited[member] = value;
        edited
    };
    for (addresses, named) in [
        (
            address("ipv4", "192.0.2.300"),
            "ip_address.address: not an IPv4 address",
        ),
        (address("ipv4", "::1"), "ip_address.address: not an IPv4 address"),
        (
            address("ipv6", "192.0.2.2"),
            "ip_address.address: not an IPv6 address",
        ),
        (edited("port", json!(65_536)), "port: more than 65535"),
        (
            edited("priority", json!(1_u64 << 32)),
            "priority: more than 4294967295",
        ),
        (
            edited("asn", json!("<script>")),
            "asn: not at most 32 letters and digits",
        ),
        (
            edited("peer_protocol", json!("x".repeat(33))),
            "peer_protocol: not at most 32 letters and digits",
        ),
        (
            json!(vec![address("ipv4", "192.0.2.2"); 5]),
            "connect.peer_addr: more than 4",
        ),
    ] {
        let error = refused(&connect_from(addresses));
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert!(error.to_string().contains(named), "{error}, not {named}");
    }
}
