//! The serial console of a domain.

use super::hidden::text_or_secret;
use super::records::record;
use super::{RhaiResultOf, value};
use crate::floor::{Error, Options, Result, Value, duration, terminal};
use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

pub(super) fn fill(module: &mut Module) {
    combine_with_exported_module!(module, "functions", functions);
}

fn text_of(value: &Value) -> Result<String> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err(Error::argument(format!("{} is no text to wait for", value.show()))),
    }
}

#[export_module]
mod functions {
    use crate::libvirt::Domain;

    /// The serial console of a running domain. It closes with its last copy.
    pub type Console = crate::libvirt::Console;

    /// Opens its first serial console. What it prints is collected from now on.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// console.send("\n");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn open_console(vm: &mut Domain) -> RhaiResultOf<Console> {
        open_console_with(vm, Map::new())
    }

    /// Opens a console.
    ///
    /// Options:
    /// * `device`: its alias, such as `serial0`; default is the first.
    /// * `force`: close that of somebody else, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console(#{ device: "serial0", force: true });
    /// assert(console.is_open);
    /// ```
    #[rhai_fn(name = "open_console", pure, return_raw)]
    pub fn open_console_with(vm: &mut Domain, options: Map) -> RhaiResultOf<Console> {
        let options = Options::from_value("open_console", value(&options.into(), "")?, &["device", "force"])?;
        Ok(vm.open_console(options.str("device")?, options.bool("force")?.unwrap_or(false))?)
    }

    /// Lends the terminal to its first serial console: keys go to the guest as they are pressed, until Ctrl-] is pressed or the guest is off. Only at a terminal; `vmscript vm console NAME` is the same from the shell.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try {
    ///     vm.console();
    /// } catch (err) {
    ///     assert_eq(err.message, "the console of domain `guest` needs a terminal");
    /// }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn console(vm: &mut Domain) -> RhaiResultOf<()> {
        console_with(vm, Map::new())
    }

    /// Lends the terminal to a console.
    ///
    /// Options:
    /// * `device`: its alias, such as `serial0`; default is the first.
    /// * `force`: close that of somebody else, default `false`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// try { vm.console(#{ force: true }); } catch (err) { print(err.message); }
    /// ```
    #[rhai_fn(name = "console", pure, return_raw)]
    pub fn console_with(vm: &mut Domain, options: Map) -> RhaiResultOf<()> {
        let options = Options::from_value("console", value(&options.into(), "")?, &["device", "force"])?;
        let console = vm.open_console(options.str("device")?, options.bool("force")?.unwrap_or(false))?;
        Ok(terminal::lend(&console)?)
    }

    /// The domain it is of.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// assert_eq(console.domain.name, "guest");
    /// ```
    #[rhai_fn(get = "domain", pure)]
    pub fn domain(console: &mut Console) -> Domain {
        console.domain().clone()
    }

    /// Whether it is still open: it closes when the domain stops.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// assert(console.is_open);
    /// ```
    #[rhai_fn(get = "is_open", pure)]
    pub fn is_open(console: &mut Console) -> bool {
        console.is_open()
    }

    /// What it has printed since it was read the last time.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// vm.reboot();
    /// sleep(1);
    /// print(console.read());
    /// ```
    #[rhai_fn(pure)]
    pub fn read(console: &mut Console) -> String {
        console.read()
    }

    /// Types a text, or a secret. A line needs its `\n`.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// console.send("root\n");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn send(console: &mut Console, text: Dynamic) -> RhaiResultOf<()> {
        Ok(console.send(&text_or_secret(&text, "what is typed")?)?)
    }

    /// Waits until it prints a text, or one of a list of texts, and gives `#{ matched, before }`. What comes after it is kept for the next call. The last lines of the console are in the error when the time is over.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// vm.reset();
    /// print(console.expect(["LAB", "panic"], "1m").matched);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn expect(console: &mut Console, text: Dynamic, timeout: Dynamic) -> RhaiResultOf<Map> {
        let texts = match value(&text, "text")? {
            Value::List(texts) => texts.iter().map(text_of).collect::<Result<Vec<_>>>()?,
            one => vec![text_of(&one)?],
        };
        Ok(record(console.expect(&texts, duration(&value(&timeout, "timeout")?)?)?))
    }

    /// What it is and its domain.
    ///
    /// # Example
    ///
    /// ```rhai,live
    /// let vm = connect().domain("guest");
    /// let console = vm.open_console();
    /// print(console);
    /// ```
    #[rhai_fn(pure)]
    pub fn to_string(console: &mut Console) -> String {
        format!("console of domain {}", console.domain().name())
    }
}
