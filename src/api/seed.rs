//! Seeds: what a guest reads at its first boot.

use super::{RhaiResultOf, data};
use rhai::plugin::*;
use rhai::{Array, Blob, Map, Module};

pub(super) fn module() -> Module {
    exported_module!(functions)
}

#[export_module]
mod functions {

    /// The files that a guest reads at its first boot. It is shown without its contents.
    pub type Seed = crate::seed::Seed;

    /// A seed for cloud-init's `NoCloud` data source.
    ///
    /// * `user_data`: a map becomes `#cloud-config`; text passes through, its header is checked.
    /// * `meta_data`: a map or text. Without `instance-id` it gets one that changes with the content.
    /// * `network_config`: a map or text, version 1 or 2; optional.
    /// * `vendor_data`: a map or text; optional.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{
    ///     user_data: #{ hostname: "web", packages: ["vim"] },
    ///     network_config: #{ version: 2, ethernets: #{ eth0: #{ dhcp4: true } } },
    /// });
    /// assert_eq(seed.files, ["user-data", "meta-data", "network-config"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cloud_init(documents: Map) -> RhaiResultOf<Seed> {
        Ok(data::make(&documents.into(), crate::seed::cloud_init)?)
    }

    /// The names of its files.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// print(seed.files);
    /// ```
    #[rhai_fn(get = "files", pure)]
    pub fn files(seed: &mut Seed) -> Array {
        seed.files.iter().map(|(name, _)| name.clone().into()).collect()
    }

    /// The seed as an ISO 9660 image with the volume id `cidata`, byte for byte the same for the same seed.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// assert_eq(seed.iso(), seed.iso());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn iso(seed: &mut Seed) -> RhaiResultOf<Blob> {
        Ok(seed.iso()?)
    }

    /// The names and sizes of its files; never what they hold.
    ///
    /// # Example
    ///
    /// ```rhai
    /// let seed = cloud_init(#{ user_data: #{ hostname: "web" } });
    /// print(seed);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(seed: &mut Seed) -> String {
        format!("{seed:?}")
    }
}
