//! What the project promises about waiting, measured on the lab's host and held against a poller that looks every five
//! seconds. Leases are real: a DHCP client inside the node asks with the MAC address of an idle domain.
//!
//! Run by `scripts/bench waiting`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use vmscript::floor::Code;
use vmscript::libvirt::{Domain, Family, Host, Provision, Source, WaitIp};

fn uri() -> String {
    std::env::var("VMSCRIPT_LAB_URI").expect("VMSCRIPT_LAB_URI names the lab's libvirtd")
}

fn folder() -> PathBuf {
    let uri = uri();
    let socket = uri.split("socket=").nth(1).expect("the URI names the node's socket");
    socket.strip_suffix("/run/libvirt-sock").expect("the node's socket").into()
}

fn inside(script: &str) {
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab/node");
    let status = Command::new(node).arg("enter").arg(folder()).args(["sh", "-c", script]).status();
    assert!(status.expect("the lab's script runs").success(), "{script}");
}

fn mac(number: usize) -> String {
    format!("52:54:00:be:00:0{number}")
}

/// dnsmasq's own file of leases.
fn status_file() -> PathBuf {
    folder().join("lib/dnsmasq/virbr1.status")
}

/// When each guest's lease ends, and the moment at which the file that says so was written.
fn expiries() -> (HashMap<String, i64>, Option<SystemTime>) {
    // Both from one file: there is another one of this name after each change.
    let Ok(mut file) = File::open(status_file()) else { return Default::default() };
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the file is readable");
    let written = file.metadata().and_then(|data| data.modified()).ok();
    let leases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    let one =
        |lease: &serde_json::Value| Some((lease["mac-address"].as_str()?.to_string(), lease["expiry-time"].as_i64()?));
    (leases.iter().filter_map(one).collect(), written)
}

/// Looks at the file until each of these guests has a new lease. The moment of a lease is that at which the file was
/// written, as the file system tells: it does not depend on how soon this looks.
fn leased(guests: &[usize], before: &HashMap<String, i64>) -> HashMap<usize, SystemTime> {
    let mut seen = HashMap::new();
    while seen.len() < guests.len() {
        let (now, written) = expiries();
        for &number in guests {
            if now.get(&mac(number)).is_some_and(|expiry| before.get(&mac(number)) != Some(expiry)) {
                seen.entry(number).or_insert_with(|| written.unwrap_or_else(SystemTime::now));
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    seen
}

/// Has guests start anew, waits for their leases, and gives how late each wait and each five-second poller was.
fn lags(domains: &[Domain], guests: &[usize]) -> (Vec<Duration>, Vec<Duration>) {
    for number in guests {
        domains[*number].destroy(false).expect("destroyed");
        domains[*number].start().expect("started");
    }
    let before = &expiries().0;
    thread::scope(|scope| {
        let watched = scope.spawn(|| leased(guests, before));
        let threads: Vec<_> = guests
            .iter()
            .map(|&number| {
                let before = before.get(&mac(number)).copied();
                let domain = &domains[number];
                let ready = scope.spawn(move || {
                    let wait = WaitIp { sources: vec![Source::Lease], ..WaitIp::default() };
                    domain.wait_for_ip(&wait).expect("the lease comes");
                    SystemTime::now()
                });
                let polled = scope.spawn(move || {
                    let network = domain.host().network("lab").expect("there");
                    loop {
                        let leases = network.dhcp_leases().expect("listed");
                        if leases.iter().any(|lease| lease.mac == mac(number) && Some(lease.expiry) != before) {
                            return SystemTime::now();
                        }
                        thread::sleep(Duration::from_secs(5));
                    }
                });
                let asked = scope.spawn(move || {
                    // At any time between two looks of anybody.
                    let chance = u64::from(Instant::now().elapsed().subsec_nanos()) * 7919 % 1000;
                    thread::sleep(Duration::from_millis(1500 + chance + 100 * number as u64));
                    inside(&format!("busybox udhcpc -q -n -f -s /bin/true -i c{number} 2>/dev/null"));
                });
                (number, ready, polled, asked)
            })
            .collect();
        let mut late = (Vec::new(), Vec::new());
        let leased = watched.join().expect("all leases are seen");
        for (number, ready, polled, asked) in threads {
            late.0.push(after(leased[&number], ready.join().expect("found")));
            late.1.push(after(leased[&number], polled.join().expect("polled")));
            asked.join().expect("asked");
        }
        late
    })
}

/// The time between two moments; nothing if the clock's grain turned them around.
fn after(first: SystemTime, second: SystemTime) -> Duration {
    // The file system's clock ticks some times a hundred a second. More than that is an answer before the lease.
    const GRAIN: Duration = Duration::from_millis(20);
    second.duration_since(first).unwrap_or_else(|error| {
        assert!(error.duration() <= GRAIN, "an answer came {:?} before the lease", error.duration());
        Duration::ZERO
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn show(what: &str, measured: impl std::fmt::Debug, promise: &str) {
    println!("{what:44} {measured:>12.1?}  {promise}");
}

#[test]
fn the_promises_about_waiting_hold() {
    let host = Host::connect(Some(&uri())).expect("the lab's libvirtd answers");
    let domains: Vec<Domain> = (0..8)
        .map(|number| {
            let xml = format!(
                "<domain type='qemu'><name>idle{number}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
                 <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><devices>
                 <interface type='network'><mac address='{}'/><source network='lab'/><rom enabled='no'/></interface></devices></domain>",
                mac(number)
            );
            host.provision(&xml, &Provision::default()).expect("an idle domain is made").domain
        })
        .collect();
    for number in 0..8 {
        inside(&format!(
            "ip link add c{number} type veth peer name b{number} && ip link set c{number} address {} &&
             ip link set b{number} master virbr1 up && ip link set c{number} up",
            mac(number)
        ));
    }

    let (mut one, mut one_polled) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let late = lags(&domains, &[0]);
        one.extend(late.0);
        one_polled.extend(late.1);
    }
    let (mut eight, mut eight_polled) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let late = lags(&domains, &[0, 1, 2, 3, 4, 5, 6, 7]);
        eight.extend(late.0);
        eight_polled.extend(late.1);
    }
    let mut death = Duration::ZERO;
    for _ in 0..5 {
        let (domain, other) = (domains[1].clone(), domains[1].clone());
        let waiting = thread::spawn(move || {
            let wait = WaitIp { family: Some(Family::V6), ..WaitIp::default() };
            let error = domain.wait_for_ip(&wait).expect_err("it dies");
            assert_eq!(error.code, Code::GuestStopped);
            Instant::now()
        });
        thread::sleep(Duration::from_millis(700));
        let killed = Instant::now();
        other.destroy(false).expect("destroyed");
        death = death.max(waiting.join().expect("ended").saturating_duration_since(killed));
        other.start().expect("started");
    }

    let rate = calls_of_fifty_waits();
    let lag_one = median(one);
    show("lease to return, one guest, median of 20", lag_one, "at most 0.2 s");
    show("  a poller every 5 s", median(one_polled), "");
    let lag_eight = median(eight);
    show("lease to return, eight guests, median of 40", lag_eight, "at most 0.2 s");
    show("  a poller every 5 s", median(eight_polled), "");
    show("death to return, slowest of 5", death, "at most 1 s");
    show("calls a second of 50 waits", rate, "at most 10");
    for domain in domains {
        domain.destroy(false).expect("destroyed");
        domain.undefine().expect("undefined");
    }
    for number in 0..8 {
        inside(&format!("ip link del c{number}"));
    }
    let limit = Duration::from_millis(200);
    assert!(lag_one <= limit && lag_eight <= limit && death <= Duration::from_secs(1) && rate <= 10.0);
}

/// Remote calls a second of a program with fifty waits, counted by the log of libvirt's own client.
fn calls_of_fifty_waits() -> f64 {
    const SECONDS: u32 = 20;
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("calls.log");
    let script = format!(
        "let host = connect();
         let waits = [];
         for number in 0..50 {{ waits.push(ip(host.domain(`idle${{number % 8}}`), #{{ family: \"ipv6\" }})); }}
         sleep(1);
         try {{ wait_all(waits, #{{ timeout: {SECONDS}, on_error: \"continue\" }}); }} catch {{}}"
    );
    let status = Command::new(env!("CARGO_BIN_EXE_vmscript"))
        .args(["-e", &script])
        .env("VMSCRIPT_CONNECT", uri())
        .env("LIBVIRT_LOG_FILTERS", "1:rpc")
        .env("LIBVIRT_LOG_OUTPUTS", format!("1:file:{}", log.display()))
        .status();
    assert!(status.expect("the program runs").success());
    let text = std::fs::read_to_string(log).expect("the client keeps a log");
    // A message of type 0 of libvirt's main program is a call; what belongs to no second of the wait is left out.
    let calls = text.lines().filter(|line| line.contains("RPC_CLIENT_MSG_TX_QUEUE") && line.contains("prog=536903814"));
    let calls: Vec<&str> = calls.filter(|line| line.contains("type=0")).collect();
    assert!(calls.len() > 50, "calls were counted");
    // The looking up of 50 domains and the beginning of 50 waits come before, the autopsies of 50 waits after.
    let second = |line: &str| line.get(..19).map(str::to_string);
    let mut by_second: Vec<usize> = Vec::new();
    let mut last = None;
    for line in calls {
        if second(line) == last {
            *by_second.last_mut().expect("there is one") += 1;
        } else {
            by_second.push(1);
            last = second(line);
        }
    }
    println!("calls by second: {by_second:?}");
    by_second.sort_unstable();
    f64::from(u32::try_from(by_second[by_second.len() / 2]).unwrap_or(u32::MAX))
}
