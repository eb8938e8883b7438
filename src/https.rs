//! Whether a request arrived over HTTPS.

use std::net::Ipv4Addr;

use lambda_http::http::{HeaderMap, header, uri::Authority};

/// The front door says so in `X-Forwarded-Proto`, and
/// [VPC Lattice](https://docs.aws.amazon.com/vpc-lattice/latest/ug/http-targets.html) in
/// `X-Forwarded-For-Proto`. Without either the answer is yes, because AWS serves public pages over HTTPS. The
/// exception is a loopback host, where a development server answers over plain HTTP: Safari rejects a `Secure`
/// cookie there, and the count would stay at 1.
pub(crate) fn is_used(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").or_else(|| headers.get("x-forwarded-for-proto"));
    match scheme {
        Some(scheme) => !scheme.as_bytes().eq_ignore_ascii_case(b"http"),
        None => !headers.get(header::HOST).is_some_and(|host| {
            let host = Authority::try_from(host.as_bytes());
            host.is_ok_and(|host| is_loopback(&host.host().to_ascii_lowercase()))
        }),
    }
}

/// Whether a host, in lower case and without a port, is the machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let is_loopback = |address: Ipv4Addr| address.is_loopback();
    matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;

    use super::*;

    fn request(forwarded_proto: Option<&'static str>, host: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(scheme) = forwarded_proto {
            headers.insert("x-forwarded-proto", HeaderValue::from_static(scheme));
        }
        if let Some(host) = host {
            headers.insert(header::HOST, HeaderValue::from_static(host));
        }
        headers
    }

    #[test]
    fn the_front_door_decides_whatever_the_host_is() {
        for host in [None, Some("example.org"), Some("localhost:9000")] {
            assert!(is_used(&request(Some("https"), host)), "{host:?}");
            assert!(!is_used(&request(Some("http"), host)), "{host:?}");
            assert!(!is_used(&request(Some("HTTP"), host)), "{host:?}");
        }
    }

    #[test]
    fn vpc_lattice_has_a_header_of_its_own() {
        for (scheme, https) in [("https", true), ("http", false)] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for-proto", HeaderValue::from_static(scheme));
            assert_eq!(is_used(&headers), https, "{scheme}");
            headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
            assert!(is_used(&headers), "other front doors pass that header on");
        }
    }

    #[test]
    fn a_loopback_host_without_a_front_door_is_plain_http() {
        for host in [
            "localhost",
            "localhost:9000",
            "LOCALHOST",
            "127.0.0.1",
            "127.0.0.1:9000",
            "127.255.255.254",
            "[::1]",
            "[::1]:9000",
        ] {
            assert!(!is_used(&request(None, Some(host))), "{host}");
        }
    }

    #[test]
    fn any_other_host_without_a_front_door_is_used() {
        for host in [
            "example.org",
            "localhost.example.org",
            "128.0.0.1",
            "127.0.0.1.example.org",
            "127.1",
            "[::2]",
            "::1",
            "",
            "local host",
            ":9000",
        ] {
            assert!(is_used(&request(None, Some(host))), "{host:?}");
        }
        assert!(is_used(&request(None, None)), "no host");
    }
}
