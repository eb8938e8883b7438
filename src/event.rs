//! Reading an event.

use lambda_http::{aws_lambda_events::apigw::ApiGatewayV2httpRequest, request::LambdaRequest};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// An event of any front door, of which a Function URL's is read at the first attempt.
///
/// `lambda_http` reads an event as one front door's after another until one fits. Function URLs and
/// HTTP APIs (payload 2.0) come second, so that each of their events would be read whole twice, which
/// is an eighth of the work of a visit.
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
        // AWS writes an event without white space, and quotes inside a string have backslashes. All
        // else, and what only looks like payload 2.0, is read in lambda_http's order.
        if json.get().contains(r#""version":"2.0""#)
            && let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(json.get())
        {
            return Ok(Self(LambdaRequest::ApiGatewayV2(event)));
        }
        LambdaRequest::deserialize(&*json)
            .map(Self)
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn events_are_read_as_lambda_http_reads_them() {
        for file in fs::read_dir("events").unwrap() {
            let name = file.unwrap().path();
            let event: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(&name).unwrap()).unwrap();
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
