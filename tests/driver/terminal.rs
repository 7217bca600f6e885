//! The REPL at a real terminal: the program in tmux, keys in, the screen out.

use super::support::Host;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// So long something may take to appear on the screen; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a terminal of its own.
struct Terminal {
    host: Host,
    socket: PathBuf,
}

impl Terminal {
    /// Opens the prompt on a test host of its own.
    fn open() -> Self {
        Self::on(Host::new(), &[], "xterm-256color", &[])
    }

    fn on(host: Host, environment: &[(&str, &str)], term: &str, arguments: &[&str]) -> Self {
        let socket = host.folder().join("tmux");
        let terminal = Self { host, socket };
        let mut program = vec!["env".to_string()];
        for name in ["VMSCRIPT_LOG", "LIBVIRT_DEFAULT_URI", "NO_COLOR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            program.extend(["-u".to_string(), name.to_string()]);
        }
        let own = [("HOME", terminal.home()), ("VMSCRIPT_CONNECT", terminal.host.uri()), ("TERM", term.to_string())];
        program.extend(own.iter().map(|(name, value)| format!("{name}={value}")));
        program.extend(environment.iter().map(|(name, value)| format!("{name}={value}")));
        program.push(env!("CARGO_BIN_EXE_vmscript").to_string());
        program.extend(arguments.iter().map(ToString::to_string));
        // What follows shows how the program ended.
        let line = format!("{}; echo left with $?; sleep 60", program.join(" "));
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "40",
            "-c",
            &terminal.home(),
            &line,
        ]);
        terminal
    }

    fn home(&self) -> String {
        self.host.folder().display().to_string()
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output();
        let output = output.expect("tmux is there: `scripts/setup test` installs it");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types text as it is.
    fn write(&self, text: &str) {
        // For tmux a semicolon at the end would begin the next command.
        let text = text.strip_suffix(';').map_or(text.to_string(), |text| format!("{text}\\;"));
        self.tmux(&["send-keys", "-l", &text]);
    }

    /// Presses keys by their names.
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Presses Tab until the screen shows a text: names of a host that does not answer at once are asked for anew each time.
    fn completes(&self, text: &str) {
        let start = Instant::now();
        while !self.screen().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text}:\n{}", self.screen());
            self.press(&["Tab"]);
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Gives up the line. What comes in the same breath as Ctrl-C would be lost with it.
    fn give_up(&self) {
        self.press(&["C-c"]);
        self.ready();
    }

    /// Types a line.
    fn enter(&self, line: &str) {
        self.write(line);
        self.press(&["Enter"]);
    }

    /// Pastes a text as a terminal does.
    fn paste(&self, text: &str) {
        let file = self.host.folder().join("paste");
        std::fs::File::create(&file).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
        self.tmux(&["load-buffer", &file.display().to_string()]);
        self.tmux(&["paste-buffer", "-p"]);
    }

    /// What is on the screen, with what scrolled away.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-2000"])
    }

    /// The same with its colours, without the changes back to the terminal's own.
    fn colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"]).replace("\x1b[39m", "").replace("\x1b[49m", "")
    }

    /// Waits until the screen is as wanted; gives it.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "no {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the screen shows a text.
    fn shows(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits for an empty prompt at the end.
    fn ready(&self) -> String {
        self.wait("prompt", |screen| screen.trim_end().ends_with("vmscript>"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed has told so already.
        drop(Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output());
    }
}

#[test]
fn tab_completes_and_hints_show_behind_the_cursor() {
    let terminal = Terminal::open();
    terminal.shows("libvirt 9.0.0; `:help` for help");
    terminal.write("let vm = host.find_d");
    terminal.completes("host.find_domain(name: string)");
    terminal.write("\"w");
    terminal.completes("find_domain(\"web");
    terminal.enter("\")");
    terminal.write("vm.suspen");
    terminal.shows("vm.suspend()");
    terminal.press(&["Right", "Enter"]);
    terminal.enter("vm.state");
    terminal.shows("\"paused\"");
    terminal.write("domain(#{ devices: #{ disks: [ #{ driver: #{ cac");
    terminal.press(&["Tab"]);
    terminal.write("\"wri");
    terminal.press(&["Tab", "Tab"]);
    terminal.shows("writethrough");
    terminal.give_up();
    terminal.press(&["C-d"]);
    terminal.shows("left with 0");
}

#[test]
fn a_line_goes_on_until_its_brackets_are_closed_and_has_colours() {
    let terminal = Terminal::open();
    terminal.ready();
    terminal.enter("fn add(a, b) {");
    terminal.enter("    a + b // adds");
    terminal.enter("}");
    terminal.enter("add(1,");
    terminal.enter("41)");
    terminal.wait("42", |screen| screen.lines().any(|line| line == "42"));
    terminal.ready();
    terminal.write("let x = add(1, \"b\")");
    terminal.shows("let x = add(1, \"b\")");
    let colours = terminal.colours();
    assert!(colours.contains("\x1b[35mlet"), "{colours}");
    // The bracket before the cursor and its partner are marked.
    assert_eq!(colours.matches("\x1b[1;7m").count(), 2, "{colours}");
    terminal.give_up();
    terminal.enter("vm.sate");
    terminal.shows("error: no variable `vm`");
    assert!(terminal.colours().contains("\x1b[91merror"), "{}", terminal.colours());
}

#[test]
fn ctrl_c_stops_a_wait_and_keeps_the_session() {
    let terminal = Terminal::open();
    terminal.ready();
    terminal.enter("let vm = host.domain(\"web\"); let kept = 12345;");
    // An address that never comes.
    terminal.enter("vm.wait_for_ip(#{ timeout: 600, subnet: \"10.99.0.0/16\" })");
    terminal.shows("10.99.0.0/16");
    std::thread::sleep(Duration::from_millis(700));
    let start = Instant::now();
    terminal.press(&["C-c"]);
    terminal.shows("error: interrupted");
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    terminal.enter("loop { }");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press(&["C-c"]);
    terminal.wait("second interruption", |screen| screen.matches("error: interrupted").count() == 2);
    terminal.enter("kept + 1");
    terminal.shows("12346");
}

#[test]
fn a_script_of_two_hundred_lines_can_be_pasted() {
    let terminal = Terminal::open();
    terminal.ready();
    let mut script = String::from("let total = 0;\nfn twice(n) {\n    n * 2\n}\n\n");
    for line in 0..195 {
        script.push_str(&format!("total += twice({line}); // line {line}\n"));
    }
    assert_eq!(script.lines().count(), 200);
    terminal.paste(&script);
    terminal.shows("// line 194");
    terminal.press(&["Enter"]);
    terminal.enter("total");
    terminal.wait("sum", |screen| screen.lines().any(|line| line == "37830"));
    // It is one entry of the history, which comes back as a whole.
    terminal.press(&["Up", "Up"]);
    terminal.wait("pasted lines", |screen| screen.matches("// line 194").count() >= 2);
}

#[test]
fn the_width_of_the_terminal_is_respected_after_it_changes() {
    let terminal = Terminal::open();
    terminal.ready();
    terminal.enter("host.pool(\"default\").volumes()");
    terminal.shows("/srv/images/web.qcow2");
    terminal.tmux(&["resize-window", "-x", "50", "-y", "30"]);
    terminal.press(&["C-l"]);
    terminal.enter("host.pool(\"default\").volumes()");
    let screen = terminal.wait("cut table", |screen| screen.lines().any(|line| line.ends_with("...")));
    assert!(screen.lines().all(|line| line.chars().count() <= 50), "{screen}");
}

#[test]
fn a_command_asks_and_no_is_no_interruption() {
    let arguments = ["network", "delete", "--force", "default"];
    let terminal = Terminal::on(Host::new(), &[], "xterm-256color", &arguments);
    terminal.shows("delete the network default? [y/N]");
    terminal.enter("n");
    terminal.shows("error: nothing was deleted");
    terminal.shows("left with 1\n");
    // An interruption is one, and needs no Enter.
    let terminal = Terminal::on(Host::new(), &[], "xterm-256color", &arguments);
    terminal.shows("delete the network default? [y/N]");
    terminal.press(&["C-c"]);
    terminal.shows("error: interrupted");
    terminal.shows("left with 130");
}

#[test]
fn a_table_fits_the_terminal_and_tells_what_it_leaves_out() {
    let terminal = Terminal::on(Host::new(), &[], "xterm-256color", &["vm", "list", "--wide"]);
    let screen = terminal.shows("left with 0");
    // The last one is there, be its head on one line or two.
    assert!(screen.contains("PROTECTED") && !screen.contains("note:"), "{screen}");
    terminal.tmux(&["resize-window", "-x", "50", "-y", "30"]);
    let program = env!("CARGO_BIN_EXE_vmscript");
    let program = format!("env HOME={} {program} -c {}", terminal.home(), terminal.host.uri());
    let line = format!("{program} vm list --wide; echo left again; sleep 60");
    terminal.tmux(&["respawn-pane", "-k", &line]);
    let screen = terminal.shows("left again");
    assert!(screen.contains("192.168.122.3/24") && screen.contains("note: no room for"), "{screen}");
    assert!(screen.lines().all(|line| !line.starts_with("web") || line.chars().count() <= 50), "{screen}");
}

#[test]
fn destroying_asks_and_a_watch_ends_with_a_key() {
    let terminal = Terminal::open();
    terminal.ready();
    terminal.enter("host.domain(\"web\").destroy()");
    terminal.shows("destroy domain web? [y/N]");
    terminal.press(&["Enter"]);
    terminal.shows("was not confirmed");
    terminal.enter(":events");
    // Only then is somebody there to press a key.
    std::thread::sleep(Duration::from_millis(300));
    terminal.press(&["q"]);
    terminal.ready();
    terminal.enter(":watch host.domain(\"web\").state 100ms");
    terminal.shows("\"running\"");
    terminal.press(&["q"]);
    terminal.ready();
    terminal.enter("host.domain(\"web\").destroy()");
    terminal.wait("second question", |screen| screen.matches("destroy domain web? [y/N]").count() == 2);
    terminal.enter("y");
    terminal.enter("host.domain(\"web\").state");
    terminal.shows("\"shut off\"");
    terminal.enter(":set confirm off");
    terminal.enter("host.domain(\"web\").undefine()");
    terminal.enter("host.domains().map(|vm| vm.name)");
    let screen = terminal.shows("[\"idle\"]");
    assert!(!screen.contains("undefine domain"), "{screen}");
}

#[test]
fn names_of_wide_letters_keep_the_columns_and_secrets_stay_unseen() {
    let terminal = Terminal::on(Host::new(), &[("VNC_PASSWORD", "sesame-0817")], "xterm-256color", &[]);
    terminal.ready();
    terminal.enter("host.define_network(#{ name: \"虚拟网络\", bridge: \"virbr9\" });");
    terminal.write("host.network(\"虚");
    terminal.completes("host.network(\"虚拟网络");
    terminal.enter("\").is_active");
    terminal.shows("false");
    terminal.enter("host.networks()");
    let table = terminal.wait("table", |screen| screen.lines().any(|line| line == "虚拟网络  no      no"));
    assert!(table.lines().any(|line| line == "default   yes     no"), "{table}");
    terminal.enter("graphics(#{ type: \"vnc\", passwd: secret(\"env:VNC_PASSWORD\") }).xml");
    terminal.shows("passwd='***'");
    terminal.enter("let typed = secret(\"sesame-0818\")");
    terminal.shows("a secret is not written down");
    terminal.press(&["C-d"]);
    terminal.shows("left with 0");
    let file = std::fs::read_to_string(terminal.host.folder().join(".local/state/vmscript/history")).expect("written");
    assert!(file.contains("env:VNC_PASSWORD") && !file.contains("sesame"), "{file}");
    assert!(!terminal.screen().contains("sesame-0817"), "{}", terminal.screen());
}

#[test]
fn the_history_is_there_in_the_next_session_without_secrets() {
    let terminal = Terminal::open();
    terminal.ready();
    terminal.enter("let first = 1;");
    terminal.enter("let password = \"hunter2\";");
    terminal.enter("let first = 1;");
    terminal.press(&["C-d"]);
    terminal.shows("left with 0");
    let file = std::fs::read_to_string(terminal.host.folder().join(".local/state/vmscript/history")).expect("written");
    assert_eq!(file, "#V2\nlet first = 1;\n");
    let config = terminal.host.folder().join(".config/vmscript");
    std::fs::create_dir_all(&config).expect("made");
    std::fs::write(config.join("init.rhai"), ":set keys vi\nlet mine = 77;\n").expect("written");
    let line = format!("env HOME={} {}", terminal.home(), env!("CARGO_BIN_EXE_vmscript"));
    terminal.tmux(&["respawn-pane", "-k", &format!("{line} -c {}; echo left with $?; sleep 60", terminal.host.uri())]);
    terminal.ready();
    // A key may come before the line editor has the terminal, and be lost; there is only one line to go up to.
    terminal.wait("line of before", |screen| {
        let there = screen.trim_end().ends_with("vmscript> let first = 1;");
        if !there {
            terminal.press(&["Up"]);
        }
        there
    });
    terminal.give_up();
    // vi's keys from the user's own file: `0` goes to the begin of the line, `x` deletes a letter.
    terminal.write("xmine");
    terminal.press(&["Escape"]);
    std::thread::sleep(Duration::from_millis(600));
    terminal.write("0x");
    terminal.press(&["Enter"]);
    terminal.wait("77", |screen| screen.lines().any(|line| line == "77"));
}

#[test]
fn the_prompt_does_not_wait_for_a_host_that_does_not_answer() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = silent.local_addr().expect("bound").port();
    let uri = format!("qemu+tcp://127.0.0.1:{port}/system");
    let terminal = Terminal::on(Host::new(), &[], "xterm-256color", &["-c", &uri]);
    terminal.shows("connecting to qemu+tcp://127.0.0.1");
    terminal.enter("1 + 41");
    terminal.wait("42", |screen| screen.lines().any(|line| line == "42"));
    // Ctrl-C may come before the line runs, and gives up the line then.
    let mut tries = 0;
    while !terminal.screen().contains("error: interrupted") {
        assert!(tries < 20, "the wait is not interrupted:\n{}", terminal.screen());
        tries += 1;
        terminal.enter("host.domains()");
        std::thread::sleep(Duration::from_millis(500));
        terminal.press(&["C-c"]);
        std::thread::sleep(Duration::from_millis(500));
    }
    terminal.enter(":quit");
    terminal.shows("left with 0");
}

#[test]
fn a_dumb_terminal_and_no_colour_will_do() {
    let terminal = Terminal::on(Host::new(), &[], "dumb", &[]);
    terminal.ready();
    terminal.enter("[1,");
    terminal.enter("2]");
    terminal.shows("[1, 2]");
    terminal.enter("host.domain(\"wbe\")");
    terminal.shows("did you mean `web`?");
    assert!(!terminal.colours().contains("\x1b[91m"), "{}", terminal.colours());
    drop(terminal);
    let terminal = Terminal::on(Host::new(), &[("NO_COLOR", "1")], "xterm-256color", &[]);
    terminal.ready();
    terminal.enter("let x = host.domain(\"wbe\")");
    terminal.shows("did you mean `web`?");
    assert!(!terminal.colours().contains("\x1b[3"), "{}", terminal.colours());
}
