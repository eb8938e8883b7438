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
    /// Any other path, this many folders below the page.
    Unknown(usize),
}

impl<'a> Route<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        let path = request.raw_http_path();
        let stage = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.stage.as_deref(),
            _ => None,
        };
        // The stage `$default` is not in the path.
        let Some(stage) = stage.filter(|stage| *stage != "$default") else {
            return Self::of_path(path);
        };
        let inside = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
        match inside {
            Some("") => Self::StageWithoutSlash(stage),
            Some(inside) => Self::of_path(inside),
            // Behind a custom domain, the path may not contain the stage.
            None => Self::of_path(path),
        }
    }

    fn of_path(path: &str) -> Self {
        match path {
            "/" | "" => Self::Page,
            "/reset" => Self::Reset,
            "/forget" => Self::Forget,
            path => Self::Unknown(path.bytes().skip(1).filter(|byte| *byte == b'/').count()),
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

    fn in_stage(stage: &str, path: &str) -> Request {
        let mut context = apigw::ApiGatewayV2httpRequestContext::default();
        context.stage = Some(stage.to_owned());
        request(path).with_request_context(RequestContext::ApiGatewayV2(context))
    }

    #[test]
    fn the_path_decides() {
        for (path, route) in [
            ("/", Route::Page),
            ("", Route::Page),
            ("/reset", Route::Reset),
            ("/forget", Route::Forget),
            ("/reset/", Route::Unknown(1)),
            ("/favicon.ico", Route::Unknown(0)),
            ("/a/b/c", Route::Unknown(2)),
            ("//", Route::Unknown(1)),
            ("/./", Route::Unknown(1)),
            ("/Reset", Route::Unknown(0)),
        ] {
            assert_eq!(Route::of(&request(path)), route, "{path:?}");
        }
    }

    #[test]
    fn a_named_stage_is_not_part_of_the_path() {
        for (stage, path, route) in [
            ("$default", "/", Route::Page),
            ("$default", "/reset", Route::Reset),
            ("$default", "/$default/", Route::Unknown(1)),
            ("$default", "/$default", Route::Unknown(0)),
            ("prod", "/prod/", Route::Page),
            ("prod", "/prod/reset", Route::Reset),
            ("prod", "/prod/forget", Route::Forget),
            ("prod", "/prod/x", Route::Unknown(0)),
            ("prod", "/prod", Route::StageWithoutSlash("prod")),
            ("prod", "/production", Route::Unknown(0)),
            // Behind a custom domain.
            ("prod", "/", Route::Page),
        ] {
            assert_eq!(Route::of(&in_stage(stage, path)), route, "{stage} {path}");
        }
    }
}
