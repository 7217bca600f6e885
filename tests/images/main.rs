//! Images from servers that behave and from servers that do not; seeds of all kinds.

mod fetching;
mod guests;
mod seeds;
mod server;
mod tls;
