//! What an error is about: the kind and the name of an object, and how messages and scripts write them.

use crate::floor::Area;
use std::fmt;
use std::sync::Arc;

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Checkpoint,
    Domain,
    Host,
    HostInterface,
    Network,
    NetworkPort,
    NodeDevice,
    NwFilter,
    NwFilterBinding,
    Pool,
    Secret,
    Snapshot,
    Volume,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Host => "host",
            Self::HostInterface => "host interface",
            Self::NodeDevice => "node device",
            Self::NetworkPort => "network port",
            Self::NwFilter => "network filter",
            Self::NwFilterBinding => "network filter binding",
            Self::Secret => "secret",
            Self::Domain => "domain",
            Self::Network => "network",
            Self::Pool => "pool",
            Self::Snapshot => "snapshot",
            Self::Volume => "volume",
        }
    }

    /// The part of the work that fails when such an object does.
    pub(super) fn area(self) -> Area {
        match self {
            Self::Host | Self::NodeDevice | Self::Secret => Area::Host,
            Self::Checkpoint | Self::Domain | Self::Snapshot => Area::Domain,
            Self::HostInterface | Self::Network | Self::NetworkPort | Self::NwFilter | Self::NwFilterBinding => {
                Area::Network
            }
            Self::Pool | Self::Volume => Area::Storage,
        }
    }
}

/// An object's kind and name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) name: Arc<str>,
    /// What it is part of, where that is known: a volume's pool, a snapshot's domain.
    within: Option<Arc<str>>,
}

impl Object {
    pub(super) fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.into(), within: None }
    }

    /// The same as a part of that one, such as of its pool.
    pub(super) fn within(self, whole: &str) -> Self {
        Self { within: Some(whole.into()), ..self }
    }

    /// The object that it is part of, if that is known.
    pub(super) fn whole(&self) -> Option<Self> {
        let kind = match self.kind {
            Kind::Checkpoint | Kind::Snapshot => Kind::Domain,
            Kind::Volume => Kind::Pool,
            _ => return None,
        };
        self.within.as_deref().map(|name| Self::new(kind, name))
    }

    /// How a script lists those among which it is, such as `host.domains()`; nothing if that is not known.
    pub(super) fn listing(&self) -> Option<String> {
        let list = match self.kind {
            Kind::Checkpoint => "checkpoints",
            Kind::Domain => "domains",
            Kind::Network => "networks",
            Kind::Pool => "pools",
            Kind::Snapshot => "snapshots",
            Kind::Volume => "volumes",
            _ => return None,
        };
        let of = match self.kind {
            Kind::Domain | Kind::Network | Kind::Pool => "host".to_string(),
            _ => self.whole()?.expression(),
        };
        Some(format!("{of}.{list}()"))
    }

    /// How a script gets hold of it, such as `host.domain("web")`.
    pub(super) fn expression(&self) -> String {
        let whole = |word: &str| self.whole().map_or_else(|| word.to_string(), |whole| whole.expression());
        match self.kind {
            Kind::Host => "host".to_string(),
            Kind::Volume => format!("{}.volume(\"{}\")", whole("pool"), self.name),
            Kind::Checkpoint => format!("{}.checkpoint(\"{}\")", whole("vm"), self.name),
            Kind::HostInterface => format!("host.host_interface(\"{}\")", self.name),
            Kind::NetworkPort => format!("network.port(\"{}\")", self.name),
            Kind::NwFilterBinding => format!("host.nwfilter_binding(\"{}\")", self.name),
            Kind::NodeDevice => format!("host.node_device(\"{}\")", self.name),
            Kind::NwFilter => format!("host.nwfilter(\"{}\")", self.name),
            Kind::Snapshot => format!("{}.snapshot(\"{}\")", whole("vm"), self.name),
            kind => format!("host.{}(\"{}\")", kind.word(), self.name),
        }
    }

    /// What [`crate::floor::Error::about`] takes, such as `domain web`.
    pub(super) fn plain(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind.word(), self.name)
    }
}
