//! A request, and the events with which the front doors deliver it.

use std::collections::BTreeMap;

use json_patch::merge;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{answer::Answer, front_doors::sample};

/// A request as a visitor sends it to a front door.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The lines of each header. HTTP does not permit some of them.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
}

impl Request {
    /// Reads a method and a path, with a header on each further line. The request arrives over HTTPS, unless it has
    /// another scheme.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.split('\n');
        let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
        let mut headers = BTreeMap::<_, Vec<_>>::new();
        for (name, line) in lines.map(|line| line.split_once(": ").unwrap()) {
            headers.entry(name.to_owned()).or_default().push(line.to_owned());
        }
        headers.entry("x-forwarded-proto".to_owned()).or_insert(vec!["https".to_owned()]);
        Self { method: method.to_owned(), path: path.to_owned(), query: String::new(), headers }
    }

    /// Sends it through every front door, which must all get the same answer, and returns a Function URL's. `origins`
    /// may show the count.
    #[track_caller]
    pub(crate) fn answer(&self, origins: &str) -> Answer {
        let answers = self.differences().map(|(name, difference)| {
            let mut event = sample(name);
            // Remove all headers of the sample itself.
            merge(&mut event, &json!({ "headers": null, "multiValueHeaders": null, "cookies": null }));
            merge(&mut event, &difference);
            (name, Answer::to(event.to_string().as_bytes(), origins).expect("an event from a front door"))
        });
        let [(_, expected), ..] = &answers;
        for (name, answer) in &answers {
            let mut expected = expected.clone();
            if name.contains("rest") {
                expected.headers.remove("content-encoding");
            }
            assert_eq!(*answer, expected, "{name}: {self:?}");
        }
        expected.clone()
    }

    /// For each front door, a sample event and what this request changes in it. Only the REST API's event has no
    /// query: no query changes the answer.
    fn differences(&self) -> [(&'static str, Value); 9] {
        let Self { method, path, query, headers: lists } = self;
        let join = |name: &str, lines: &[String]| lines.join(if name == "cookie" { "; " } else { ", " });
        let headers: BTreeMap<_, _> = lists.iter().map(|(name, lines)| (name.clone(), join(name, lines))).collect();
        let (query, queries) = (json!({ (query): query }), json!({ (query): [query] }));
        let rest_api = json!({
            "httpMethod": method, "path": path, "requestContext": { "path": format!("/Prod{path}") },
            "headers": headers, "multiValueHeaders": lists,
        });
        let stages = [("$default", path.clone()), ("prod", format!("/prod{path}"))];
        let [http_api, http_api_stage] = stages.clone().map(|(stage, path)| {
            json!({
                "version": "1.0", "httpMethod": method, "path": path, "headers": headers, "multiValueHeaders": lists,
                "queryStringParameters": query, "multiValueQueryStringParameters": queries,
                "requestContext": { "path": path, "stage": stage },
            })
        });
        let [payload_2, payload_2_stage] = stages.map(|(stage, path)| {
            let mut headers = headers.clone();
            let cookies = headers.remove("cookie").map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>());
            json!({
                "cookies": cookies, "headers": headers, "rawPath": path, "rawQueryString": self.query,
                "requestContext": { "stage": stage, "http": { "method": method, "path": path } },
            })
        });
        let alb = json!({ "httpMethod": method, "path": path, "queryStringParameters": query, "headers": headers });
        let alb_multi_value = json!({
            "httpMethod": method, "path": path, "multiValueQueryStringParameters": queries, "multiValueHeaders": lists,
        });
        let lattice = json!({ "method": method, "path": path, "queryStringParameters": queries, "headers": lists });
        let lattice_v1 =
            json!({ "method": method, "raw_path": path, "query_string_parameters": query, "headers": headers });
        [
            ("first_visit", payload_2),
            ("http_api_first_visit", payload_2_stage),
            ("rest_api_first_visit", rest_api),
            ("rest_api_first_visit", http_api),
            ("rest_api_first_visit", http_api_stage),
            ("alb_first_visit", alb),
            ("alb_multi_value_first_visit", alb_multi_value),
            ("vpc_lattice_first_visit", lattice),
            ("vpc_lattice_v1_return_visit", lattice_v1),
        ]
    }
}
