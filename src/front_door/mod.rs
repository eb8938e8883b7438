//! The front doors: how each of them delivers a request as an event, and the answer that it expects.

mod answer;
mod event;

use lambda_http::http::HeaderMap;

pub use answer::Answer;
pub use event::Event;

/// Who delivers an event, and expects the answer in a certain form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrontDoor {
    /// A REST API, or an HTTP API that is set to payload 1.0.
    Payload1,
    /// A Function URL or an HTTP API.
    Payload2,
    /// An Application Load Balancer.
    LoadBalancer,
    /// VPC Lattice.
    Lattice,
}

/// Whether the visitor's request arrived over HTTPS. Every front door says so in `X-Forwarded-Proto`, or, in the case
/// of [VPC Lattice](https://docs.aws.amazon.com/vpc-lattice/latest/ug/http-targets.html), in `X-Forwarded-For-Proto`.
/// A request with neither comes from a development server, which speaks plain HTTP.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").or_else(|| headers.get("x-forwarded-for-proto"));
    scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_front_door_makes_a_request_https() {
        for (headers, https) in [
            (&[("x-forwarded-proto", "https")][..], true),
            (&[("x-forwarded-proto", "HTTPS")], true),
            (&[("x-forwarded-proto", "http")], false),
            (&[("x-forwarded-proto", "")], false),
            (&[("x-forwarded-for-proto", "https")], true),
            (&[("x-forwarded-for-proto", "http")], false),
            // The other front doors pass VPC Lattice's header on, as they do with any header of a client.
            (&[("x-forwarded-proto", "https"), ("x-forwarded-for-proto", "http")], true),
            (&[("host", "example.com")], false),
            (&[], false),
        ] {
            let map: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
            assert_eq!(is_https(&map), https, "{headers:?}");
        }
    }
}
