//! One HTTP request at a time, and what its failure means: worth another try, or not.

use super::proxy::proxy_for;
use super::served;
use crate::floor::{Area, Code, Error, Result};
use std::io::Read;
use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};

const MOST_REDIRECTS: u32 = 8;

/// Checksum files and signatures are small.
const MOST_DOCUMENT: u64 = 1 << 20;

/// Makes requests. Proxies come from the environment; certificates are checked against the system's own list.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    stall: Duration,
}

/// How a server tells versions of a file apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Version {
    /// The `ETag` header.
    pub(super) etag: Option<String>,
    /// The `Last-Modified` header.
    pub(super) last_modified: Option<String>,
}

impl Version {
    /// What `If-Range` takes: a weak tag does not promise the same bytes.
    pub(super) fn exact(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|tag| !tag.starts_with("W/"));
        strong.or(self.last_modified.as_deref())
    }
}

/// What to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want<'a> {
    /// All of it.
    Whole,
    /// All of it, unless it is still this version.
    Unless(&'a Version),
    /// What follows the first bytes, if it is still this version, else all of it.
    From(u64, &'a Version),
}

/// What came back.
pub(super) enum Answer {
    /// It is still the version that was named.
    Same,
    /// Bytes from `at` on.
    Data {
        /// Where they begin.
        at: u64,
        /// How long the whole file is, if the server says so.
        total: Option<u64>,
        /// Which version it is.
        version: Version,
        /// The bytes.
        body: Box<dyn Read + Send>,
    },
}

/// A failure.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another try may help.
    Passing(Error),
    /// Nothing will change.
    Lasting(Error),
}

impl Trouble {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

impl Client {
    /// A client that gives up on a server from which nothing comes for so long.
    pub(super) fn new(stall: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MOST_REDIRECTS)
            .timeout_connect(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .accept_encoding("identity")
            .user_agent(concat!("vmscript/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build();
        Self { agent: config.into(), stall }
    }

    /// Ends all that this client has under way; the threads that wait for it fail.
    pub(super) fn stop(&self) {
        self.agent.clone().shutdown();
    }

    /// Makes a request.
    pub(super) fn get(&self, url: &str, want: Want) -> Result<Answer, Trouble> {
        if let Some(planned) = served::get(url, want, self.stall) {
            return planned;
        }
        let proxy = proxy_for(url).map_err(Trouble::Lasting)?;
        let mut request = self.agent.get(url).config().proxy(proxy).build();
        let exact = if let Want::From(_, version) = want { version.exact() } else { None };
        match want {
            Want::Whole => {}
            Want::Unless(version) => {
                let headers = [("If-None-Match", &version.etag), ("If-Modified-Since", &version.last_modified)];
                for (name, value) in headers.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                    request = request.header(*name, value);
                }
            }
            Want::From(at, _) => request = request.header("Range", format!("bytes={at}-")),
        }
        if let Some(exact) = exact {
            request = request.header("If-Range", exact);
        }
        let response = request.call().map_err(|error| trouble(url, &error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let version = Version {
            etag: header("etag").map(str::to_string),
            last_modified: header("last-modified").map(str::to_string),
        };
        let (at, total) = match (response.status().as_u16(), want) {
            (304, _) => return Ok(Answer::Same),
            (200, _) => (0, header("content-length").and_then(|length| length.parse().ok())),
            (206, Want::From(asked, _)) => match header("content-range").and_then(range) {
                Some((at, total)) if at == asked => (at, total),
                _ => return Err(Trouble::Lasting(failed(url, "the server sent another part than was asked for"))),
            },
            // What is there already is longer than what the server has: it is another version.
            (416, Want::From(..)) => return self.get(url, Want::Whole),
            (status, _) => return Err(refusal(url, status)),
        };
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Answer::Data { at, total, version, body: Box::new(body) })
    }

    /// A small document.
    pub(super) fn document(&self, url: &str) -> Result<Vec<u8>, Trouble> {
        let Answer::Data { body, .. } = self.get(url, Want::Whole)? else {
            return Err(Trouble::Lasting(failed(url, "the server says it has not changed, which was not asked")));
        };
        let mut data = Vec::new();
        body.take(MOST_DOCUMENT + 1).read_to_end(&mut data).map_err(|error| interrupted_body(url, &error))?;
        if data.len() as u64 > MOST_DOCUMENT {
            return Err(Trouble::Lasting(failed(url, "it is larger than 1 MiB")));
        }
        Ok(data)
    }
}

/// A failure while the body came.
pub(super) fn interrupted_body(url: &str, error: &std::io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(inner) => trouble(url, inner),
        None if error.kind() == std::io::ErrorKind::TimedOut => Trouble::Passing(stalled(url)),
        None => Trouble::Passing(failed(url, &error.to_string())),
    }
}

fn trouble(url: &str, error: &ureq::Error) -> Trouble {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Timeout(_) => Trouble::Passing(stalled(url)),
        ureq::Error::Io(cause) if cause.kind() == ErrorKind::TimedOut => Trouble::Passing(stalled(url)),
        // The TLS library wraps its own errors so; they are about certificates and protocols.
        ureq::Error::Io(cause) if cause.kind() == ErrorKind::InvalidData => {
            Trouble::Lasting(insecure(url, &cause.to_string()))
        }
        ureq::Error::Rustls(cause) => Trouble::Lasting(insecure(url, &cause.to_string())),
        ureq::Error::TooManyRedirects => {
            Trouble::Lasting(failed(url, &format!("the server redirects more than {MOST_REDIRECTS} times")))
        }
        ureq::Error::HostNotFound => unknown_host(url),
        // The system's resolver has no kind of error of its own.
        ureq::Error::Io(cause) if cause.to_string().starts_with("failed to lookup address") => unknown_host(url),
        ureq::Error::Io(cause) => Trouble::Passing(failed(url, &cause.to_string())),
        ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed | ureq::Error::BodyStalled => {
            Trouble::Passing(failed(url, &error.to_string()))
        }
        other => Trouble::Lasting(failed(url, &other.to_string())),
    }
}

fn unknown_host(url: &str) -> Trouble {
    let error = failed(url, "its host name is not known");
    Trouble::Passing(error.hint("check the name, the network and the proxy variables"))
}

pub(super) fn failed(url: &str, cause: &str) -> Error {
    Error::new(Code::Failed, Area::Storage, format!("cannot fetch `{}`", shown(url))).caused_by(cause)
}

fn stalled(url: &str) -> Error {
    Error::new(Code::Timeout, Area::Storage, format!("cannot fetch `{}`", shown(url)))
        .caused_by("nothing came from the server for too long")
}

fn insecure(url: &str, cause: &str) -> Error {
    failed(url, cause).hint(
        "the server's certificate must be valid for its name and signed by an authority that this system knows \
         (`SSL_CERT_FILE` names another list)",
    )
}

pub(super) fn refusal(url: &str, status: u16) -> Trouble {
    let what = match status {
        401 | 403 => "the server refuses access",
        404 | 410 => "the server has no such file",
        408 | 429 => "the server is busy",
        500.. => "the server is in trouble",
        _ => "the server refuses",
    };
    let mut error = failed(url, &format!("{what} (HTTP {status})"));
    match status {
        401 | 403 => error.code = Code::PermissionDenied,
        404 | 410 => error.code = Code::NotFound,
        _ => {}
    }
    if matches!(status, 408 | 425 | 429 | 500 | 502..=599) { Trouble::Passing(error) } else { Trouble::Lasting(error) }
}

/// The URL without user name and password.
pub(super) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let host = rest.find('/').unwrap_or(rest.len());
    match rest[..host].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_string(),
    }
}

/// `bytes 100-199/200`, with `*` for a length that is not known.
fn range(header: &str) -> Option<(u64, Option<u64>)> {
    let (first, rest) = header.trim().strip_prefix("bytes ")?.split_once('-')?;
    let (_, total) = rest.split_once('/')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_addresses_are_read() {
        assert_eq!(range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(range("bytes 100-199/*"), Some((100, None)));
        assert_eq!(range("bytes */200"), None);
        assert_eq!(shown("https://me:geheim@example.com/a@b"), "https://example.com/a@b");
        assert_eq!(shown("https://example.com/a@b"), "https://example.com/a@b");
    }
}
