//! A small HTTP server that misbehaves on purpose.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A connection, plain or not.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A request: its path, and the headers in lower case.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// How many requests for this server came before.
    pub(crate) number: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first byte that is asked for.
    pub(crate) fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// Answers a request on its connection.
pub(crate) type Answer = dyn Fn(&Request, &mut dyn Stream) + Send + Sync;

/// A running server. It ends with the test's process.
pub(crate) struct Server {
    pub(crate) port: u16,
    requests: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request, &mut dyn Stream) + Send + Sync + 'static) -> Self {
        Self::start_with(answer, |stream| Some(Box::new(stream)))
    }

    /// A server whose connections are wrapped before anything is read.
    pub(crate) fn start_with(
        answer: impl Fn(&Request, &mut dyn Stream) + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, log) = (requests.clone(), seen.clone());
        let (answer, wrap): (Arc<Answer>, _) = (Arc::new(answer), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, wrap, count, log) = (answer.clone(), wrap.clone(), count.clone(), log.clone());
                std::thread::spawn(move || {
                    let Some(mut stream) = wrap(stream) else { return };
                    let Some((path, headers)) = read(&mut stream) else { return };
                    let request = Request { path, headers, number: count.fetch_add(1, Ordering::SeqCst) };
                    let range = request.header("range").unwrap_or("whole").to_string();
                    log.lock().expect("the log").push(range);
                    answer(&request, &mut stream);
                    drop(stream.flush());
                });
            }
        });
        Self { port, requests, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The ranges that were asked for.
    pub(crate) fn ranges(&self) -> Vec<String> {
        self.seen.lock().expect("the log").clone()
    }
}

/// Sends a whole answer; a failure is the client's business.
pub(crate) fn respond(stream: &mut dyn Stream, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    head(stream, status, headers, body.len());
    drop(stream.write_all(body));
}

/// Sends what comes before a body of this length.
pub(crate) fn head(stream: &mut dyn Stream, status: &str, headers: &[(&str, &str)], length: usize) {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    drop(stream.write_all(format!("{text}\r\n").as_bytes()));
}

/// A good server's answer: ranges, a version, and nothing if the version is known.
pub(crate) fn serve(request: &Request, stream: &mut dyn Stream, data: &[u8], tag: &str) {
    if request.header("if-none-match") == Some(tag) {
        return respond(stream, "304 Not Modified", &[("ETag", tag)], &[]);
    }
    let same = request.header("if-range").is_none_or(|wanted| wanted == tag);
    match request.from().filter(|from| same && *from < data.len()) {
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", data.len() - 1, data.len());
            let headers = [("Content-Range", range.as_str()), ("ETag", tag)];
            respond(stream, "206 Partial Content", &headers, &data[from..]);
        }
        None => respond(stream, "200 OK", &[("ETag", tag)], data),
    }
}

/// Waits without using the machine.
pub(crate) fn rest(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn read(stream: &mut dyn Stream) -> Option<(String, Vec<(String, String)>)> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_string();
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_string()));
    }
    Some((path, headers))
}
