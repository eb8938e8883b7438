//! What people meet on their own machine: `make run`, with browsers and other clients.
//!
//! - `page`: Chromium, Firefox and `WebKit` open the page, over HTTPS and embedded in other sites.
//! - `make_run`: curl, Python and `cargo lambda invoke` visit the page, and `make run` says what is wrong.
//! - `support`: the browsers, the web in which they find the page, and the running `make run`.

mod make_run;
mod page;
mod support;
