//! Commands about the host.

use crate::api;
use crate::floor::Error;
use crate::repl::Repl;
use crate::repl::connection::Connection;
use crate::repl::engine::failure;
use crate::repl::reply::{Answer, Reply, Then};
use crate::repl::show::table;
use rhai::{Array, Dynamic};

pub(super) fn connect(repl: &mut Repl, uri: &str) -> Answer {
    let uri = uri.trim_matches('"');
    let mut connection = Connection::open(repl.session.context(), Some(uri.to_string()));
    connection.wait(None).map_err(|error| failure(&error))?;
    repl.set_connection(connection);
    repl.kept.connect(uri);
    host(repl, "")
}

pub(super) fn events(repl: &mut Repl, _: &str) -> Answer {
    if repl.events.is_none() {
        let host = repl.value("host")?;
        repl.events = Some(api::events(&host).map_err(|error| failure(&error))?);
    }
    Ok(Reply { then: Then::Events, ..Reply::default() })
}

pub(super) fn host(repl: &mut Repl, _: &str) -> Answer {
    repl.take_host();
    let host = match repl.session.variable("host").filter(|host| !host.is_unit()) {
        Some(host) => host,
        None => match repl.connection.now() {
            Some(Ok(host)) => host,
            Some(Err(error)) => return Err(failure(&error)),
            None => return Ok(Reply::text(format!("connecting to {} ...", repl.connection.name()))),
        },
    };
    let session = &repl.session;
    if session.type_of(&host) != "Host" {
        return Err(failure(&Error::argument(format!("`host` is a {} now", session.type_of(&host)))));
    }
    let property =
        |name: &str| session.property(&host, name).map_or_else(|| "?".to_string(), |value| value.to_string());
    let mut rows = vec![
        vec!["uri".to_string(), property("uri")],
        vec!["name".to_string(), property("hostname")],
        vec!["hypervisor".to_string(), property("version")],
        vec!["libvirt".to_string(), property("lib_version")],
    ];
    for kind in ["domains", "networks", "pools"] {
        let Some(items) = session.call(&host, kind, ()).and_then(rhai::Dynamic::try_cast::<Array>) else { continue };
        let on = |item: &&Dynamic| session.property(item, "is_active").is_some_and(|flag| flag.as_bool() == Ok(true));
        rows.push(vec![kind.to_string(), format!("{}, {} active", items.len(), items.iter().filter(on).count())]);
    }
    Ok(Reply::text(table(&rows, repl.look().width)))
}
