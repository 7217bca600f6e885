//! Which proxy a server is asked through, by the variables that other programs read as well.

use crate::floor::{Error, Result};
use ureq::Proxy;
use ureq::http::Uri;

/// The proxy for a URL; nothing if the server is asked without one.
pub(super) fn proxy_for(url: &str) -> Result<Option<Proxy>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some((name, value)) = named(url, set) else { return Ok(None) };
    let proxy = Proxy::new(&value).map_err(|_| {
        Error::argument(format!("the variable `{name}` is no address of a proxy"))
            .hint("write it like `http://proxy.example.com:3128`")
    })?;
    // What `no_proxy` holds belongs to the proxy that `ureq` itself would have taken.
    let around = url.parse::<Uri>().is_ok_and(|uri| Proxy::try_from_env().is_some_and(|any| any.is_no_proxy(&uri)));
    Ok(Some(proxy).filter(|_| !around))
}

/// The variable for the scheme of a URL, or the one for all of them, with its value.
fn named(url: &str, set: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let own = if url.starts_with("https:") { ["https_proxy", "HTTPS_PROXY"] } else { ["http_proxy", "HTTP_PROXY"] };
    own.into_iter().chain(["all_proxy", "ALL_PROXY"]).find_map(|name| Some((name, set(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_variable() {
        let chosen =
            |url, set: &[&str]| named(url, |name| set.contains(&name).then(|| "p".to_string())).map(|(name, _)| name);
        assert_eq!(chosen("http://a/", &["https_proxy", "http_proxy"]), Some("http_proxy"));
        assert_eq!(chosen("https://a/", &["HTTPS_PROXY", "http_proxy"]), Some("HTTPS_PROXY"));
        assert_eq!(chosen("https://a/", &["http_proxy", "ALL_PROXY"]), Some("ALL_PROXY"));
        assert_eq!(chosen("https://a/", &["http_proxy"]), None);
    }
}
