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
        /// How many folders the path is below the page.
        depth: usize,
    },
}

impl<'a> Route<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        let path = request.raw_http_path();
        match request.request_context_ref() {
            // The stage `$default` is not in the path.
            Some(RequestContext::ApiGatewayV2(context)) => match context.stage.as_deref() {
                Some(stage) if stage != "$default" => Self::in_stage(path, stage),
                _ => Self::of_path(path),
            },
            // A REST API delivers the path without its stage, and separately the path as requested. Behind a
            // custom domain, both are the same, and the stage is in neither.
            Some(RequestContext::ApiGatewayV1(context)) => match (path, context.stage.as_deref()) {
                ("/", Some(stage))
                    if context.path.as_deref().is_some_and(|it| is_root(it, stage)) =>
                {
                    Self::StageWithoutSlash(stage)
                }
                _ => Self::of_path(path),
            },
            _ => Self::of_path(path),
        }
    }

    fn in_stage(path: &str, stage: &'a str) -> Self {
        if is_root(path, stage) {
            return Self::StageWithoutSlash(stage);
        }
        // Behind a custom domain, the path may not contain the stage.
        let inside = path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(stage));
        Self::of_path(inside.filter(|path| path.starts_with('/')).unwrap_or(path))
    }

    fn of_path(path: &str) -> Self {
        match path {
            "/" | "" => Self::Page,
            "/reset" => Self::Reset,
            "/forget" => Self::Forget,
            path => {
                let folders = path.bytes().skip(1).filter(|byte| *byte == b'/');
                Self::Unknown {
                    depth: folders.count(),
                }
            }
        }
    }
}

/// Whether the path is the stage itself, with no slash after it.
fn is_root(path: &str, stage: &str) -> bool {
    path.strip_prefix('/') == Some(stage)
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, aws_lambda_events::apigw, http};

    use super::*;

    fn request(path: &str) -> Request {
        http::Request::new(Body::Empty).with_raw_http_path(path)
    }

    fn rest_api(stage: &str, path: &str, requested: &str) -> Request {
        let mut context = apigw::ApiGatewayProxyRequestContext::default();
        context.stage = Some(stage.to_owned());
        context.path = Some(requested.to_owned());
        request(path).with_request_context(RequestContext::ApiGatewayV1(context))
    }

    fn http_api(stage: &str, path: &str) -> Request {
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
            ("/reset/", Route::Unknown { depth: 1 }),
            ("/favicon.ico", Route::Unknown { depth: 0 }),
            ("/a/b/c", Route::Unknown { depth: 2 }),
            ("//", Route::Unknown { depth: 1 }),
            ("/./", Route::Unknown { depth: 1 }),
            ("/Reset", Route::Unknown { depth: 0 }),
        ] {
            assert_eq!(Route::of(&request(path)), route, "{path:?}");
        }
    }

    #[test]
    fn a_named_stage_of_an_http_api_is_not_part_of_the_path() {
        for (stage, path, route) in [
            ("$default", "/", Route::Page),
            ("$default", "/reset", Route::Reset),
            ("$default", "/$default/", Route::Unknown { depth: 1 }),
            ("$default", "/$default", Route::Unknown { depth: 0 }),
            ("prod", "/prod/", Route::Page),
            ("prod", "/prod/reset", Route::Reset),
            ("prod", "/prod/forget", Route::Forget),
            ("prod", "/prod/x", Route::Unknown { depth: 0 }),
            ("prod", "/prod", Route::StageWithoutSlash("prod")),
            ("prod", "/production", Route::Unknown { depth: 0 }),
            // Behind a custom domain.
            ("prod", "/", Route::Page),
        ] {
            assert_eq!(Route::of(&http_api(stage, path)), route, "{stage} {path}");
        }
    }

    #[test]
    fn a_rest_api_delivers_the_path_without_its_stage() {
        for (path, requested, route) in [
            ("/", "/Prod/", Route::Page),
            ("/reset", "/Prod/reset", Route::Reset),
            ("/forget", "/Prod/forget", Route::Forget),
            ("/x/y", "/Prod/x/y", Route::Unknown { depth: 1 }),
            ("/Prod/", "/Prod/Prod/", Route::Unknown { depth: 1 }),
            ("/", "/Prod", Route::StageWithoutSlash("Prod")),
            ("/Prod", "/Prod", Route::Unknown { depth: 0 }),
        ] {
            assert_eq!(
                Route::of(&rest_api("Prod", path, requested)),
                route,
                "{requested}"
            );
        }
    }
}
