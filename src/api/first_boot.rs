//! Guests: what a machine shall become at its first boot, in the words of several first-boot systems.

use super::{RhaiResultOf, data};
use rhai::plugin::*;
use rhai::{Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::seed::Seed;

    /// What a guest shall become at its first boot. It is shown without what it holds.
    pub type Guest = crate::seed::Guest;

    /// Describes a guest; all mistakes are told at once. Needs `hostname` or `fqdn`; all else is optional.
    ///
    /// * `ssh_authorized_keys`, `password_hash` (crypt(5), of root), `ssh_pwauth`: who may come in.
    /// * `users`: `#{ name, gecos, groups, shell, sudo, ssh_authorized_keys, password_hash }`; `sudo: true` or a rule.
    /// * `network`: `#{ mac, name, dhcp, addresses, gateway, on_link, routes, nameservers, search, mtu }`.
    /// * `write_files`: `#{ path, content, permissions, owner, append }`.
    /// * `packages`, `runcmd` (lines, or lists of words), `timezone`, `locale`, `growpart`, `console_autologin`.
    /// * `cloud_config`: further keys for cloud-init; `instance_id` instead of one that changes with the content.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let web = guest(#{
    ///     fqdn: "web.example.com",
    ///     network: [ #{ mac: "52:54:00:00:00:01", addresses: "10.0.0.5/24", gateway: "10.0.0.1" } ],
    ///     runcmd: [ "echo ready" ],
    /// });
    /// assert_eq(web.hostname, "web");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn guest(fields: Map) -> RhaiResultOf<Guest> {
        let none = crate::floor::Map::new();
        Ok(data::make(&fields.into(), |fields| Guest::new(fields.as_map().unwrap_or(&none)))?)
    }

    /// Its host name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(guest(#{ fqdn: "web.example.com" }).hostname, "web");
    /// ```
    #[rhai_fn(get = "hostname", pure)]
    pub fn hostname(guest: &mut Guest) -> String {
        guest.hostname().to_string()
    }

    /// As a seed for cloud-init's `NoCloud` data source.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = guest(#{ hostname: "web" }).cloud_init();
    /// assert_eq(seed.files, ["user-data", "meta-data"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn cloud_init(guest: &mut Guest) -> RhaiResultOf<Seed> {
        Ok(guest.cloud_init()?)
    }

    /// As an Ignition configuration in JSON, for `fw_cfg`. What Ignition cannot express is refused.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let config = guest(#{ hostname: "core", timezone: "Europe/Berlin" }).ignition();
    /// assert(config.contains("/etc/hostname"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ignition(guest: &mut Guest) -> RhaiResultOf<String> {
        Ok(guest.ignition()?)
    }

    /// As a disk with the label `ignition`, which openSUSE and SUSE look for.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(guest(#{ hostname: "core" }).ignition_seed().files, ["ignition/config.ign"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn ignition_seed(guest: &mut Guest) -> RhaiResultOf<Seed> {
        Ok(guest.ignition_seed()?)
    }

    /// As a script for Combustion. What Combustion cannot express is refused.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let script = guest(#{ hostname: "micro", packages: ["vim"] }).combustion();
    /// assert(script.starts_with("#!/bin/bash"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn combustion(guest: &mut Guest) -> RhaiResultOf<String> {
        Ok(guest.combustion()?)
    }

    /// As a disk with the label `combustion`.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(guest(#{ hostname: "micro" }).combustion_seed().files, ["combustion/script"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn combustion_seed(guest: &mut Guest) -> RhaiResultOf<Seed> {
        Ok(guest.combustion_seed()?)
    }

    /// What it is and its name.
    ///
    /// # Example
    ///
    /// ```rhai
    /// assert_eq(guest(#{ hostname: "web" }).to_string(), "guest web");
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(guest: &mut Guest) -> String {
        format!("guest {}", guest.hostname())
    }
}
