//! Reading an event.

use lambda_http::{
    aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    http::{HeaderName, HeaderValue, Method},
    request::LambdaRequest,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, value::RawValue};

/// An event from any front door, whatever a stranger made the front door put into it.
///
/// `lambda_http` tries one front door's format after another until one fits. It tries that of Function URLs
/// and HTTP APIs (payload 2.0) second, and would read each of their events twice, which costs a fifth of the
/// instructions of a visit. Here it is tried first.
#[derive(Debug)]
pub struct Event(LambdaRequest);

impl From<LambdaRequest> for Event {
    fn from(request: LambdaRequest) -> Self {
        Self(request)
    }
}

impl From<Event> for LambdaRequest {
    fn from(Event(request): Event) -> Self {
        request
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        // This finds the field, because AWS writes events without white space, and no string can contain it:
        // quotation marks in strings are escaped. If the event does not fit after all, lambda_http reads it.
        if json.get().contains(r#""version":"2.0""#)
            && let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(json.get())
        {
            return Ok(Self(LambdaRequest::ApiGatewayV2(event)));
        }
        LambdaRequest::deserialize(&*json)
            .or_else(|error| {
                let permitted = without_what_http_forbids(&json).ok_or(error)?;
                LambdaRequest::deserialize(permitted)
            })
            .map(Self)
            .map_err(de::Error::custom)
    }
}

/// The event without the header lines that HTTP does not permit
/// ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)).
///
/// Front doors deliver such lines when a scanner sends them. `lambda_http` would reject the whole event for
/// one (aws-lambda-rust-runtime issues 509 and 786): a 502 for the visitor and an alarm for the owner.
fn without_what_http_forbids(json: &RawValue) -> Option<Value> {
    let mut event: Value = serde_json::from_str(json.get()).ok()?;
    for map in ["headers", "multiValueHeaders"] {
        let Some(headers) = event.get_mut(map).and_then(Value::as_object_mut) else {
            continue;
        };
        headers.retain(|name, value| {
            if let Some(lines) = value.as_array_mut() {
                lines.retain(is_field_value);
            }
            name.parse::<HeaderName>().is_ok() && (value.is_array() || is_field_value(value))
        });
    }
    for method in [
        "/httpMethod",
        "/method",
        "/requestContext/httpMethod",
        "/requestContext/http/method",
    ] {
        if let Some(Value::String(method)) = event.pointer_mut(method)
            && method.parse::<Method>().is_err()
        {
            // A valid method that the counter does not know.
            "UNKNOWN".clone_into(method);
        }
    }
    Some(event)
}

fn is_field_value(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|value| HeaderValue::from_str(value).is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_as_lambda_http_reads_them() {
        for file in fs::read_dir("events").unwrap() {
            let name = file.unwrap().path();
            let event: Value = serde_json::from_str(&fs::read_to_string(&name).unwrap()).unwrap();
            let event = event.to_string();
            let Event(ours) = serde_json::from_str(&event).unwrap();
            let is_same = match (ours, serde_json::from_str(&event).unwrap()) {
                (LambdaRequest::ApiGatewayV1(ours), LambdaRequest::ApiGatewayV1(theirs)) => {
                    ours == theirs
                }
                (LambdaRequest::ApiGatewayV2(ours), LambdaRequest::ApiGatewayV2(theirs)) => {
                    ours == theirs
                }
                (LambdaRequest::Alb(ours), LambdaRequest::Alb(theirs)) => ours == theirs,
                (LambdaRequest::VpcLatticeV2(ours), LambdaRequest::VpcLatticeV2(theirs)) => {
                    ours == theirs
                }
                _ => false,
            };
            assert!(is_same, "{}", name.display());
        }
    }

    #[test]
    fn only_what_http_forbids_is_left_out_of_an_event() {
        let event = |method: &str, headers: Value| {
            json!({
                "httpMethod": method,
                "path": "/",
                "multiValueHeaders": headers,
                "requestContext": { "elb": {} },
            })
        };
        let sent = event(
            "G(T",
            json!({
                "a(b": ["c"], "é": ["c"], "": ["c"], "d": null, "e": 7,
                "cookie": ["a=\u{1}", "count=2", null, "b=\u{7f}"],
            }),
        );
        let expected = event("UNKNOWN", json!({ "cookie": ["count=2"] }));
        let read = |event: Value| match serde_json::from_str(&event.to_string()).unwrap() {
            Event(LambdaRequest::Alb(event)) => event,
            Event(other) => panic!("not a load balancer's: {other:?}"),
        };
        assert_eq!(read(sent), read(expected));
    }
}
