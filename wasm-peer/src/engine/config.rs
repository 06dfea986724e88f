//! The configuration as `js/` hands it over: checked there, every option present or at its default.

use wasm_bindgen::JsValue;

use crate::js::{array, get, get_text};

/// See js/src/config.ts for what each option means.
pub(crate) struct Config {
    pub(crate) trackers: Vec<String>,
    pub(crate) ice_servers: JsValue,
    pub(crate) p2p: bool,
    pub(crate) upload: bool,
    /// 0 = no ceiling.
    pub(crate) max_upload_kbps: f64,
    pub(crate) max_peers: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) urgent_window_sec: f64,
    pub(crate) token: Option<String>,
    pub(crate) relay_only: bool,
}

impl Config {
    pub(crate) fn read(options: &JsValue) -> Self {
        let mut config = Self {
            trackers: array(&get(options, "tracker"))
                .iter()
                .filter_map(|url| url.as_string())
                .collect(),
            ice_servers: JsValue::UNDEFINED,
            p2p: true,
            upload: true,
            max_upload_kbps: 0.0,
            max_peers: 16,
            cache_bytes: 128 << 20,
            urgent_window_sec: 6.0,
            token: None,
            relay_only: get(options, "relayOnly").is_truthy(),
        };
        let ice_servers = array(&get(options, "iceServers"));
        if ice_servers.length() > 0 {
            config.ice_servers = ice_servers.into();
        }
        config.update(options);
        config
    }

    /// Takes over the options that may change at run time, as far as they are there.
    pub(crate) fn update(&mut self, options: &JsValue) {
        if let Some(p2p) = get(options, "p2p").as_bool() {
            self.p2p = p2p;
        }
        if let Some(upload) = get(options, "upload").as_bool() {
            self.upload = upload;
        }
        if let Some(token) = get_text(options, "token") {
            self.token = Some(token);
        }
        let number = |name, value: &mut f64| {
            if let Some(new) = get(options, name).as_f64() {
                *value = new;
            }
        };
        let (mut peers, mut cache) = (self.max_peers as f64, self.cache_bytes as f64);
        number("maxUploadKbps", &mut self.max_upload_kbps);
        number("urgentWindowSec", &mut self.urgent_window_sec);
        number("maxPeers", &mut peers);
        number("cacheBytes", &mut cache);
        self.max_peers = peers as usize;
        self.cache_bytes = cache as usize;
    }
}
