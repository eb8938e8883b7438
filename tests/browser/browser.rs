//! What people meet on their own machine: `make run`, with browsers.
//!
//! - `page`: Chromium, Firefox and `WebKit` open the page, over HTTPS and embedded in other sites.
//! - `make_run`: `cargo lambda invoke` visits the page, and `make run` says what is wrong and shows what is saved.
//! - `browsers`, `web`, `server_process`: the browsers, the sites that they open, and the programs behind both.

mod browsers;
mod make_run;
mod page;
mod server_process;
mod web;
