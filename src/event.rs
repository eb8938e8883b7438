//! Reading an event.

use std::collections::BTreeMap;

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
        // This finds the field, because AWS writes events without white space and escapes quotation marks in
        // strings. A header `version` looks the same: if the event does not fit, lambda_http reads it.
        if json.get().contains(r#""version":"2.0""#)
            && let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(json.get())
        {
            return Ok(Self(LambdaRequest::ApiGatewayV2(event)));
        }
        LambdaRequest::deserialize(&*json)
            .or_else(|error| {
                let event = without_what_lambda_http_refuses(&json).ok_or(error)?;
                LambdaRequest::deserialize(event)
            })
            .map(Self)
            .map_err(de::Error::custom)
    }
}

/// The fields that the counter reads. The others are skipped, a body of up to 6 MB among them.
const FIELDS: [&str; 9] = [
    "cookies",
    "headers",
    "httpMethod",
    "method",
    "multiValueHeaders",
    "path",
    "rawPath",
    "requestContext",
    "version",
];

/// The event with the fields that the counter reads, without the header lines that HTTP does not permit
/// ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)), and with a valid method.
///
/// Front doors deliver such lines when a scanner sends them. `lambda_http` would reject the whole event for
/// one (aws-lambda-rust-runtime issue 786): a 502 for the visitor and an alarm for the owner.
fn without_what_lambda_http_refuses(json: &RawValue) -> Option<Value> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json.get()).ok()?;
    let mut event = Value::default();
    for (name, value) in fields {
        if FIELDS.contains(&&*name) {
            event[name] = serde_json::from_str(value.get()).ok()?;
        }
    }
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
}
