//! What people meet on their own machine: `make run`, with browsers and other clients.
//!
//! - `page`: Chromium, Firefox and `WebKit` open the page, over HTTPS and embedded in other sites.
//! - `make_run`: curl, Python and `cargo lambda invoke` visit the page, and `make run` says what is wrong.
//! - `browsers`, `web`, `server_process`: the browsers, the sites that they open, and the programs behind both.

mod browsers;
mod make_run;
mod page;
mod server_process;
mod web;
