//! What a peer is and can give at the moment (PPSP.PP.REQ-8): told to the tracker in `ext.status` of CONNECT, changed
//! values again in STAT_REPORT, and to neighbours on the auxiliary channel.

use json::Writer;

use crate::read::{Members, Read, Word};
use crate::write::{Fields, Write};

/// Longest region, bytes.
#[cfg(feature = "server")]
const MAX_REGION: usize = 32;
#[cfg(feature = "server")]
const MILLION: u64 = 1_000_000;

/// What a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A viewer's page.
    Browser,
    /// A program.
    Native,
    /// A peer with much to give.
    Super,
    /// Keeps content for others.
    Cache,
    /// Of a content delivery network.
    Cdn,
    /// Stands in for peers that cannot be reached.
    Proxy,
    /// Where the content comes from.
    Origin,
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// By cable.
    Ethernet,
    /// By Wi-Fi.
    Wifi,
    /// By a mobile network.
    Cellular,
    /// It does not know.
    Unknown,
}

/// What a peer runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Power {
    /// The mains.
    Mains,
    /// A battery.
    Battery,
}

/// One status record. What is absent is unknown, or as it was told before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// What it is.
    pub role: Option<Role>,
    /// How it is connected.
    pub link: Option<LinkKind>,
    /// What it runs on.
    pub power: Option<Power>,
    /// Charge of its battery, 0 to 100 %.
    #[cfg(feature = "server")]
    pub battery: Option<u64>,
    /// Its user asks to save data.
    pub saver: Option<bool>,
    /// Upload bandwidth it can give, kbit/s.
    #[cfg(feature = "server")]
    pub up_kbps: Option<u64>,
    /// Upload slots that are free.
    #[cfg(feature = "server")]
    pub slots: Option<u64>,
    /// Where it is, in the operator's words; at most 32 bytes.
    #[cfg(feature = "server")]
    pub region: Option<String>,
    /// Datagrams lost of a million.
    #[cfg(feature = "server")]
    pub loss_ppm: Option<u64>,
}

impl PeerStatus {
    /// Takes over what `news` says.
    pub fn update(&mut self, news: PeerStatus) {
        fn replace<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        replace(&mut self.role, news.role);
        replace(&mut self.link, news.link);
        replace(&mut self.power, news.power);
        #[cfg(feature = "server")]
        replace(&mut self.battery, news.battery);
        replace(&mut self.saver, news.saver);
        #[cfg(feature = "server")]
        replace(&mut self.up_kbps, news.up_kbps);
        #[cfg(feature = "server")]
        replace(&mut self.slots, news.slots);
        #[cfg(feature = "server")]
        replace(&mut self.region, news.region);
        #[cfg(feature = "server")]
        replace(&mut self.loss_ppm, news.loss_ppm);
    }
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("browser", Self::Browser),
        ("native", Self::Native),
        ("super", Self::Super),
        ("cache", Self::Cache),
        ("cdn", Self::Cdn),
        ("proxy", Self::Proxy),
        ("origin", Self::Origin),
    ];
    const PROBLEM: &'static str = "not a role";
}

impl Word for LinkKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ethernet", Self::Ethernet),
        ("wifi", Self::Wifi),
        ("cellular", Self::Cellular),
        ("unknown", Self::Unknown),
    ];
    const PROBLEM: &'static str = "not a kind of link";
}

impl Word for Power {
    const WORDS: &'static [(&'static str, Self)] = &[("mains", Self::Mains), ("battery", Self::Battery)];
    const PROBLEM: &'static str = "not mains or battery";
}

impl Read for PeerStatus {
    fn read(from: &Members<'_>) -> Self {
        #[cfg(feature = "server")]
        let up_to = |member, max, problem| {
            let number = from.optional_number(member);
            if number > Some(max) {
                from.refuse(member, problem);
            }
            number
        };
        #[cfg(feature = "server")]
        let region = from.optional_text("region");
        #[cfg(feature = "server")]
        if region.as_ref().is_some_and(|region| region.len() > MAX_REGION) {
            from.refuse("region", "longer than 32 bytes");
        }
        Self {
            // Words that a later version adds say nothing here.
            role: from.known_word("role"),
            link: from.known_word("link"),
            power: from.known_word("power"),
            #[cfg(feature = "server")]
            battery: up_to("battery", 100, "more than 100"),
            saver: from.optional_bool("saver"),
            #[cfg(feature = "server")]
            up_kbps: from.optional_number("up_kbps"),
            #[cfg(feature = "server")]
            slots: from.optional_number("slots"),
            #[cfg(feature = "server")]
            region,
            #[cfg(feature = "server")]
            loss_ppm: up_to("loss_ppm", MILLION, "more than 1000000"),
        }
    }
}

impl Write for PeerStatus {
    fn write(&self, json: &mut Writer) {
        json.optional_word("role", self.role);
        json.optional_word("link", self.link);
        json.optional_word("power", self.power);
        #[cfg(feature = "server")]
        json.optional_number("battery", self.battery.map(|percent| percent.min(100)));
        if let Some(saver) = self.saver {
            json.name("saver").bool(saver);
        }
        #[cfg(feature = "server")]
        json.optional_number("up_kbps", self.up_kbps);
        #[cfg(feature = "server")]
        json.optional_number("slots", self.slots);
        // One that is too long would make the whole message unreadable.
        #[cfg(feature = "server")]
        json.optional_text(
            "region",
            self.region.as_deref().filter(|region| region.len() <= MAX_REGION),
        );
        #[cfg(feature = "server")]
        json.optional_number("loss_ppm", self.loss_ppm.map(|loss| loss.min(MILLION)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: &str) -> Result<PeerStatus, String> {
        let text = &format!("{{\"status\":{status}}}");
        let value = crate::read::parse(text, 3).unwrap();
        crate::read::root(&value, |root| root.object("status")).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_words_are_absent_and_wrong_numbers_refused() {
        assert_eq!(
            read(r#"{"role":"satellite","link":5,"power":null,"more":[]}"#),
            Ok(PeerStatus::default())
        );
        assert_eq!(
            read(r#"{"role":"super","battery":"71","saver":true}"#),
            Ok(PeerStatus {
                role: Some(Role::Super),
                battery: Some(71),
                saver: Some(true),
                ..PeerStatus::default()
            })
        );
        for (text, problem) in [
            (r#"{"battery":101}"#, "status.battery: more than 100"),
            (r#"{"loss_ppm":1000001}"#, "status.loss_ppm: more than 1000000"),
            (r#"{"saver":1}"#, "status.saver: not true or false"),
            (
                r#"{"region":"123456789012345678901234567890123"}"#,
                "status.region: longer than 32 bytes",
            ),
        ] {
            assert_eq!(read(text), Err(problem.to_owned()));
        }
    }

    #[test]
    fn news_replace_only_what_they_say() {
        let mut status = PeerStatus {
            role: Some(Role::Browser),
            up_kbps: Some(4000),
            ..PeerStatus::default()
        };
        status.update(PeerStatus {
            up_kbps: Some(0),
            saver: Some(false),
            ..PeerStatus::default()
        });
        assert_eq!(
            status,
            PeerStatus {
                role: Some(Role::Browser),
                up_kbps: Some(0),
                saver: Some(false),
                ..PeerStatus::default()
            }
        );
    }
}
