//! The REPL without a terminal: transcripts in `tests/repl` and in the book, completion, hints, colours, the pipe.
//!
//! A transcript is what a session looks like: lines behind `vmscript> ` and, where one goes on, behind `        | `, are typed;
//! the lines below each are what it must show. `UPDATE=1` rewrites them.

use super::support::{Host, root, same_as_committed, text};
use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vmscript::repl::{Repl, Surroundings, Then};
use vmscript::script::Settings;

const PROMPT: &str = "vmscript> ";
const MORE: &str = "        | ";

/// A session on a test host of its own.
struct Prompt {
    host: Host,
    repl: Repl,
    printed: Arc<Mutex<String>>,
}

impl Prompt {
    fn new() -> Self {
        Self::with(Surroundings::default())
    }

    fn with(surroundings: Surroundings) -> Self {
        let host = Host::new();
        let printed: Arc<Mutex<String>> = Arc::default();
        let lines = printed.clone();
        let script = Settings {
            uri: Some(host.uri()),
            print: Some(Arc::new(move |line| {
                let mut lines = lines.lock().expect("nobody panics with it");
                lines.push_str(&format!("{line}\n"));
            })),
            ..Settings::default()
        };
        let repl = Repl::new(Surroundings { script, ..surroundings });
        Self { host, repl, printed }
    }

    /// Types a line; gives everything it shows.
    fn type_line(&mut self, line: &str) -> String {
        let mut reply = self.repl.step(line);
        if let Then::Watch(expression, _) = &reply.then {
            reply = self.repl.watch(&expression.clone());
        }
        let mut shown = std::mem::take(&mut *self.printed.lock().expect("nobody panics with it"));
        for text in [reply.out, reply.err] {
            if !text.is_empty() {
                shown.push_str(&text);
                shown.push('\n');
            }
        }
        match reply.then {
            Then::Leave => shown.push_str(&format!("(left with {})\n", reply.code)),
            Then::More => shown.push_str("(goes on)\n"),
            _ => {}
        }
        shown
    }

    /// What Tab offers at the end of a line.
    fn complete(&mut self, line: &str) -> Vec<String> {
        self.type_line("host.uri;");
        let (start, found) = self.repl.complete(line, line.len());
        assert!(found.iter().all(|candidate| candidate.text.starts_with(&line[start..])), "{line}: {found:?}");
        found.into_iter().map(|candidate| candidate.text).collect()
    }
}

#[test]
fn every_transcript_shows_what_it_says() {
    let mut wrong = Vec::new();
    // The editor is another program, and events come when they come: they have tests of their own.
    let mut typed = format!("{PROMPT}:edit\n{PROMPT}:events\n");
    let mut files: Vec<_> = std::fs::read_dir(root().join("tests/repl"))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry is readable").path())
        .collect();
    files.sort();
    for file in &files {
        let transcript = std::fs::read_to_string(file).expect("a transcript is text");
        typed.push_str(&transcript);
        same_as_committed(file, &replay(&transcript), &mut wrong);
    }
    assert!(wrong.is_empty(), "these show something else (UPDATE=1 rewrites them): {wrong:#?}");
    // Every command must be in one of them.
    let help = Prompt::new().type_line(":help");
    let commands: Vec<_> = help.lines().filter_map(|line| line.strip_prefix(':')?.split_whitespace().next()).collect();
    assert!(commands.len() > 20, "{help}");
    let missing: Vec<_> = commands.iter().filter(|command| !typed.contains(&format!("{PROMPT}:{command}"))).collect();
    assert!(missing.is_empty(), "no transcript has these commands: {missing:?}");
}

#[test]
fn the_tour_of_the_book_shows_what_it_says() {
    let page = root().join("book/src/repl.md");
    let text = std::fs::read_to_string(&page).expect("the page is there");
    // One session from the first block to the last.
    let mut prompt = Prompt::new();
    let mut shown = String::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match &mut block {
            Some(transcript) if line == "```" => {
                shown.push_str(&replay_in(&mut prompt, transcript));
                shown.push_str("```\n");
                block = None;
            }
            Some(transcript) => transcript.push_str(&format!("{line}\n")),
            None => {
                shown.push_str(&format!("{line}\n"));
                block = (line == "```text").then(String::new);
            }
        }
    }
    let mut wrong = Vec::new();
    same_as_committed(&page, &shown, &mut wrong);
    assert!(wrong.is_empty(), "the tour shows something else (UPDATE=1 rewrites it):\n{shown}");
    assert!(text.matches(PROMPT).count() > 20, "the tour is a tour");
}

#[test]
fn tab_offers_what_can_stand_there() {
    let mut prompt = Prompt::new();
    for line in ["let vm = host.domain(\"web\");", "let data = #{ alpha: 1, beta: [1] };", "fn my_own(x) { x }"] {
        assert_eq!(prompt.type_line(line), "");
    }
    prompt.type_line("import \"std/wait\" as wait;");
    assert_eq!(prompt.type_line("vm.create_snapshot(#{ name: \"clean\" });"), "");
    std::fs::write(prompt.host.folder().join("disk.img"), "").expect("written");
    let file = format!("host.pool(\"default\").volume(\"web.qcow2\").upload(\"{}/di", prompt.host.folder().display());
    for (line, expected) in [
        // Commands and what they take.
        (":hi", &[":history"][..]),
        (":wa", &[":watch"]),
        (":help wait_for_i", &["wait_for_ip"]),
        (":log d", &["debug"]),
        (":set def", &["definitions"]),
        (":set definitions ", &["rhai", "xml"]),
        (":type vm.auto", &["autostart"]),
        // Methods and properties by type, from values, properties and look-ups, and Rhai's own.
        ("vm.shutd", &["shutdown("]),
        ("vm.host.lib_", &["lib_version"]),
        ("vm.definition.to_m", &["to_map()"]),
        ("host.domain(\"web\").wait_for_ip", &["wait_for_ip("]),
        ("host.find_domain(\"web\").wait_for_ip", &["wait_for_ip("]),
        ("host.domains()[0].auto", &["autostart"]),
        ("connect().find_n", &["find_network("]),
        ("network(#{ name: \"a\" }).ki", &["kind"]),
        ("\"text\".to_up", &["to_upper()"]),
        ("[1, 2].redu", &["reduce(", "reduce_rev("]),
        ("data.al", &["alpha"]),
        ("data.beta.rev", &["reverse()"]),
        ("print(vm.auto", &["autostart"]),
        // Names and functions.
        ("my_o", &["my_own("]),
        ("wait::po", &["poll("]),
        ("let y = dat", &["data"]),
        ("conne", &["connect("]),
        ("conti", &["continue"]),
        // What is on the host.
        ("host.domain(\"", &["idle", "web"]),
        ("host.find_domain(\"w", &["web"]),
        ("vm.host.network(\"", &["default"]),
        ("host.pool(\"default\").volume(\"", &["web.qcow2"]),
        ("vm.snapshot(\"", &["clean"]),
        ("host.domain(\"web\").snapshot(\"cl", &["clean"]),
        // Keys and values of definitions, options, modules, files.
        ("domain(#{ devices: #{ disks: [ #{ dri", &["driver: "]),
        ("host.define_domain(#{ devices: #{ disks: [ #{}, #{ driver: #{ cach", &["cache: "]),
        ("host.provision(#{ on_po", &["on_poweroff: "]),
        ("domain(#{ on_poweroff: \"destroy\", on_po", &[]),
        ("domain(#{ on_poweroff: ", &["\"destroy\"", "\"preserve\"", "\"rename-restart\"", "\"restart\""]),
        ("domain(#{ on_poweroff: \"pre", &["preserve"]),
        ("domain(#{ devices: #{ interfaces: [ #{ source: #{ network: \"de", &["default"]),
        ("domain(#{ devices: #{ disks: [ #{ source: #{ pool: \"default\", volume: \"", &["web.qcow2"]),
        ("vm.wait_for_ip(#{ fam", &["family: "]),
        ("import \"std/wa", &["std/wait"]),
        (&file, &["disk.img"]),
        // Nothing in a comment, and nothing that does not begin like the word.
        ("// ho", &[]),
        ("vm.no_such_thing", &[]),
    ] {
        let found = prompt.complete(line);
        let found: Vec<_> = match line {
            // Everything else that can begin an expression may follow as well.
            _ if line.ends_with("on_poweroff: ") => found.into_iter().filter(|one| one.starts_with('"')).collect(),
            _ => found,
        };
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn hints_show_signatures_names_and_what_fields_take() {
    let mut prompt = Prompt::new();
    prompt.type_line("let vm = host.domain(\"web\"); fn own(a, b) { }");
    prompt.type_line("fn own(a, b) { }");
    for (line, expected) in [
        ("vm.suspend", Some("()")),
        ("vm.shutdo", Some("wn(")),
        ("host.domain(", Some("name: string)")),
        ("own(1,", Some("b: any)")),
        ("own", Some("(a: any, b: any) -> any")),
        (":watch", Some(" EXPR [INTERVAL]")),
        (":quit", None),
        ("domain(#{ devices: #{ disks: [ #{ readonly:", Some(" true or false")),
        ("\"open", None),
        ("vm.name", None),
        ("", None),
    ] {
        let hint = prompt.repl.hint(line).map(|hint| hint.shown);
        assert_eq!(hint.as_deref(), expected, "{line}");
    }
    assert_eq!(prompt.repl.hint("vm.shutdo").and_then(|hint| hint.insert).as_deref(), Some("wn("));
    assert_eq!(prompt.repl.hint("host.domain(").and_then(|hint| hint.insert), None);
}

#[test]
fn the_line_has_colours_and_marks_the_bracket_at_the_cursor() {
    let mut prompt = Prompt::with(Surroundings { color: true, ..Surroundings::default() });
    let bare = |shown: &str| {
        let parts = shown.split("\x1b[").enumerate();
        parts
            .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
            .collect::<String>()
    };
    for line in ["let x = f(1, \"a\"); // c", "  :watch host.domains() 1", "`open ${", ":nonsense x", "ä.ö(\"ü\")"] {
        let shown = prompt.repl.highlight(line, line.len());
        assert_eq!(bare(&shown), line);
        assert!(shown.contains("\x1b["), "{shown}");
    }
    let marked = prompt.repl.highlight("f(g(1))", 7);
    assert_eq!(marked.matches("\x1b[1;7m").count(), 2, "{marked}");
    assert!(marked.contains("f\x1b[0m\x1b[1;7m("), "{marked}");
    prompt.type_line(":set color off");
    assert_eq!(prompt.repl.highlight("let x = 1", 0), "let x = 1");
}

#[test]
fn each_object_is_asked_about_once_in_a_line_before_it_is_destroyed() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, answers) = (asked.clone(), Arc::new(Mutex::new(vec![true, true, false])));
    let ask = Arc::new(move |question: &str| {
        seen.lock().expect("nobody panics with it").push(question.to_string());
        answers.lock().expect("nobody panics with it").pop().expect("asked three times at most")
    });
    let mut prompt = Prompt::with(Surroundings { ask: Some(ask), ..Surroundings::default() });
    prompt.type_line("let vm = host.domain(\"web\");");
    let refused = prompt.type_line("vm.destroy()");
    assert!(refused.contains("error: `destroy` of domain web was not confirmed"), "{refused}");
    assert_eq!(prompt.type_line("vm.state"), "\"running\"\n");
    assert_eq!(prompt.type_line("vm.destroy(); vm.undefine(); host.domain(\"idle\").undefine(#{});"), "");
    assert_eq!(prompt.type_line("host.domains()"), "[]\n");
    let questions = ["destroy domain web?", "destroy domain web?", "undefine domain idle?"];
    assert_eq!(*asked.lock().expect("nobody panics with it"), questions);
    // Lists have `remove` too, which destroys nothing; and the user can do without the questions.
    assert_eq!(prompt.type_line("[1, 2].remove(0)"), "1\n");
    prompt.type_line(":set confirm off");
    assert_eq!(prompt.type_line("host.network(\"default\").destroy()"), "");
}

#[test]
fn events_of_the_host_are_told_since_they_were_asked_for() {
    let mut prompt = Prompt::new();
    assert_eq!(prompt.repl.step(":events").then, Then::Events);
    assert_eq!(prompt.type_line("let vm = host.domain(\"web\"); vm.suspend(); vm.resume();"), "");
    let start = Instant::now();
    let mut told = String::new();
    while told.lines().count() < 2 {
        assert!(start.elapsed() < Duration::from_secs(10), "only these events: {told}");
        let news = prompt.repl.events().out;
        if !news.is_empty() {
            told.push_str(&format!("{news}\n"));
        }
    }
    let kinds: Vec<_> = told.lines().map(|line| line.split("  detail").next().unwrap_or_default()).collect();
    assert_eq!(kinds, ["lifecycle  web  event: \"suspended\"", "lifecycle  web  event: \"resumed\""], "{told}");
    assert_eq!(prompt.repl.events().out, "");
}

#[test]
fn a_pipe_gives_results_on_output_and_errors_on_error() {
    let host = Host::new();
    let run = |input: &str, args: &[&str]| {
        let mut command = host.command(args);
        command.env("HOME", host.folder()).env("EDITOR", "sed -i s/.*/40+2/");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("the program ends");
        (text(&output.stdout), text(&output.stderr), output.status.code())
    };
    assert_eq!(run("", &[]), (String::new(), String::new(), Some(0)));
    assert_eq!(run("let x = [\n1,\n2]\nx\nprint(3)", &[]), ("[1, 2]\n3\n".into(), String::new(), Some(0)));
    let (out, err, code) = run("1\nhost.domain(\"nobody\")\nnonsense\n2\n", &[]);
    assert_eq!((out.as_str(), code), ("1\n2\n", Some(4)));
    assert!(err.contains("there is no domain `nobody`") && err.contains("no variable `nonsense`"), "{err}");
    assert_eq!(run("1\nexit(7)\n2", &[]), ("1\n".into(), String::new(), Some(7)));
    assert_eq!(run("f(", &[]).2, Some(1));
    // Nobody is asked without a terminal, and nothing is remembered.
    assert_eq!(run("host.domain(\"web\").destroy()", &[]).2, Some(0));
    assert!(!host.folder().join(".local").exists());
    assert_eq!(run(":! echo hi; exit 3\n1;\n:edit", &[]), ("hi\n42\n".into(), "exit code 3\n".into(), Some(1)));
    assert_eq!(run(":log trace\nhost.domain(\"idle\").start();\n:log error", &[]).2, Some(0));
    // A file first, and lines of the user's own.
    std::fs::write(host.folder().join("a.rhai"), "let a = 1; fn f(x) { x + 1 }").expect("written");
    std::fs::write(
        host.folder().join("mine.rhai"),
        ":set definitions xml\nlet b = 2;\nif b == 1 { }\nelse { b = 3; }\n",
    )
    .expect("written");
    let (out, err, _) = run("f(a) + b\nnetwork(#{ name: \"n\" })", &["-i", "a.rhai", "--init", "mine.rhai"]);
    assert_eq!(out, "5\n<network>\n  <name>n</name>\n</network>\n", "{err}");
    assert_eq!(run("1", &["-i", "missing.rhai"]).2, Some(1));
    assert_eq!(run("args", &["-i", "a.rhai", "x", "-y"]).0, "[\"x\", \"-y\"]\n");
}

#[test]
fn without_a_host_everything_else_works() {
    let host = Host::new();
    let mut command = host.command(["-c", "test:///no/such/host.xml"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let input = "1 + 1\nhost.uri\n:host\nlet host = connect(\"test:///default\");\nhost.uri\n";
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(text(&output.stdout), "2\n\"test:///default\"\n", "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).matches("error: cannot connect").count(), 2, "{}", text(&output.stderr));
}

fn replay(transcript: &str) -> String {
    replay_in(&mut Prompt::new(), transcript)
}

/// Types the lines of a transcript; gives the transcript as it is now.
fn replay_in(prompt: &mut Prompt, transcript: &str) -> String {
    let mut now = String::new();
    let folder = prompt.host.folder().display().to_string();
    let lines: Vec<_> = transcript.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(typed) = line.strip_prefix(PROMPT).or_else(|| line.strip_prefix(MORE)) else { continue };
        let typed = match typed.split_once(' ') {
            // Files of the session lie in the host's folder.
            Some((command @ (":save" | ":load"), file)) => format!("{command} {folder}/{file}"),
            Some((":!", command)) => format!(":! cd {folder}; {command}"),
            _ => typed.to_string(),
        };
        let shown = prompt.type_line(&typed);
        let goes_on = shown == "(goes on)\n" && lines.get(at + 1).is_some_and(|next| next.starts_with(MORE.trim_end()));
        now.push_str(&format!("{line}\n"));
        if !goes_on {
            now.push_str(&shown.replace(&folder, "DIR"));
        }
    }
    let times = now.lines().map(|line| if line.starts_with("took ") { "took TIME" } else { line });
    times.flat_map(|line| [line, "\n"]).collect()
}
