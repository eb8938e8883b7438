//! What a front door expects: an answer in its own form.

use std::borrow::Cow;

use lambda_http::{
    Body, Response,
    http::{HeaderMap, HeaderValue, header},
};
use serde::{Serialize, Serializer};

use super::FrontDoor;

/// An answer for Lambda. Each header has one line, and at most one cookie is set.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "HeaderMap::is_empty", serialize_with = "single_values")]
    headers: HeaderMap,
    #[serde(skip_serializing_if = "HeaderMap::is_empty", serialize_with = "multiple_values")]
    multi_value_headers: HeaderMap,
    /// `cargo lambda watch` refuses an answer of payload 2.0 without this list.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<String>>,
    /// Binary data is serialized as Base64.
    body: Body,
    is_base64_encoded: bool,
}

impl Answer {
    pub(crate) fn new(response: Response<Body>, front_door: FrontDoor) -> Self {
        let (parts, body) = response.into_parts();
        let mut answer = Self {
            status_code: parts.status.as_u16(),
            is_base64_encoded: matches!(body, Body::Binary(_)),
            body,
            ..Self::default()
        };
        match front_door {
            FrontDoor::Payload2 => {
                answer.headers = parts.headers;
                let cookie = answer.headers.remove(header::SET_COOKIE);
                answer.cookies = Some(cookie.iter().map(|line| text(line).into_owned()).collect());
            }
            FrontDoor::Payload1 => answer.multi_value_headers = parts.headers,
            FrontDoor::LoadBalancer => {
                // The load balancer reads one of the two, as with the request.
                answer.headers = parts.headers.clone();
                answer.multi_value_headers = parts.headers;
                answer.status_description = Some(parts.status.to_string());
            }
            FrontDoor::Lattice => answer.headers = parts.headers,
        }
        answer
    }
}

fn single_values<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, line)| (name.as_str(), text(line))))
}

fn multiple_values<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, line)| (name.as_str(), [text(line)])))
}

fn text(line: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(line.as_bytes())
}
