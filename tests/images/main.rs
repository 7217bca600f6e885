//! Images from servers that behave, and from servers that do not.

mod fetching;
mod server;
mod tls;
