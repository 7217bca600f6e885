//! A `static_ip` declaration: what an interface's address shall be.

use super::Range;
use ipnet::IpNet;
use std::net::IpAddr;

/// How a guest learns its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// By a host reservation on libvirt's network.
    Dhcp,
    /// By the network configuration in its seed.
    #[default]
    Seed,
    /// By both.
    Both,
    /// By nobody that is told to; where the network has a DHCP server, it is kept there nevertheless.
    None,
}

impl Delivery {
    /// Whether the seed configures the address.
    pub fn by_seed(self) -> bool {
        matches!(self, Self::Seed | Self::Both)
    }

    /// Whether the network's DHCP server must hand out the address.
    pub fn by_dhcp(self) -> bool {
        matches!(self, Self::Dhcp | Self::Both)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Dhcp => "dhcp",
            Self::None => "none",
            Self::Seed => "seed",
        }
    }

    /// The delivery of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Both, Self::Dhcp, Self::None, Self::Seed].into_iter().find(|delivery| delivery.word() == word)
    }
}

/// What to do about a gateway that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreachable {
    /// Do not look.
    Ignore,
    /// Say so.
    #[default]
    Warn,
    /// Make nothing.
    Refuse,
}

/// A further route of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; the whole family for the default route.
    pub to: IpNet,
    /// Through whom.
    pub via: IpAddr,
    /// Its cost, if it is not the usual one.
    pub metric: Option<u32>,
}

/// One address of an interface, as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticIp {
    /// The address; the next free one if there is none.
    pub address: Option<IpNet>,
    /// The addresses that are allowed, and of which a free one is taken.
    pub range: Option<Range>,
    /// The subnet that is allowed, and whose prefix a free one gets.
    pub subnet: Option<IpNet>,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// Whether everything else goes through the gateway.
    pub default_route: bool,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// The name that the network's DNS server shall know the address by.
    pub dns_name: Option<String>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// What the guest shall call the interface.
    pub interface: Option<String>,
    /// How the guest learns it.
    pub via: Delivery,
    /// What to do about a gateway that does not answer.
    pub gateway_unreachable: Unreachable,
    /// Whether the interface gets the MAC address that goes with the address.
    pub mac_from_ip: bool,
    /// Whether the interface's device on the host gets the name that goes with the address.
    pub tap_from_ip: bool,
}
