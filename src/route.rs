//! Which of the counter's resources a request asks for.

use lambda_http::{Request, RequestExt, request::RequestContext};

/// A resource, named by the request's path without its API Gateway stage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route<'a> {
    /// `/`: the page.
    Page,
    /// `/reset`: the page's button "Reset to 1" posts to it.
    Reset,
    /// `/forget`: the page's button "Delete the cookie" posts to it.
    Forget,
    /// `/prod` instead of `/prod/`: from there, the page's relative links would leave the stage.
    StageWithoutSlash(&'a str),
    /// Any other path.
    Unknown {
        /// How many folders it is below the page.
        depth: usize,
    },
}

impl<'a> Route<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        let path = request.raw_http_path();
        let (stage, requested) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => (context.stage.as_deref(), context.path.as_deref()),
            Some(RequestContext::ApiGatewayV2(context)) => (context.stage.as_deref(), None),
            _ => (None, None),
        };
        // The stage `$default` is not in the path.
        let Some(stage) = stage.filter(|stage| !matches!(*stage, "" | "$default")) else {
            return Self::of_path(path);
        };
        let inside = |path: &'a str| path.strip_prefix('/')?.strip_prefix(stage);
        match (requested.and_then(inside), inside(path)) {
            // A REST API delivers the path without the stage, and in its context the path as requested. Only the
            // latter shows whether a slash follows the stage.
            (Some(""), _) => Self::StageWithoutSlash(stage),
            (Some(requested), _) if requested == path => Self::of_path(path),
            // An HTTP API delivers the path as requested, and so does a REST API behind a custom domain.
            (_, Some("")) => Self::StageWithoutSlash(stage),
            (_, Some(inside)) => Self::of_path(inside),
            // Behind a custom domain, the path may not contain the stage.
            (_, None) => Self::of_path(path),
        }
    }

    fn of_path(path: &str) -> Self {
        // VPC Lattice may deliver the query with the path. AWS does not say that it does, but other adapters expect it.
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        match path {
            "/" | "" => Self::Page,
            "/reset" => Self::Reset,
            "/forget" => Self::Forget,
            path => Self::Unknown { depth: path.bytes().skip(1).filter(|byte| *byte == b'/').count() },
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, aws_lambda_events::apigw, http};

    use super::*;

    fn request(path: &str) -> Request {
        http::Request::new(Body::Empty).with_raw_http_path(path)
    }

    /// A request of payload 1.0 if there is a path as requested, otherwise of payload 2.0.
    fn in_stage(stage: &str, path: &str, requested: Option<&str>) -> Request {
        let mut payload_1 = apigw::ApiGatewayProxyRequestContext::default();
        (payload_1.stage, payload_1.path) = (Some(stage.to_owned()), requested.map(str::to_owned));
        let mut payload_2 = apigw::ApiGatewayV2httpRequestContext::default();
        payload_2.stage = Some(stage.to_owned());
        request(path).with_request_context(match requested {
            Some(_) => RequestContext::ApiGatewayV1(payload_1),
            None => RequestContext::ApiGatewayV2(payload_2),
        })
    }

    const fn unknown(depth: usize) -> Route<'static> {
        Route::Unknown { depth }
    }

    #[test]
    fn the_path_decides() {
        for (path, route) in [
            ("/", Route::Page),
            ("", Route::Page),
            ("/reset", Route::Reset),
            ("/forget", Route::Forget),
            ("/reset/", unknown(1)),
            ("/favicon.ico", unknown(0)),
            ("/a/b/c", unknown(2)),
            ("//", unknown(1)),
            ("/./", unknown(1)),
            ("/Reset", unknown(0)),
            ("/?q=/reset", Route::Page),
            ("/a/b?q=/", unknown(1)),
        ] {
            assert_eq!(Route::of(&request(path)), route, "{path:?}");
        }
    }

    #[test]
    fn a_named_stage_is_not_part_of_the_path() {
        for (stage, path, requested, route) in [
            ("$default", "/", None, Route::Page),
            ("$default", "/reset", None, Route::Reset),
            ("$default", "/$default/", None, unknown(1)),
            ("$default", "/$default", None, unknown(0)),
            ("prod", "/prod/", None, Route::Page),
            ("prod", "/prod/reset", None, Route::Reset),
            ("prod", "/prod/forget", None, Route::Forget),
            ("prod", "/prod/x", None, unknown(0)),
            ("prod", "/prod", None, Route::StageWithoutSlash("prod")),
            ("prod", "/production", None, unknown(0)),
            ("prod", "/", None, Route::Page), // a custom domain
            // A REST API
            ("prod", "/", Some("/prod/"), Route::Page),
            ("prod", "/", Some("/prod"), Route::StageWithoutSlash("prod")),
            ("prod", "/reset", Some("/prod/reset"), Route::Reset),
            ("prod", "/prod", Some("/prod/prod"), unknown(0)),
            ("prod", "/prod/", Some("/prod/prod/"), unknown(1)),
            // A REST API behind a custom domain: whose mapping names the stage, does not name it, or has a base path.
            ("prod", "/", Some("/"), Route::Page),
            ("prod", "/prod/", Some("/prod/"), Route::Page),
            ("prod", "/prod", Some("/prod"), Route::StageWithoutSlash("prod")),
            ("prod", "/", Some("/base/"), Route::Page),
            ("prod", "/base/", Some("/base/"), unknown(1)),
            // An HTTP API with payload 1.0
            ("$default", "/", Some("/"), Route::Page),
            ("$default", "/forget", Some("/forget"), Route::Forget),
            ("prod", "/prod/reset", Some("/prod/reset"), Route::Reset),
            ("prod", "/prod/prod/", Some("/prod/prod/"), unknown(1)),
            ("", "/", Some("/"), Route::Page),
        ] {
            let request = in_stage(stage, path, requested);
            assert_eq!(Route::of(&request), route, "{stage} {path} {requested:?}");
        }
    }
}
