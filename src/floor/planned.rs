//! When something that a test plans comes to pass.

use std::time::Duration;

/// When something planned comes to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// What it is about: the name of an object, or its kind and name, a URL, a command; `*` stands for any text.
    pub object: String,
    /// How often it is as if nothing was planned.
    pub after: u64,
    /// How often it comes to pass then; always if this is not given.
    pub times: Option<u64>,
}

impl When {
    /// Whether it is about something of this name.
    pub fn fits(&self, name: &str) -> bool {
        glob(&self.object, name)
    }
}

/// Something planned, and how often it was looked at.
#[derive(Debug)]
pub struct Counted<T> {
    /// When it comes to pass.
    pub when: When,
    seen: u64,
    /// What it is.
    pub what: T,
}

impl<T> Counted<T> {
    /// Something that nobody has looked at yet.
    pub fn new(when: When, what: T) -> Self {
        Self { when, seen: 0, what }
    }

    /// Whether it has come to pass.
    pub fn has_come(&self) -> bool {
        self.seen > self.when.after
    }

    /// Counts; whether it comes to pass this time.
    pub fn is_due(&mut self) -> bool {
        self.seen += 1;
        let last = self.when.times.map_or(u64::MAX, |times| self.when.after.saturating_add(times));
        (self.when.after + 1..=last).contains(&self.seen)
    }
}

/// All of those that fit count, and the first whose time has come decides.
pub fn first_due<T: Clone>(plans: &mut [Counted<T>], fits: impl Fn(&Counted<T>) -> bool) -> Option<T> {
    let due: Vec<_> =
        plans.iter_mut().filter(|one| fits(one)).filter_map(|one| one.is_due().then(|| one.what.clone())).collect();
    due.into_iter().next()
}

/// A program that is not run, but ends as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its command line, its name, or the line that a shell is given; `*` stands for any text.
    pub command: String,
    /// With which code it ends.
    pub exit_code: i64,
    /// What it writes to its standard output.
    pub stdout: String,
    /// What it writes to its standard error.
    pub stderr: String,
    /// How long it takes.
    pub time: Duration,
}

impl Program {
    /// Whether it is the program of this path with these arguments.
    pub fn fits(&self, path: &str, args: &[String]) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let line = |program: &str| [&[program.to_string()], args].concat().join(" ");
        let given_to_shell = args.iter().skip_while(|one| *one != "-c").nth(1).map(String::as_str).unwrap_or_default();
        [path, name, &line(path), &line(name), given_to_shell].iter().any(|one| glob(&self.command, one))
    }
}

/// Whether a name fits a pattern of `*` and `?`. Takes no longer than the product of both lengths.
pub fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // Which beginnings of the pattern fit the name so far.
    let mut fits = vec![false; pattern.len() + 1];
    fits[0] = true;
    let skip_stars = |fits: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            fits[at + 1] |= fits[at] && pattern[at] == '*';
        }
    };
    skip_stars(&mut fits);
    for letter in name.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for at in 0..pattern.len() {
            match pattern[at] {
                '*' => next[at] |= fits[at],
                one => next[at + 1] |= fits[at] && (one == '?' || one == letter),
            }
        }
        fits = next;
        skip_stars(&mut fits);
    }
    fits[pattern.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, name, fits) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web-*", "web-1", true),
            ("web-*", "web", false),
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
            ("w?b*1", "web-11", true),
            ("w?b*1", "web-12", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(glob(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn programs_are_known_by_name_line_and_what_a_shell_is_told() {
        let program = |command: &str| Program {
            command: command.to_string(),
            exit_code: 0,
            stdout: String::new(),
            stderr: String::new(),
            time: Duration::ZERO,
        };
        let args = ["-c".to_string(), "uptime -p".to_string()];
        for fits in ["sh", "/bin/sh", "sh -c uptime -p", "uptime*", "*-p"] {
            assert!(program(fits).fits("/bin/sh", &args), "{fits}");
        }
        assert!(!program("uptime").fits("/bin/sh", &args));
        assert!(program("ssh *root@10.0.0.5 *").fits("ssh", &["-q".into(), "root@10.0.0.5".into(), "true".into()]));
    }
}
