//! Secrets of a host.

use super::definition::definition as checked;
use super::hidden::text_or_secret;
use super::{RhaiResultOf, list};
use crate::schema::Kind;
use rhai::plugin::*;
use rhai::{Array, Blob, Dynamic, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

#[export_module]
mod functions {
    use crate::libvirt::Host;
    use crate::schema::Definition;

    /// A secret that a host keeps, such as the passphrase of an encrypted volume. Its value goes in and never comes out.
    pub type Secret = crate::libvirt::Secret;

    /// All secrets of the host.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// for secret in connect().secrets() { print(secret.usage); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn secrets(host: &mut Host) -> RhaiResultOf<Array> {
        Ok(list(host.secrets()?))
    }

    /// The secret of this UUID, or for this use; an error if there is none.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "one" } });
    /// assert_eq(connect().secret("one").uuid, secret.uuid);
    /// secret.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn secret(host: &mut Host, name: &str) -> RhaiResultOf<Secret> {
        Ok(host.secret(name)?)
    }

    /// Defines a secret: a definition, a map or XML. It has no value yet.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "two" } });
    /// secret.set_value("s3cret");
    /// secret.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn define_secret(host: &mut Host, definition: Dynamic) -> RhaiResultOf<Secret> {
        Ok(host.define_secret(&checked(Kind::Secret, &definition)?.xml())?)
    }

    /// What it is used for, such as the path of a volume; else its UUID.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "name" } });
    /// print(secret.name);
    /// secret.undefine();
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(secret: &mut Secret) -> String {
        secret.name().to_string()
    }

    /// Its UUID.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "uuid" } });
    /// assert_eq(secret.uuid.len(), 36);
    /// secret.undefine();
    /// ```
    #[rhai_fn(get = "uuid", pure)]
    pub fn uuid(secret: &mut Secret) -> String {
        secret.uuid().to_string()
    }

    /// What kind of thing it is used for: `none`, `volume`, `ceph`, `iscsi`, `tls` or `vtpm`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "usage" } });
    /// assert_eq(secret.usage, "ceph");
    /// secret.undefine();
    /// ```
    #[rhai_fn(get = "usage", pure, return_raw)]
    pub fn usage(secret: &mut Secret) -> RhaiResultOf<String> {
        Ok(secret.usage()?.into())
    }

    /// Its XML, which does not hold its value.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "xml" } });
    /// print(secret.xml);
    /// secret.undefine();
    /// ```
    #[rhai_fn(get = "xml", pure, return_raw)]
    pub fn xml(secret: &mut Secret) -> RhaiResultOf<String> {
        Ok(secret.xml()?)
    }

    /// Its definition, which does not hold its value.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "definition" } });
    /// print(secret.definition.to_map().usage);
    /// secret.undefine();
    /// ```
    #[rhai_fn(get = "definition", pure, return_raw)]
    pub fn definition(secret: &mut Secret) -> RhaiResultOf<Definition> {
        Ok(Definition::from_xml(Kind::Secret, &secret.xml()?)?)
    }

    /// Removes it with its value.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "undefine" } });
    /// secret.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn undefine(secret: &mut Secret) -> RhaiResultOf<()> {
        Ok(secret.undefine()?)
    }

    /// What it is and what it is used for.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "to_string" } });
    /// print(secret);
    /// secret.undefine();
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(secret: &mut Secret) -> String {
        format!("secret {}", secret.name())
    }

    /// Sets its value: a secret that the script reads, text or a blob.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let secret = connect().define_secret(#{ usage: #{ type: "ceph", name: "value" } });
    /// secret.set_value(secret("cmd:echo correct horse"));
    /// secret.undefine();
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn set_value(secret: &mut Secret, given: Dynamic) -> RhaiResultOf<()> {
        if let Some(bytes) = given.read_lock::<Blob>() {
            return Ok(secret.set_value(&bytes)?);
        }
        Ok(secret.set_value(text_or_secret(&given, "the value of a secret")?.as_bytes())?)
    }
}
