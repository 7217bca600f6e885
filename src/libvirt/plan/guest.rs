//! What a test plans to be seen of a guest: its addresses, whether its agent answers, who listens on its ports, its first
//! boot, what it prints on its console, and its end.

use super::Items;
use crate::floor::Result;
use crate::floor::planned::{Counted, Program, When, first_due};
use crate::libvirt::address::{Address, Family, Interface, Source};
use crate::libvirt::cause::Explain;
use crate::libvirt::object::Object;
use crate::libvirt::wiring::{Nic, Wiring};
use crate::libvirt::{Domain, Host, Lease, Network};
use ipnet::IpNet;
use serde_json::json;
use std::net::IpAddr;
use virt::sys;

/// What a source knows of a domain's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This address, and none before the time has come.
    Address(IpNet),
    /// That there is none.
    NoAddress,
    /// It does not answer; of a source other than the agent, that is the same.
    Nothing,
}

/// How a guest goes off by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It crashes.
    Crash,
    /// It shuts down.
    Shutdown,
}

/// How cloud-init ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBoot {
    /// What failed; nothing if it is done.
    pub errors: Vec<String>,
    /// What went wrong without making it fail.
    pub warnings: Vec<String>,
    /// Where it had its data from.
    pub datasource: String,
}

impl Host {
    /// Plans what a source tells of a domain's addresses.
    pub fn plan_answer(&self, source: Source, answer: Answer, when: When) -> Result<()> {
        let mut items = self.planned_anew()?.lock();
        // What is planned last counts, and a domain has one address.
        if matches!(answer, Answer::Address(_)) {
            items.answers.retain(|one| one.when.object != when.object || one.what.1 == Answer::Nothing);
        }
        if source == Source::Agent && answer == Answer::Nothing {
            items.agents.retain(|one| one.when.object != when.object);
        }
        items.answers.insert(0, Counted::new(when, (source, answer)));
        Ok(())
    }

    /// Plans that a guest's agent answers, counted in questions.
    pub fn plan_agent(&self, when: When) -> Result<()> {
        let mut items = self.planned_anew()?.lock();
        let silence = (Source::Agent, Answer::Nothing);
        items.answers.retain(|one| one.when.object != when.object || one.what != silence);
        items.agents.insert(0, Counted::new(when, ()));
        Ok(())
    }

    /// Plans how a guest goes off, counted in looks at its state.
    pub fn plan_end(&self, end: End, when: When) -> Result<()> {
        self.planned_anew()?.lock().ends.push(Counted::new(when, end));
        Ok(())
    }

    /// Plans that somebody listens on a port of a guest or of an address, counted in looks at it.
    pub fn plan_port(&self, port: u16, when: When) -> Result<()> {
        self.planned_anew()?.lock().ports.insert(0, Counted::new(when, port));
        Ok(())
    }

    /// Plans how cloud-init ends in a guest, counted in looks at it.
    pub fn plan_first_boot(&self, boot: FirstBoot, when: When) -> Result<()> {
        self.planned_anew()?.lock().boots.insert(0, Counted::new(when, boot));
        Ok(())
    }

    /// Plans what a guest prints on its serial console, counted in looks at it.
    pub fn plan_console(&self, text: String, when: When) -> Result<()> {
        self.planned_anew()?.lock().consoles.push(Counted::new(when, text));
        Ok(())
    }

    /// Plans how a program ends: in the guests of that name, or on this machine.
    pub fn plan_program(&self, in_guest: bool, program: Program, when: When) -> Result<()> {
        let mut items = self.planned_anew()?.lock();
        let programs = if in_guest { &mut items.guest_programs } else { &mut items.own_programs };
        programs.push(Counted::new(when, program));
        Ok(())
    }

    /// Plans that the guests of that name have a file, counted in openings of it.
    pub fn plan_file(&self, path: &str, data: Vec<u8>, when: When) -> Result<()> {
        self.planned_anew()?.lock().keep(path, data, when);
        Ok(())
    }

    /// How a program of this machine ends, if that is planned: then it need not be run.
    pub fn planned_program(&self, path: &str, args: &[String]) -> Option<Program> {
        let own = &mut self.plan()?.lock().own_programs;
        first_due(own, |one| one.what.fits(path, args))
    }

    /// Whether somebody listens on a port of an address, if the host has a plan: the address of a guest is the guest's.
    pub(in super::super) fn planned_port_of(&self, address: &str, port: u16) -> Option<bool> {
        let mut items = self.plan()?.lock();
        let wanted: Option<IpAddr> = address.parse().ok();
        let has = |answer: &Answer| matches!(answer, Answer::Address(net) if Some(net.addr()) == wanted);
        let guests = items.answers.iter().filter(|one| has(&one.what.1)).map(|one| one.when.object.clone());
        let guests: Vec<String> = guests.collect();
        let fits =
            |one: &&mut Counted<u16>| one.what == port && (one.when.fits(address) || guests.contains(&one.when.object));
        Some(items.ports.iter_mut().find(fits).is_some_and(Counted::is_due))
    }
}

impl Domain {
    /// What a source tells of its addresses, if that is planned.
    pub(in super::super) fn planned_answer(&self, source: Source) -> Option<Result<Vec<Interface>>> {
        let plan = self.host().plan()?;
        let known = plan.lock().answer(source, self.object())?;
        let address = match known {
            Answer::Address(address) => address,
            // Who has no agent hears nothing; the others just know no address.
            Answer::Nothing if source == Source::Agent => return Some(Err(self.silent_agent())),
            Answer::NoAddress | Answer::Nothing => return Some(Ok(Vec::new())),
        };
        Some(self.xml().and_then(|xml| Wiring::read(&xml)).map(|wiring| {
            let nic = wiring.nics.into_iter().next();
            nic.map_or(Vec::new(), |nic| vec![interface(nic.mac, source, address)])
        }))
    }

    /// Whether its agent answers, if that is planned.
    pub(in super::super) fn planned_agent(&self) -> Option<bool> {
        self.host().plan()?.lock().has_agent(self.object())
    }

    /// Whether somebody listens on a port of it, if the host has a plan: then there is no guest that could be asked.
    pub(in super::super) fn planned_port(&self, port: u16) -> Option<bool> {
        Some(self.host().plan()?.lock().listens(port, self.object()))
    }

    /// What cloud-init has written about its end, if the host has a plan, or why that cannot be read.
    pub(in super::super) fn planned_first_boot(&self) -> Option<Result<String, String>> {
        let mut items = self.host().plan()?.lock();
        if items.has_agent(self.object()) == Some(false) {
            return Some(Err("the agent does not answer".to_string()));
        }
        let boot = items.boots.iter_mut().find(|one| fits(&one.when, self.object()));
        let files = boot.and_then(|one| one.is_due().then(|| one.what.files()));
        Some(files.ok_or_else(|| "it has not written its result yet".to_string()))
    }

    /// What it prints on its serial console from now on, if the host has a plan.
    pub(in super::super) fn planned_console(&self) -> Option<String> {
        let mut items = self.host().plan()?.lock();
        let mut text = String::new();
        let mut at = 0;
        while let Some(one) = items.consoles.get_mut(at) {
            if fits(&one.when, self.object()) && one.is_due() {
                text.push_str(&items.consoles.remove(at).what);
            } else {
                at += 1;
            }
        }
        Some(text)
    }

    /// Lets it go off if the time that is planned for that has come.
    pub(in super::super) fn planned_end(&self) -> Result<()> {
        let Some(plan) = self.host().plan() else { return Ok(()) };
        let end = plan.lock().end(self.object());
        let done = match end {
            None => return Ok(()),
            Some(End::Shutdown) => self.raw()?.shutdown().map(drop),
            // The driver lets a guest crash with a dump of its memory, which nobody wants.
            Some(End::Crash) => self.raw()?.core_dump("/dev/null", sys::VIR_DUMP_CRASH).map(drop),
        };
        done.explain("let go off", self.object())
    }
}

impl Network {
    /// The leases of its running guests, if the host has a plan: those that are planned. The addresses that the driver makes
    /// up would do, too, but it crashes when a guest's network goes away while it is asked.
    pub(in super::super) fn planned_leases(&self) -> Option<Result<Vec<Lease>>> {
        self.host().plan()?;
        Some(self.leases_by_guest())
    }

    fn leases_by_guest(&self) -> Result<Vec<Lease>> {
        let mut leases = Vec::new();
        for domain in self.host().domains()? {
            let wiring = Wiring::read(&domain.xml()?)?;
            if !wiring.networks().contains(&self.name()) || !domain.is_active()? {
                continue;
            }
            let own = |mac: &str| {
                let on_it = |nic: &&Nic| nic.network.as_deref() == Some(self.name());
                wiring.nics.iter().filter(on_it).any(|nic| nic.mac.as_deref() == Some(mac))
            };
            for interface in domain.planned_answer(Source::Lease).unwrap_or(Ok(Vec::new()))? {
                let Some(mac) = interface.hwaddr.filter(|mac| own(mac)) else { continue };
                leases.extend(interface.addrs.into_iter().map(|addr| Lease {
                    mac: mac.clone(),
                    family: addr.family,
                    addr: addr.addr,
                    prefix: addr.prefix,
                    hostname: Some(domain.name().to_string()),
                    client_id: None,
                    iaid: None,
                    expiry: 0,
                    interface: interface.name.clone(),
                }));
            }
        }
        Ok(leases)
    }
}

impl FirstBoot {
    /// The files that cloud-init would have written.
    fn files(&self) -> String {
        let result = json!({ "v1": { "datasource": self.datasource, "errors": self.errors } });
        let status = json!({ "v1": { "init": { "recoverable_errors": { "WARNING": self.warnings } } } });
        format!("{result}\n{status}")
    }
}

impl Items {
    /// What a source tells, if that is planned.
    fn answer(&mut self, source: Source, object: &Object) -> Option<Answer> {
        let own = self.answers.iter_mut().find(|one| one.what.0 == source && fits(&one.when, object));
        if let Some(one) = own {
            return Some(if one.is_due() { one.what.1.clone() } else { Answer::NoAddress });
        }
        if source == Source::Agent && self.agents.iter().any(|one| fits(&one.when, object)) {
            return Some(Answer::NoAddress);
        }
        // Where an address is planned for one source, the others know nothing by themselves.
        let elsewhere = |one: &Counted<(Source, Answer)>| fits(&one.when, object) && one.what.1 != Answer::Nothing;
        self.answers.iter().any(elsewhere).then_some(Answer::Nothing)
    }

    fn listens(&mut self, port: u16, object: &Object) -> bool {
        let planned = self.ports.iter_mut().find(|one| one.what == port && fits(&one.when, object));
        planned.is_some_and(Counted::is_due)
    }

    fn has_agent(&mut self, object: &Object) -> Option<bool> {
        if let Some(agent) = self.agents.iter_mut().find(|one| fits(&one.when, object)) {
            return Some(agent.is_due());
        }
        let own = self.answers.iter().find(|one| one.what.0 == Source::Agent && fits(&one.when, object))?;
        Some(own.what.1 != Answer::Nothing)
    }

    fn end(&mut self, object: &Object) -> Option<End> {
        let one = self.ends.iter_mut().find(|one| fits(&one.when, object))?;
        one.is_due().then_some(one.what)
    }
}

/// Whether something is planned for an object: by its name, or by its kind and name.
pub(super) fn fits(when: &When, object: &Object) -> bool {
    when.fits(&object.name) || when.fits(&object.plain())
}

fn interface(mac: Option<String>, source: Source, address: IpNet) -> Interface {
    let family = if address.addr().is_ipv4() { Family::V4 } else { Family::V6 };
    let addr = Address { family, addr: address.addr().to_string(), prefix: address.prefix_len().into(), source };
    Interface { name: "eth0".to_string(), hwaddr: mac, addrs: vec![addr] }
}
