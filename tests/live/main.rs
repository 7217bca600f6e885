//! The live tier: a private libvirtd with guests that really boot. The lab's scripts start the daemon, set
//! `VMSCRIPT_LAB_URI` and `VMSCRIPT_LAB_IMAGES` (the folder of the tiny guest) and run this; without them it fails.

mod addresses;
mod ahead;
mod booting;
mod broken;
mod claimed;
mod dual;
mod examples;
mod happenings;
mod here;
mod images;
mod lab;
mod labs;
mod memory;
mod migrate;
mod objects;
mod own;
mod pools;
mod program;
mod recipes;
mod remote;
mod room;
mod routed;
mod scripts;
mod seeds;
mod setup;
mod storage;
mod turns;
mod undoing;
mod unfinished;
mod update;
mod variables;
mod waits;
