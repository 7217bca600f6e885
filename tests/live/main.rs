//! The live tier: a private libvirtd with guests that really boot. The lab's scripts start the daemon, set
//! `VMSCRIPT_LAB_URI` and `VMSCRIPT_LAB_IMAGES` (the folder of the tiny guest) and run this; without them it fails.

mod addresses;
mod examples;
mod images;
mod lab;
mod memory;
mod objects;
mod program;
mod room;
mod scripts;
mod storage;
