//! Asking the guest agent without being kept by a guest that hangs.

use super::Tick;
use super::background::Background;
use super::poll::Poll;
use crate::floor::Result;
use crate::libvirt::wiring::{Channel, Wiring};
use crate::libvirt::{Domain, Interface, Source};
use std::time::Duration;

/// The pause between an answer and the next question grows between these.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(2)];
/// A channel of which no event tells is looked at by its XML.
const RECHECK: Duration = Duration::from_secs(1);
/// Without a channel there is nothing to ask in a real host, but drivers differ.
const WITHOUT_CHANNEL: Duration = Duration::from_secs(30);

/// Asks the agent on a thread of its own, as a guest that hangs may keep the question for seconds.
pub(super) struct AgentProbe {
    channel: Channel,
    asked: Background<Result<Vec<Interface>>>,
    pause: Duration,
    next: Duration,
    next_check: Duration,
}

impl AgentProbe {
    pub(super) fn new(channel: Channel) -> Self {
        let zero = Duration::ZERO;
        Self { channel, asked: Background::default(), pause: PAUSES[0], next: zero, next_check: zero }
    }

    /// What is known about the channel.
    pub(super) fn channel(&self) -> Channel {
        self.channel
    }

    /// The answer if there is a new one; asks again when it is time.
    pub(super) fn poll(&mut self, domain: &Domain, uuid: &str, tick: Tick) -> Option<Result<Vec<Interface>>> {
        if let Some(answers) = domain.planned_agent() {
            self.channel = Channel::Connected;
            if !answers {
                // It hangs: the question was asked, and nothing comes.
                return None;
            }
        }
        if let Some(answer) = self.asked.take() {
            let without = self.channel == Channel::Absent && answer.is_err();
            self.next = tick.now + if without { WITHOUT_CHANNEL } else { self.pause };
            self.pause = (self.pause * 3 / 2).min(PAUSES[1]);
            return Some(answer);
        }
        if self.asked.is_busy() {
            return None;
        }
        let poll: &Poll = domain.host().poll();
        let before = self.channel;
        match poll.agent(uuid) {
            Some(true) => self.channel = Channel::Connected,
            Some(false) => self.channel = Channel::Disconnected,
            // Where agents have events, one comes as soon as the guest opens the channel.
            None if self.channel == Channel::Disconnected && self.next_check <= tick.now => {
                self.next_check = tick.now + RECHECK;
                if poll.may_ask(tick.now)
                    && let Ok(wiring) = domain.xml().and_then(|xml| Wiring::read(&xml))
                {
                    self.channel = wiring.agent;
                }
            }
            None => {}
        }
        let opened = before != Channel::Connected && self.channel == Channel::Connected;
        if opened {
            self.next = tick.now;
            self.pause = PAUSES[0];
        }
        let due = self.next <= tick.now && self.channel != Channel::Disconnected;
        if due && (opened || poll.may_ask(tick.now)) {
            let domain = domain.clone();
            self.asked.ask("agent", move || domain.ask_now(Source::Agent));
        }
        None
    }
}
