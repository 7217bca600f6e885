//! The libvirt room.
