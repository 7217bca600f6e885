//! Images from servers that behave and from servers that do not; seeds of all kinds.

mod catalogues;
mod fetching;
mod guests;
mod proxy;
mod seeds;
mod server;
mod signatures;
mod tls;
