//! The function's answer to an event, checked for what is true of every answer. The tests and the fuzzer share it.

use std::{collections::BTreeMap, io};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use page_visit_counter::{Event, Settings, answer};
use serde::Deserialize;
use serde_json::{Deserializer, Value};
use sha2::{Digest, Sha256};

/// An answer, in the same form for every front door.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Without `Set-Cookie` and the headers that every answer has.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) set_cookie: Option<String>,
    /// Decompressed.
    pub(crate) body: String,
    pub(crate) is_https: bool,
}

impl Answer {
    /// Sends the bytes of an event through the function as Lambda does, and checks the answer. There is none if the
    /// event is not a front door's. `origins` may show the count.
    ///
    /// # Panics
    ///
    /// If the answer breaks a promise.
    pub(crate) fn to(event: &[u8], origins: &str) -> Option<Self> {
        let variable = |name: &str| (name == "COUNT_EMBED_ORIGINS").then(|| origins.to_owned());
        let settings = Settings::read(variable).expect("valid settings");
        // As `lambda_runtime` does, which ignores what follows the first JSON value.
        let event = Event::deserialize(&mut Deserializer::from_slice(event)).expect("never fails");
        let answer = answer(event, &settings).ok()?;
        let answer = Self::read(&serde_json::to_value(answer).expect("an answer is JSON"));
        answer.check(!origins.is_empty());
        Some(answer)
    }

    /// Checks the headers of every answer.
    pub(crate) fn read(json: &Value) -> Self {
        let single: BTreeMap<String, String> = from(&json["headers"]);
        let lists: BTreeMap<String, [String; 1]> = from(&json["multiValueHeaders"]);
        let lists: BTreeMap<_, _> = lists.into_iter().map(|(name, [line])| (name, line)).collect();
        let is_rest_api = single.is_empty();
        let is_load_balancer = !single.is_empty() && !lists.is_empty();
        if is_load_balancer {
            assert_eq!(single, lists, "the target group's settings choose the form");
        }
        let description = json["statusDescription"].as_str().unwrap_or_default();
        let status = json["statusCode"].to_string();
        assert_eq!(description.starts_with(&status), is_load_balancer, "{json}");
        let mut headers = if is_rest_api { lists } else { single };

        let body = json["body"].as_str().unwrap_or_default();
        let is_binary = json["isBase64Encoded"] == true;
        assert!(!is_rest_api || !is_binary, "a REST API does not decode Base64");
        let body = if is_binary {
            assert_eq!(headers["content-encoding"], "gzip");
            let gzip = BASE64_STANDARD.decode(body).expect("Base64");
            io::read_to_string(GzDecoder::new(&*gzip)).expect("gzip of UTF-8")
        } else {
            body.to_owned()
        };
        let mut cookies = headers.remove("set-cookie").into_iter().chain(from::<Vec<String>>(&json["cookies"]));
        let (set_cookie, second) = (cookies.next(), cookies.next());
        assert_eq!(second, None, "{json}");

        for (name, value) in [
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(headers.remove(name).as_deref(), Some(value), "{name}");
        }
        check_policy(&headers.remove("content-security-policy").expect("a policy"), &body);
        let transport = headers.remove("strict-transport-security");
        assert!(matches!(transport.as_deref(), None | Some("max-age=31536000")));
        Self { status: status.parse().expect("a status"), headers, set_cookie, body, is_https: transport.is_some() }
    }

    /// The words of the page, without its tags.
    pub(crate) fn visible_text(&self) -> String {
        let texts = self.body.split('<').map(|tag| tag.split_once('>').map_or(tag, |(_, text)| text));
        texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    fn check(&self, has_origins: bool) {
        let header = |name| self.headers.get(name).map(String::as_str);
        let is_visit = self.set_cookie.is_some() && header("vary").is_some_and(|it| it.contains("Accept"));
        if let Some(cookie) = &self.set_cookie {
            let (pair, attributes) = cookie.split_once("; ").expect("attributes");
            let secure = if self.is_https { "; Secure" } else { "" };
            let jar = match header("access-control-allow-origin") {
                Some(_) if attributes.contains("None") => "SameSite=None; Partitioned; Secure",
                _ => &format!("SameSite=Lax{secure}"),
            };
            let lifetime = if is_visit { 34_560_000 } else { 0 };
            assert_eq!(attributes, format!("HttpOnly; {jar}; Path=/; Max-Age={lifetime}"));
            let count = pair.strip_prefix("count=").expect("our cookie");
            assert_eq!(count.parse::<u64>().is_ok_and(|count| count > 0), is_visit, "{count}");
            match header("content-type") {
                _ if !is_visit => assert_eq!(count, ""),
                Some("application/json") => assert_eq!(self.body, format!("{{\"count\":{count}}}")),
                Some("text/plain; charset=utf-8") => assert_eq!(self.body, format!("{count}\n")),
                _ => {
                    assert!(self.body.contains(&format!(">{count}</b></h1>")));
                    let (text, name) = (self.visible_text(), "count=");
                    let mut mentions = text.split("Cookie: ").skip(1);
                    assert!(mentions.all(|rest| rest.starts_with(name)), "the page names another cookie: {text}");
                }
            }
        }
        assert_eq!(header("location").is_some(), matches!(self.status, 303 | 308));
        assert_eq!(header("allow").is_some(), self.status == 405);
        assert_eq!(header("content-type").is_none(), matches!(self.status, 204 | 303 | 308));
        assert!(self.status == 200 || header("content-encoding").is_none());
        let varies = header("vary").is_some_and(|it| it.ends_with("Origin"));
        assert_eq!(varies, has_origins, "{:?}", self.headers);
    }
}

/// Checks that the body needs no script and nothing from elsewhere, and that the policy has the promised directives and
/// permits the body's style
/// (<https://www.w3.org/TR/CSP3/#match-element-to-source-list>).
fn check_policy(policy: &str, body: &str) {
    let rest = policy.strip_prefix("default-src 'none'; style-src ").expect(policy);
    let (styles, others) = rest.split_once("; ").expect(policy);
    assert_eq!(others, "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    assert!(styles.split(' ').all(|style| style.starts_with("'sha256-")), "{styles}");
    let page = body.replace("http://www.w3.org/2000/svg", "").replace("url(\"data:", "");
    for forbidden in ["<script", "http:", "https:", "src=", "@import", "url(", "style="] {
        assert!(!page.contains(forbidden), "a page needs no script and nothing from elsewhere, but has {forbidden}");
    }
    if let Some((_, rest)) = body.split_once("<style>") {
        let (style, _) = rest.split_once("</style>").expect("the style ends");
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        assert!(styles.contains(&format!("'sha256-{hash}'")), "{hash} in {styles}");
    }
}

fn from<T: for<'de> Deserialize<'de> + Default>(json: &Value) -> T {
    Option::<T>::deserialize(json).expect("one text for each header").unwrap_or_default()
}
